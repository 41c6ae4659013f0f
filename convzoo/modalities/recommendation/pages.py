"""What a page shows of users and what they are recommended."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasVectors
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.modalities.recommendation.example import User
from convzoo.report.figures import as_svg, new_figure
from convzoo.report.kit import html_safe
from convzoo.tasks.ranking import RankItems

GROUPS = 5
"""Groups of items, from the rarest to the most popular."""


class UserPages(Pages):
    """Users: their items and recommendations, results by popularity, and similar items."""

    plural = "users"

    def picture(self, example: User) -> str:
        return f"<code>{html.escape(example.source)}</code>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[User]) -> str:
        """The nearest items of some items, by the cosine of their vectors."""
        if not isinstance(model, HasVectors):
            return ""
        catalogue = examples[0].catalogue
        with torch.no_grad():
            final = model.vectors()[len(catalogue.users) :]
        known = encoder.dims["known"]
        counts = np.bincount(known.items, minlength=len(catalogue.items))
        unit = torch.nn.functional.normalize(final, dim=1)
        rows = []
        for item in np.argsort(-counts)[:: max(1, len(counts) // 12)][:8].tolist():
            near = (unit @ unit[item]).topk(min(6, len(unit)))
            pairs = zip(near.indices.tolist(), near.values.tolist(), strict=True)
            words = " &nbsp; ".join(
                f"{html.escape(str(catalogue.items[at]))} <small>{value:.2f}</small>"
                for at, value in pairs
                if at != item
            )
            rows.append(
                f"<tr><td>{html.escape(str(catalogue.items[item]))}</td><td>{counts[item]}</td><td>{words}</td></tr>"
            )
        return (
            "<p>The first step on the graph gives a user the weighted sum of the vectors of its items, and an item that of its "
            "users; rare ones weigh more than popular ones. So items with the same users get similar vectors. These are the "
            "nearest items of some items, from popular to rare, by the cosine of their vectors:</p>"
            f"<table class='plain'><tr><th>item</th><th>had by</th><th>nearest</th></tr>{''.join(rows)}</table>"
        )

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a ranking: the lists of some users, and how lists and hits depend on popularity."""
        rows = list(material.predictions)
        if not isinstance(task, RankItems) or not rows:
            return []
        return [
            Section("Ranked lists", html_safe(_lists(task, material, rows))),
            Section("By popularity", html_safe(_by_popularity(task, material, rows))),
        ]


def _lists(task: RankItems, material: Material, rows: Sequence[Mapping[str, Any]]) -> str:
    """For some users what they had, what they were recommended and what they had afterwards."""
    chosen = np.linspace(0, len(rows) - 1, min(8, len(rows))).astype(int)
    cells = []
    for at in chosen.tolist():
        row = rows[at]
        user: User = material.examples[int(row["index"])]
        wanted = set(row["true_items"])
        had = [str(task.item_ids[item]) for item in user.seen.tolist()]
        best = [
            f"<b>{html.escape(str(item))}</b>" if item in wanted else html.escape(str(item))
            for item in row["items"][:10]
        ]
        cells.append(
            f"<tr><td><code>{html.escape(user.source)}</code></td><td>{_few(had)}</td><td>{', '.join(best)}</td>"
            f"<td>{_few([str(item) for item in row['true_items']])}</td></tr>"
        )
    return (
        "<p>What a user had before, the best ten of the other items, and what it had afterwards. Hits are bold.</p>"
        "<table class='plain'><tr><th>user</th><th>had</th><th>recommended</th><th>had afterwards</th></tr>"
        f"{''.join(cells)}</table>"
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(html.escape(name) for name in names[:10])
    return shown + (f" … <small>({len(names)} in all)</small>" if len(names) > 10 else "")


def _by_popularity(task: RankItems, material: Material, rows: Sequence[Mapping[str, Any]]) -> str:
    """Recall by how often an item was had in training, and how often items of each kind are recommended."""
    k = task.at[-1]
    known = material.encoder.dims["known"]
    counts = np.bincount(known.items, minlength=len(task.item_ids))
    number = {str(name): index for index, name in enumerate(task.item_ids)}
    order = np.argsort(counts, kind="stable")
    fifth = np.empty(len(counts), int)
    fifth[order] = np.arange(len(counts)) * GROUPS // len(counts)
    hits, wanted, shown = (np.zeros(GROUPS) for _ in range(3))
    for row in rows:
        best = [number[str(item)] for item in row["items"][:k]]
        truth = [number[str(item)] for item in row["true_items"]]
        np.add.at(shown, fifth[best], 1)
        np.add.at(wanted, fifth[truth], 1)
        np.add.at(hits, fifth[[item for item in truth if item in set(best)]], 1)
    figure = new_figure(9, 2.8)
    left, right = figure.subplots(1, 2)
    names = []
    for group in range(GROUPS):
        inside = counts[fifth == group]
        names.append(f"{inside.min()} to {inside.max()}" if len(inside) else "")
    places = np.arange(GROUPS)
    left.bar(places, np.divide(hits, wanted, out=np.zeros(GROUPS), where=wanted > 0), color="#7aa6d8")
    left.set_ylabel(f"found among the best {k}")
    right.bar(places - 0.2, wanted / max(wanted.sum(), 1), width=0.4, color="#9cc8a4", label="had afterwards")
    right.bar(places + 0.2, shown / max(shown.sum(), 1), width=0.4, color="#e0a458", label="recommended")
    right.set_ylabel("fraction of all")
    right.legend(frameon=False, fontsize=8)
    for side in (left, right):
        side.set_xticks(places, names, fontsize=8)
        side.set_xlabel("how often a fifth of the items was had in training")
        side.spines[["top", "right"]].set_visible(False)
    return (
        "<p>Items in five equal groups, from the rarest to the most popular. Left: the fraction of the users' later items "
        f"that is found. Right: whether the lists favour popular items more than users do.</p>{as_svg(figure)}"
    )
