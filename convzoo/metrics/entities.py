"""The scores of found entities, over a whole split and over all processes."""

import math
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.outputs.spans import Spans
from convzoo.core.processes import gather_objects


class EntityMeter:
    r"""Strict scores: an entity is found if its first token, its last one and its type are right, as conlleval counts
    (Tjong Kim Sang 2002, aclanthology.org/W02-2024), which is the strict mode of the usual libraries.

    | score | what it is |
    |---|---|
    | `f1`, `precision`, `recall` | of all entities together (micro): $F_1 = 2 h / (f + t)$ of h hits, f found and t true ones |
    | `macro_f1` | the mean of F1 over the types that are there or were found |
    | `f1_<type>` | of one type |
    | `surface_f1` | of the different names with their types, each counted once (WNUT 2017, aclanthology.org/W17-4418, §5) |
    | `recall_seen`, `recall_unseen` | of true entities whose name is one of training's, and of the others |

    A score that nothing was counted for is not defined. Of all entities together it is NaN; of a type that is not there and was
    not found, it is left out.

    Args:
        labels: the types
        known: names of the training split
    """

    def __init__(self, labels: Sequence[str], known: Collection[str] = ()) -> None:
        self.labels = list(labels)
        self.known = known
        self.counts: list[np.ndarray] = []  # of each text: (types, 3) hits, found, true
        self.names: list[np.ndarray] = []  # (2, 2): hits and true ones, of known and of new names
        self.surfaces: tuple[set[tuple[str, str]], set[tuple[str, str]]] = (set(), set())

    def update(self, outputs: Spans, target: Mapping[str, Any]) -> None:
        """Add a batch: what was found, and the texts of the target. Texts without labels count as nothing."""
        for found, text in zip(outputs.found, target["texts"], strict=True):
            counts, names = np.zeros((len(self.labels), 3), np.int64), np.zeros((2, 2), np.int64)
            self.counts.append(counts)
            self.names.append(names)
            if text.label is None:
                continue
            ours, true = set(found), set(text.spans)
            for column, spans in enumerate((ours & true, ours, true)):
                for span in spans:
                    counts[self.labels.index(span.label), column] += 1
            for span in true:
                new = int(name_of(text.written(span)) not in self.known)
                names[new] += (span in ours, 1)
            for kept, spans in zip(self.surfaces, (ours, true), strict=True):
                kept.update((name_of(text.written(span)), span.label) for span in spans)

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        counts, names = self._all()
        found = {
            name: float(values[0])
            for name, values in self._scores(counts.sum(axis=0)[None], names.sum(axis=0)[None]).items()
        }
        shares = gather_objects(self.surfaces)
        ours, true = (set().union(*(share[side] for share in shares)) for side in (0, 1))
        found["surface_f1"] = 2 * len(ours & true) / (len(ours) + len(true)) if ours or true else math.nan
        # The scores of everything together are always named, so that an undefined one is said.
        always = ("f1", "precision", "recall", "macro_f1", "surface_f1")
        return {name: value for name, value in found.items() if name in always or not math.isnan(value)}

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        shares = gather_objects((self.counts, self.names))
        counts = [each for share in shares for each in share[0]]
        names = [each for share in shares for each in share[1]]
        return np.array(counts).reshape(len(counts), len(self.labels), 3), np.array(names).reshape(len(names), 2, 2)

    def _scores(self, counts: np.ndarray, names: np.ndarray) -> dict[str, np.ndarray]:
        """Scores of sums of counts, (draws, types, 3) and (draws, 2, 2); NaN where nothing was counted."""
        hits, ours, true = counts.sum(axis=1).T
        with np.errstate(divide="ignore", invalid="ignore"):
            each = 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2])
            recalls = names[..., 0] / names[..., 1]
            there = ~np.isnan(each)
            macro = np.where(there, each, 0).sum(axis=1) / there.sum(axis=1)
            scores = {
                "f1": 2 * hits / (ours + true),
                "precision": hits / ours,
                "recall": hits / true,
                "macro_f1": macro,
            }
        scores |= {f"f1_{label}": each[:, number] for number, label in enumerate(self.labels)}
        return scores | {"recall_seen": recalls[:, 0], "recall_unseen": recalls[:, 1]}

    def units(self) -> np.ndarray:
        """Each text."""
        return np.arange(sum(map(len, gather_objects(self.counts))))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """All scores but that of surfaces, for each draw; a score that all texts together do not have is left out."""
        counts, names = self._all()
        drawn = np.tensordot(weights, counts, 1), np.tensordot(weights, names, 1)
        whole = self._scores(counts.sum(axis=0)[None], names.sum(axis=0)[None])
        return {name: values for name, values in self._scores(*drawn).items() if whole[name][0] == whole[name][0]}


def name_of(written: str) -> str:
    """An entity's name, to find it again: NFC, single spaces."""
    return " ".join(unicodedata.normalize("NFC", written).split())
