"""What a page shows of users and what they are recommended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasHops, HasVectors
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.modalities.recommendation.example import Catalogue, User
from convzoo.report import kit
from convzoo.tasks.ranking import RankItems

GROUPS = 5
"""Groups of items, from the rarest to the most popular."""
CARDS = 8
"""Number of users in a panel."""
LISTED = 12
"""Number of items that are listed of a user's past and of what it had afterwards."""
FEW_USERS = 10
"""With fewer users than this, scores have no interval."""
ENTRIES = 50_000_000
"""Largest number of products to count what users see; of a large graph fewer users are counted."""


class UserPages(Pages):
    """Users: their past, their lists with hits and misses; recall by list length, activity and popularity; similar items."""

    plural = "users"
    card_size = "wide"
    stand_in_all_splits = True

    def picture(self, example: User) -> str:
        return f"<p>{kit.code(example.source)}: {kit.count_of(len(example.seen), 'items')} before</p>"

    def title(self, task: Task, material: Material, count: int) -> str:
        """The question, and the size of the catalogue. (A user is in every split, so that the count says nothing.)"""
        if not len(material.examples):
            return ""
        catalogue = material.examples[0].catalogue
        return f"What will {kit.count_of(len(catalogue.users), 'users')} want next? {kit.count_of(len(catalogue.items), 'items')}"

    def legend(self, task: Task, material: Material) -> str:
        """What the marks of items mean."""
        if not isinstance(task, RankItems):
            return ""
        marks = [
            ('<span class="tokens"><span class="hit">✓ item</span></span>', "recommended, and had afterwards"),
            (
                '<span class="tokens"><span class="miss">✕ item</span></span>',
                "had afterwards, and not among the recommended",
            ),
        ]
        words = "<p>What users had before, what they were recommended, and what they had afterwards.</p>"
        if isinstance(material.model, HasVectors):
            marks.append(
                (
                    '<span class="tokens"><span class="in">item</span></span>',
                    "of its past, one of the three whose vectors are closest to those of the recommended items",
                )
            )
        return words + kit.key(marks)

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Users whose lists found nothing, users in the middle, users whose lists found most."""
        if not isinstance(task, RankItems):
            return []
        found = Lists.of(task, material)
        if not len(found.rows):
            return []
        k = found.length
        # Of equal recall, the lists that missed more.
        order = np.lexsort((-(found.wanted - found.hits), found.recall))
        none = [at for at in order.tolist() if not found.hits[at]]
        share = f"{kit.count_of(len(none), 'users')} of {len(found.rows):,} ({kit.as_percent(len(none) / len(found.rows), 0)})"
        some = [at for at in order.tolist() if found.hits[at]]
        middle = len(order) // 2
        typical = [at for at in order[max(0, middle - CARDS // 2) : middle + CARDS // 2].tolist() if found.hits[at]]
        panels = []
        left = found.left_out_in_words()
        if none:
            about = f"Nothing of what they had afterwards is among the best {k}: so it is for {share}.{left}"
            panels.append(Panel("Missed", about, _cards(task, material, found, none[:CARDS])))
        if typical and len(order) > CARDS:
            about = "Users whose recall is in the middle of all."
            panels.append(Panel("In the middle", about, _cards(task, material, found, typical)))
        if some:
            about = f"Users of whose later items most are among the best {k}."
            panels.append(Panel("Best", about, _cards(task, material, found, some[::-1][:CARDS])))
        return panels

    def cases(self, task: Task, material: Material) -> list[float]:
        """The recall of each user."""
        return Lists.of(task, material).recall.tolist() if isinstance(task, RankItems) else []

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Recall by the length of the list, by the users' activity and by the items' popularity."""
        if not isinstance(task, RankItems):
            return []
        found = Lists.of(task, material)
        if not len(found.rows):
            return []
        key = kit.key(kit.TRACK_KEY[:1])
        return [
            Section("", key + kit.columns([_by_length(found), _by_activity(material, found)])),
            Section("Popular and rare items", _by_popularity(task, material, found)),
        ]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """What a user's vector depends on after each step over the graph of users and items."""
        if not isinstance(material.model, HasHops) or not len(material.examples):
            return ""
        catalogue, known = material.examples[0].catalogue, material.encoder.dims["known"]
        hops = material.model.hops
        chosen = np.unique(np.linspace(0, len(material.examples) - 1, min(200, len(material.examples))).astype(int))
        chosen = chosen[: max(1, min(len(chosen), ENTRIES // max(len(known.items) * max(hops, 1), 1)))]
        users = np.array([material.examples[at].index for at in chosen.tolist()])
        return _reach(catalogue, known, users, hops)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[User]) -> str:
        """The nearest items of some items, by the cosine of their vectors."""
        if not isinstance(model, HasVectors):
            return ""
        catalogue = examples[0].catalogue
        unit = _unit_items(model, catalogue)
        known = encoder.dims["known"]
        counts = np.bincount(known.items, minlength=len(catalogue.items))
        lines: list[list[kit.Cell]] = []
        for item in np.argsort(-counts, kind="stable")[:: max(1, len(counts) // 8)][:8].tolist():
            near = (unit @ unit[item]).topk(min(6, len(unit)))
            pairs = zip(near.indices.tolist(), near.values.tolist(), strict=True)
            words = [
                f"{kit.short(catalogue.shown(catalogue.items[at]))} ({kit.as_number(round(value, 2))})"
                for at, value in pairs
                if at != item
            ][:5]
            lines.append([kit.short(catalogue.shown(catalogue.items[item])), f"{counts[item]:,}", ", ".join(words)])
        return (
            "<h3>Which items lie together</h3><p>A step on the graph gives a user the weighted sum of the vectors of its items, "
            "and an item that of its users; rare ones weigh more than popular ones. So items with the same users get similar "
            "vectors. Some items, from popular to rare, each with its five nearest and the cosine of their vectors:</p>"
            + kit.table([kit.Column("item"), kit.Column("had by", "n"), kit.Column("nearest items")], lines)
        )

    def data(self, material: Material) -> str:
        """How full the table of users and items is, how many items users have, and how many users items."""
        if not len(material.examples):
            return ""
        catalogue, known = material.examples[0].catalogue, material.encoder.dims["known"]
        users, items = len(catalogue.users), len(catalogue.items)
        by_user, by_item = known.counts(), np.bincount(known.items, minlength=items)
        top = np.sort(by_item)[::-1][: max(1, items // 10)].sum() / max(len(known.items), 1)
        part = len(known.items) / max(users * items, 1)
        facts = [
            ("learnt from", f"{len(known.items):,} pairs of a user and an item: {kit.as_percent(part, 2)} of all possible ones"),
            ("popular items", f"a tenth of the items has {kit.as_percent(float(top), 0)} of the pairs"),
        ]  # fmt: skip
        return kit.pairs(facts) + kit.columns(
            [
                kit.long_tailed("Items of a user, in training", "users", by_user),
                kit.long_tailed("Users of an item, in training", "items", by_item),
            ]
        )


@dataclass(frozen=True)
class Lists:
    """The users whose later items are known, with what their lists found.

    Attributes:
        rows: of `predictions.csv`, one a user
        length: of the lists that are looked at: those that are scored, as far as they are written down
        hits: (users,), number of later items among the best `length`
        wanted: (users,), number of later items
        places: for each user, the places (from 1) of its hits
        left_out: number of users who had nothing afterwards
    """

    rows: Sequence[Mapping[str, Any]]
    length: int
    hits: np.ndarray
    wanted: np.ndarray
    places: Sequence[Sequence[int]]
    left_out: int

    @classmethod
    def of(cls, task: RankItems, material: Material) -> "Lists":
        """From the predictions."""
        rows = [row for row in material.predictions if isinstance(row.get("true_items"), list) and row["true_items"]]
        length = min(task.at[-1], max((len(row["items"]) for row in rows), default=task.at[-1]))
        places = []
        for row in rows:
            true = set(map(str, row["true_items"]))
            places.append([place for place, item in enumerate(row["items"][:length], 1) if str(item) in true])
        hits = np.array([len(found) for found in places], np.int64)
        wanted = np.array([len(row["true_items"]) for row in rows], np.int64)
        return cls(rows, length, hits, wanted, places, len(material.predictions) - len(rows))

    @property
    def recall(self) -> np.ndarray:
        """(users,): the part of the later items that is found."""
        return self.hits / np.maximum(self.wanted, 1)

    def left_out_in_words(self) -> str:
        """How many users cannot be judged; empty if none."""
        return (
            f" {kit.count_of(self.left_out, 'users')} had nothing afterwards and cannot be judged."
            if self.left_out
            else ""
        )


def ratio_interval(hits: np.ndarray, counts: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of sum(hits) / sum(counts) where each pair of numbers is of one user, and users were drawn; None for few.

    The ratio is linearised (Cochran 1977, Sampling Techniques, 6.4). Where all or none was found it tells nothing; then the
    Wilson interval stands in its place.

    Args:
        hits: (users,)
        counts: (users,), above 0
    """
    users, total = len(hits), float(counts.sum())
    if users < FEW_USERS or not total:
        return None
    part = float(hits.sum()) / total
    if part in (0.0, 1.0):
        return kit.wilson(round(part * users), users)
    apart = hits - part * counts
    half = 1.959964 * float(np.sqrt((apart**2).sum() * users / (users - 1))) / total
    return max(part - half, 0.0), min(part + half, 1.0)


def _track(hits: np.ndarray, counts: np.ndarray) -> kit.Track:
    ends = ratio_interval(hits, counts) or (None, None)
    return kit.Track(float(hits.sum() / counts.sum()), *ends)


def _unit_items(model: HasVectors, catalogue: Catalogue) -> Tensor:
    """(items, size): the items' vectors, each of length 1."""
    with torch.no_grad():
        return torch.nn.functional.normalize(model.vectors()[len(catalogue.users) :], dim=1)


def _cards(task: RankItems, material: Material, found: Lists, chosen: Sequence[int]) -> str:
    number = {str(name): at for at, name in enumerate(task.item_ids)}
    unit = None
    if isinstance(material.model, HasVectors):
        unit = _unit_items(material.model, material.examples[0].catalogue)
    return kit.cards([_card(task, material, found, at, number, unit) for at in chosen], UserPages.card_size)


def _card(
    task: RankItems, material: Material, found: Lists, at: int, number: Mapping[str, int], unit: Tensor | None
) -> str:
    """A user: its past, its list, what it had afterwards."""
    row = found.rows[at]
    user: User = material.examples[int(row["index"])]
    best = [str(item) for item in row["items"][: found.length]]
    true = [str(item) for item in row["true_items"]]
    past = user.seen.tolist()
    close: list[int] = []
    if unit is not None and past and best:
        middle = unit[[number[item] for item in best if item in number]].mean(dim=0)
        near = unit[past] @ middle
        past = [past[place] for place in near.argsort(descending=True, stable=True).tolist()]
        close = past[: min(3, len(past) - 1)]
    shown = user.catalogue.shown
    had = [_token(shown(task.item_ids[item]), "in" if item in close else "") for item in past[:LISTED]] + _rest(
        len(past)
    )
    listed = [f"<li>{_token(shown(item), 'hit' if item in set(true) else '')}</li>" for item in best]
    missed = sorted(true, key=lambda item: item not in best)
    later = [_token(shown(item), "hit" if item in best else "miss") for item in missed[:LISTED]] + _rest(len(missed))
    before = f"had before: {kit.count_of(len(past), 'items')}" + (", the closest first" if close else "")
    picture = (
        f'<div class="lists"><h4>{before}</h4><div class="tokens">{"".join(had) or _token("nothing", "rest")}</div>'
        f'<h4>recommended, the best first</h4><ol class="tokens">{"".join(listed)}</ol>'
        f'<h4>had afterwards: {kit.count_of(len(true), "items")}</h4><div class="tokens">{"".join(later)}</div></div>'
    )
    hits = int(found.hits[at])
    places = found.places[at]
    chip = f'<span class="chip {"ok" if hits else "no"}">{hits} of {len(true)}</span>'
    where = f"found, at place {_listed(places)}" if places else f"found among the best {found.length}"
    return kit.card(
        picture,
        f'<div class="said">{chip}<span>{where}</span></div>'
        + kit.sure(hits / len(true), "" if hits else "no")
        + kit.source(f"{kit.as_percent(hits / len(true), 0)} found", str(row["source"])),
    )


def _listed(places: Sequence[int]) -> str:
    words = [str(place) for place in places]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _token(name: object, kind: str) -> str:
    signs = {"hit": "✓ ", "miss": "✕ "}
    spoken = {"hit": "found", "miss": "missed", "in": "close"}
    hidden = f'<span class="hidden"> ({spoken[kind]})</span>' if kind in spoken else ""
    return f'<span class="{kind}">{signs.get(kind, "")}{kit.text(kit.short(name))}{hidden}</span>'


def _rest(count: int) -> list[str]:
    return [f'<span class="rest">and {count - LISTED:,} more</span>'] if count > LISTED else []


def _by_length(found: Lists) -> str:
    """What is found among the best 1, 2, … items."""
    lengths = np.arange(1, found.length + 1)
    # (users, lengths): hits among the first.
    inside = np.stack([np.searchsorted(places, lengths, side="right") for places in found.places])
    recall = (inside / found.wanted[:, None]).mean(axis=0)
    any_ = (inside > 0).mean(axis=0)
    k = found.length
    lines = [
        kit.Line(list(zip(lengths.tolist(), recall.tolist(), strict=True)), "l1", dots=k == 1),
        kit.Line(list(zip(lengths.tolist(), any_.tolist(), strict=True)), "l2", dots=k == 1),
    ]
    ticks = sorted({1, *(place for place in (5, 10, 20, 50, 100, 200) if place <= k), k})
    ticks = [tick for tick in ticks if tick == k or k - tick > k / 12]
    across = kit.Scale(1.0, float(max(k, 2)))
    up = kit.Scale(0.0, max(min(1.0, float(any_.max()) * 1.1), 0.1), percent=True)
    drawn = kit.plot(
        lines, across, up,
        f"Recall rises to {kit.as_percent(float(recall[-1]))} among the best {k}", "length of the list", across_ticks=ticks,
    )  # fmt: skip
    key = kit.key(
        [
            (kit.stroke("net"), f"of a user's later items found; {kit.as_percent(float(recall[-1]))} at {k}"),
            (
                kit.stroke("other", "6 4"),
                f"users with at least one; {kit.as_percent(float(any_[-1]))} at {k}",
            ),
        ]
    )
    first = next((int(length) for length in lengths if any_[length - 1] >= 0.5), None)
    half = f" Half of the users find something among the best {first}." if first is not None else ""
    about = f"<p>What is found among the best items.{half}{found.left_out_in_words()}</p>"
    return f"<h3>How long must the list be?</h3>{about}{key}{drawn}"


def _by_activity(material: Material, found: Lists) -> str:
    """Recall by how many items a user had before."""
    before = [len(material.examples[int(row["index"])].seen) for row in found.rows]
    lines: list[list[kit.Cell]] = []
    for name, places in kit.bands(before, GROUPS).items():
        recall = found.recall[places]
        lines.append(
            [
                name, f"{len(places):,}", f"{found.wanted[places].mean():,.1f}", kit.as_percent(float(recall.mean())),
                _track(recall, np.ones(len(places))),
            ]
        )  # fmt: skip
    columns = [
        kit.Column("items before"), kit.Column("users", "n"), kit.Column("later items", "n"),
        kit.Column(f"found among {found.length}", "n"), kit.Column("interval", "w40"),
    ]  # fmt: skip
    return "<h3>Busy and quiet users</h3>" + kit.table(
        columns,
        lines,
        "<b>By what a user had before.</b> “Later items” and “found” (recall) are means over the users. A user with many later "
        "items cannot find all of them in a short list.",
    )


def _by_popularity(task: RankItems, material: Material, found: Lists) -> str:
    """Recall by how often an item was had in training, and how often items of each kind are recommended."""
    k = found.length
    known = material.encoder.dims["known"]
    counts = np.bincount(known.items, minlength=len(task.item_ids))
    number = {str(name): index for index, name in enumerate(task.item_ids)}
    groups = kit.bands(counts.tolist(), GROUPS)
    group = np.empty(len(counts), int)
    for at, places in enumerate(groups.values()):
        group[places] = at
    hits, wanted = (np.zeros((len(found.rows), len(groups))) for _ in range(2))
    shown: Counter[int] = Counter()
    for at, row in enumerate(found.rows):
        best = [number[str(item)] for item in row["items"][:k]]
        truth = [number[str(item)] for item in row["true_items"]]
        shown.update(best)
        np.add.at(wanted[at], group[truth], 1)
        np.add.at(hits[at], group[[item for item in truth if item in set(best)]], 1)
    listed = np.bincount(group[list(shown)], weights=list(shown.values()), minlength=len(groups))
    never = [sum(item not in shown for item in places) for places in groups.values()]
    lines: list[list[kit.Cell]] = []
    for at, (name, places) in enumerate(groups.items()):
        there = wanted[:, at] > 0
        total = wanted[:, at].sum()
        lines.append(
            [
                "once" if name == "1" else f"{name} times",
                f"{len(places):,}",
                f"{int(total):,}",
                kit.as_percent(float(hits[:, at].sum() / total)) if total else "–",
                _track(hits[there, at], wanted[there, at]) if total else None,
                kit.as_percent(float(total / max(wanted.sum(), 1)), 0),
                kit.as_percent(float(listed[at] / max(listed.sum(), 1)), 0),
                f"{never[at]:,}",
            ]
        )
    columns = [
        kit.Column("had in training"), kit.Column("items", "n"), kit.Column("later pairs", "n"), kit.Column("found", "n"),
        kit.Column("interval", "w40"), kit.Column("of what users had", "n"), kit.Column("of what is recommended", "n"),
        kit.Column("never recommended", "n"),
    ]  # fmt: skip
    never_all = sum(never)
    return kit.table(
        columns,
        lines,
        f"<b>By popularity, in {len(lines)} groups of about equally many items.</b> “Found” is the part of the later pairs of a "
        f"user and an item that is among the best {k}; users are drawn anew for the interval. Where the lists have a larger part "
        f"than what users had, the network favours these items. {never_all:,} of {kit.count_of(len(counts), 'items')} "
        f"({kit.as_percent(never_all / max(len(counts), 1), 0)}) are in nobody's list.",
    )


def _reach(catalogue: Catalogue, known: Any, users: np.ndarray, hops: int) -> str:
    """How many users and items the vectors of some users depend on after each step.

    Args:
        catalogue: of all users and items
        known: the items of each user in training
        users: numbers of users
        hops: number of steps
    """
    shape = (len(catalogue.users), len(catalogue.items))
    had = scipy.sparse.csr_matrix((np.ones(len(known.items), np.float32), known.items, known.pointers), shape)
    back = had.T.tocsr()
    who = np.zeros((shape[0], len(users)), np.float32)
    who[users, np.arange(len(users))] = 1
    what = np.zeros((shape[1], len(users)), np.float32)
    lines: list[list[kit.Cell]] = []
    names = {1: "its items", 2: "users who had one of them", 3: "the items of these users"}
    for step in range(1, hops + 1):
        who, what = np.minimum(who + had @ what, 1), np.minimum(what + back @ who, 1)
        shares = what.sum(axis=0) / max(shape[1], 1)
        low, middle, high = np.quantile(shares, [0.05, 0.5, 0.95])
        lines.append(
            [
                f"{kit.count_of(step, 'steps')}: {names.get(step, 'and on')}",
                f"{round(float(np.median(who.sum(axis=0)))):,}",
                f"{round(float(np.median(what.sum(axis=0)))):,}",
                kit.as_percent(float(middle)),
                kit.Track(float(middle), float(low), float(high)),
            ]
        )
    columns = [
        kit.Column("along the edges"), kit.Column("users seen", "n"), kit.Column("items seen", "n"),
        kit.Column("of all items", "n"), kit.Column("", "w40"),
    ]  # fmt: skip
    return kit.table(
        columns,
        lines,
        f"<b>What a user's vector depends on.</b> The median of {kit.count_of(len(users), 'users')}; the bar holds 90 of 100. "
        f"The network looks {kit.count_of(hops, 'steps')} far.",
    )
