"""What a page shows for several labels at once: a table of the labels, and the examples with the most mistakes."""

from collections.abc import Mapping, Sequence
from typing import Any

from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.report import kit
from convzoo.tasks.multi_label import MultiLabel


def known(material: Material) -> list[Mapping[str, Any]]:
    """The rows of examples whose labels are known."""
    return [row for row in material.predictions if isinstance(row.get("true_labels"), list)]


def _wrong(row: Mapping[str, Any]) -> set[str]:
    return set(row["labels"]) ^ set(row["true_labels"])


def gallery(task: MultiLabel, material: Material, pages: Pages) -> list[Panel]:
    """The examples with the most wrong labels, and those with none."""
    rows = known(material)
    worst = sorted((row for row in rows if _wrong(row)), key=lambda row: -len(_wrong(row)))[: kit.MISTAKES]
    right = [row for row in rows if not _wrong(row)][: kit.MISTAKES]

    def cards(chosen: Sequence[Mapping[str, Any]]) -> str:
        return kit.cards([_card(task, material, pages, row) for row in chosen], pages.card_size)

    found = []
    if worst:
        found.append(Panel("Most mistakes", "The answers with the most wrong labels.", cards(worst)))
    if right:
        found.append(Panel("Right", "Answers in which every label is right.", cards(right)))
    return found


def _card(task: MultiLabel, material: Material, pages: Pages, row: Mapping[str, Any]) -> str:
    true, said = (kit.text(", ".join(row[key]) or "none") for key in ("true_labels", "labels"))
    words = f"says <b>{said}</b>" + ("" if not _wrong(row) else f", labels <b>{true}</b>")
    about = kit.count_of(len(_wrong(row)), "wrong labels") if _wrong(row) else "all labels are right"
    return kit.card(
        pages.shown(task, material, row), kit.said(not _wrong(row), words) + kit.source(about, str(row["source"]))
    )


def sections(task: MultiLabel, material: Material, pages: Pages) -> list[Section]:
    """Found, right when said and F1 of each label; then the sections of `pages`."""
    rows = known(material)
    if not rows:
        return []
    counts = {}
    for label in task.labels:
        hits = sum(label in row["true_labels"] and label in row["labels"] for row in rows)
        said, true = (sum(label in row[key] for row in rows) for key in ("labels", "true_labels"))
        counts[label] = hits, said, true
    caption = (
        "<b>Each label.</b> “Found” (recall) is the part of its examples that gets it; “right when said” (precision) the part of "
        "the answers that is true."
    )
    drawn = kit.key(kit.TRACK_KEY[:1]) + kit.table(kit.CLASS_COLUMNS, kit.class_rows(task.labels, counts), caption)
    return [Section("", drawn), *pages.sections(task, material)]
