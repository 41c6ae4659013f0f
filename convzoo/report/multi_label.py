"""What a page shows for several labels at once: a table of the labels, and the examples with the most mistakes."""

import html
from collections.abc import Mapping
from typing import Any

from convzoo.core.pages import Material, Pages, Section
from convzoo.report.kit import MISTAKES, class_table, html_safe
from convzoo.tasks.multi_label import MultiLabel


def sections(task: MultiLabel, material: Material, pages: Pages) -> list[Section]:
    """Precision, recall and F1 by label, the sections of `pages`, and the examples with the most wrong labels."""
    rows = [row for row in material.predictions if isinstance(row.get("true_labels"), list)]
    if not rows:
        return []
    counts = []
    for label in task.labels:
        hits = sum(label in row["true_labels"] and label in row["labels"] for row in rows)
        predicted, true = (sum(label in row[key] for row in rows) for key in ("labels", "true_labels"))
        counts.append((hits, predicted, true))
    wrong = [row for row in rows if set(row["labels"]) != set(row["true_labels"])]
    worst = sorted(wrong, key=lambda row: -len(set(row["labels"]) ^ set(row["true_labels"])))[:MISTAKES]
    found = [Section("Labels", html_safe(class_table(task.labels, counts))), *pages.sections(task, material)]
    if worst:
        cards = "".join(card(row, pages.picture(material.examples[int(row["index"])])) for row in worst)
        about = "<p>The predictions on the test split with the most wrong labels.</p>"
        found.append(Section("Worst mistakes", html_safe(f"{about}<div class='cards'>{cards}</div>")))
    return found


def card(row: Mapping[str, Any], picture: str) -> str:
    """An example with its true and its predicted labels."""
    true, said = (html.escape(", ".join(row[key]) or "none") for key in ("true_labels", "labels"))
    source = html.escape(str(row["source"]))
    return (
        f"<div class='card'>{picture}<br>true <b>{true}</b>, predicted <b>{said}</b><br><small>{source}</small></div>"
    )
