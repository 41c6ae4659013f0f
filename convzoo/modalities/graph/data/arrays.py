"""Graphs as arrays: NumPy's npz under the names that the field uses, and MATLAB's mat."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.survey import listed
from convzoo.core.text import first_line
from convzoo.reading.arrays import check_arrays

EDGES = ("edge_index", "edges", "edge_list")
FEATURES = ("features", "x", "node_features", "attributes", "attrb", "feat", "fea", "X", "Attributes")
LABELS = ("labels", "y", "label", "node_labels", "targets", "group", "gnd", "Y", "Label", "Class")
WEIGHTS = ("edge_weight", "edge_weights", "weights")
IDS = ("ids", "node_ids", "node_names")
NAMES = ("feature_names", "attr_names")
ADJACENCY = ("net", "network", "Network", "adj", "adjacency", "A")
SPLITS = {
    "train": ("train", "train_mask", "train_masks", "train_idx", "idx_train", "train_index"),
    "val": ("val", "val_mask", "val_masks", "valid_mask", "val_idx", "idx_val", "valid_idx", "val_index"),
    "test": ("test", "test_mask", "test_masks", "test_idx", "idx_test", "test_index"),
}


@dataclass(frozen=True)
class Arrays:
    """The arrays of a graph, checked.

    Attributes:
        pairs: (2, edges), the numbers of the nodes at both ends
        features: (nodes, features), an array or a SciPy matrix; no columns where there are none
        labels: (nodes,), or (nodes, classes) of 0 and 1
        weights: (edges,), above 0; None: all weigh 1
        ids: (nodes,) names
        feature_names: one for each column, or none
        home: (nodes,), the split of each node as 0, 1 or 2, -1 for none; None where the file has no split
        notes: what a person should know
    """

    pairs: np.ndarray
    features: Any
    labels: np.ndarray
    weights: np.ndarray | None
    ids: list[str]
    feature_names: list[str]
    home: np.ndarray | None
    notes: tuple[str, ...]


def read_npz(path: Path) -> dict[str, Any]:
    """The arrays of an npz file by their names; a sparse matrix that is stored in parts (`adj_data`, `adj_indices`, `adj_indptr`,
    `adj_shape`) is one.

    Raises:
        DataError: the file is absent, no npz file, or damaged.
    """
    if not path.is_file():
        raise no_such(path)
    if not zipfile.is_zipfile(path):
        single = path.read_bytes()[:6] == b"\x93NUMPY"
        what = "holds one array (an .npy file)" if single else "is no npz file, or is cut off"
        raise DataError(f"{path}: {what}; numpy.savez writes an npz with edge_index, features and labels")
    try:
        check_arrays(path)
        with np.load(path, allow_pickle=False) as archive:
            held: dict[str, Any] = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as npz without pickles ({first_line(error)})") from None
    for name in [name.removesuffix("_indptr") for name in held if name.endswith("_indptr")]:
        parts = [held.pop(f"{name}_{part}", None) for part in ("data", "indices", "indptr", "shape")]
        try:
            held[name] = scipy.sparse.csr_matrix(tuple(parts[:3]), tuple(int(size) for size in parts[3]))
            held[name].check_format()
        except (TypeError, ValueError, IndexError) as error:
            raise DataError(f"{path}: the sparse matrix {name!r} is not whole ({first_line(error)})") from None
    return {("features" if name == "attr" else name): value for name, value in held.items()}


def read_mat(path: Path) -> dict[str, Any]:
    """The matrices of a MATLAB file, up to version 7.2, by their names.

    Raises:
        DataError: the file is absent, damaged, or of version 7.3.
    """
    import scipy.io

    if not path.is_file():
        raise no_such(path)
    try:
        held = scipy.io.loadmat(str(path))
    except NotImplementedError:
        raise DataError(f"{path}: is a MATLAB file of version 7.3; save it with -v7") from None
    except (OSError, ValueError, TypeError, KeyError, scipy.io.matlab.MatReadError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({first_line(error)})") from None
    return {name: value for name, value in held.items() if not name.startswith("__")}


def checked(path: Path, held: Mapping[str, Any], fold: int | None) -> Arrays:
    """The arrays of a graph under the names that people give them.

    Args:
        path: of the file, for errors
        held: its arrays
        fold: which of several splits; None: the first

    Raises:
        DataError: one is missing, has another shape, or holds what it should not.
    """
    names = {role: _named(held, usual) for role, usual in _ROLES.items()}
    found = {role: None if name is None else held[name] for role, name in names.items()}
    if found["edges"] is None and found["adjacency"] is None:
        raise DataError(f"{path}: has no array 'edge_index'; it has {listed(held) or 'none'}")
    if found["labels"] is None:
        raise DataError(f"{path}: has no array 'labels' (or y); it has {listed(held) or 'none'}")
    labels = found["labels"]
    labels = np.asarray(labels.todense()) if scipy.sparse.issparse(labels) else np.asarray(labels)
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.ravel()
    if labels.ndim not in (1, 2) or not len(labels):
        raise DataError(f"{path}: {names['labels']} should be (nodes,), not {labels.shape}")
    count = len(labels)
    pairs, weights = _edges(path, names, found, count)
    features = found["features"]
    features = np.zeros((count, 0), np.float32) if features is None else features
    if features.ndim != 2 or features.shape[0] != count or features.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: {names['features']} should be numbers, ({count}, features), not {features.dtype} {features.shape}"
        )
    largest = abs(features).max() if np.prod(features.shape) else 0.0
    if np.isfinite(largest) and largest > np.finfo(np.float32).max:
        raise DataError(
            f"{path}: {names['features']} holds {largest:g}; it should be at most {np.finfo(np.float32).max:.3g}"
        )
    ids = (
        [str(at) for at in range(count)]
        if found["ids"] is None
        else [str(name) for name in found["ids"].ravel().tolist()]
    )
    if len(ids) != count:
        raise DataError(f"{path}: {names['ids']} has {len(ids)} names; there are {count} nodes")
    feature_names = [] if found["names"] is None else [str(name) for name in found["names"].ravel().tolist()]
    if feature_names and len(feature_names) != features.shape[1]:
        raise DataError(
            f"{path}: {names['names']} has {len(feature_names)} names; there are {features.shape[1]} features"
        )
    home, notes, used = _homes(path, held, count, fold)
    unused = [name for name in held if name not in {*names.values(), *used}]
    if unused:
        notes.append(f"{path.name}: arrays that are not used: {listed(unused)}")
    taken = {role: name for role, name in names.items() if name is not None and name != role}
    if taken:
        notes.append(f"{path.name}: " + "; ".join(f"{role}: {name}" for role, name in taken.items()))
    return Arrays(pairs, features, labels, weights, ids, feature_names, home, tuple(notes))


_ROLES = {
    "edges": EDGES, "adjacency": ADJACENCY, "features": FEATURES, "labels": LABELS, "weights": WEIGHTS, "ids": IDS,
    "names": NAMES,
}  # fmt: skip


def _named(held: Mapping[str, Any], usual: Sequence[str]) -> str | None:
    return next((name for name in usual if name in held), None)


def _edges(
    path: Path, names: Mapping[str, str | None], found: Mapping[str, Any], count: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """(2, edges), and their weights."""
    if found["edges"] is None:
        matrix = scipy.sparse.coo_matrix(found["adjacency"])
        if matrix.shape != (count, count):
            raise DataError(f"{path}: {names['adjacency']} is {matrix.shape}; there are {count} labels")
        pairs, weights = np.stack([matrix.col, matrix.row]), np.asarray(matrix.data, np.float64)
        given: np.ndarray | None = None if (weights == 1).all() else weights
        return pairs.astype(np.int64), _weights(path, str(names["adjacency"]), given)
    pairs = found["edges"]
    if pairs.ndim == 2 and pairs.shape[1] == 2 and pairs.shape[0] != 2:
        pairs = pairs.T
    if pairs.ndim != 2 or pairs.shape[0] != 2 or pairs.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {names['edges']} should be whole numbers, (2, edges), not {pairs.dtype} {pairs.shape}"
        )
    if pairs.size and (pairs.min() < 0 or pairs.max() >= count):
        wrong = pairs.min() if pairs.min() < 0 else pairs.max()
        raise DataError(
            f"{path}: {names['edges']} names node {int(wrong)}; there are {count} labels, so nodes are 0 to {count - 1}"
        )
    weights = found["weights"]
    if weights is not None:
        weights = weights.ravel() if weights.shape == (pairs.shape[1], 1) else weights
        if weights.shape != (pairs.shape[1],) or weights.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: {names['weights']} should be numbers, ({pairs.shape[1]},), not {weights.dtype} {weights.shape}"
            )
    return pairs.astype(np.int64), _weights(path, str(names["weights"]), weights)


def _weights(path: Path, name: str, weights: np.ndarray | None) -> np.ndarray | None:
    if weights is None:
        return None
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(wrong):
        raise DataError(
            f"{path}: {name} of edge {int(wrong[0])} is {weights[wrong[0]]:g}; a weight should be a finite number above 0 "
            f"({len(wrong):,} are not)"
        )
    return weights


def _homes(
    path: Path, held: Mapping[str, Any], count: int, fold: int | None
) -> tuple[np.ndarray | None, list[str], set[str]]:
    """(nodes,): the split of each node, notes, and the names of the arrays."""
    names = {split: _named(held, usual) for split, usual in SPLITS.items()}
    used = {name for name in names.values() if name is not None}
    if not used:
        return None, [], used
    for split in ("train", "val"):
        if names[split] is None:
            raise DataError(f"{path}: has a split ({listed(sorted(used))}) but no array {split!r} or '{split}_mask'")
    notes = []
    home = np.full(count, -1)
    for number, name in enumerate(names.values()):
        if name is None:
            continue  # nothing is tested
        given, several = _one_split(path, name, np.asarray(held[name]), count, fold)
        if several and number == 0:
            told = "the first, data.fold=0," if fold is None else f"data.fold={fold}"
            notes.append(f"{path.name}: holds {several} splits; {told} is used")
        chosen = _members(path, name, given, count)
        both = chosen[home[chosen] >= 0]
        if len(both):
            other = list(names.values())[int(home[both[0]])]
            raise DataError(
                f"{path}: node {int(both[0])} is in {other} and in {name} ({len(both):,} are); a node is in one split"
            )
        home[chosen] = number
    return home, notes, used


def _one_split(path: Path, name: str, given: np.ndarray, count: int, fold: int | None) -> tuple[np.ndarray, int]:
    """The mask or the numbers of the chosen split, and how many there are where there are several."""
    if given.ndim == 1:
        return given, 0
    if given.ndim != 2 or count not in given.shape:
        raise DataError(f"{path}: {name} should be ({count},), or ({count}, splits) for several, not {given.shape}")
    several = given.T if given.shape[0] == count and given.shape[1] != count else given
    chosen = fold or 0
    if chosen >= len(several):
        raise DataError(f"{path}: {name} holds {len(several)} splits, 0 to {len(several) - 1}; data.fold is {chosen}")
    return several[chosen], len(several)


def _members(path: Path, name: str, given: np.ndarray, count: int) -> np.ndarray:
    """The nodes of a mask, or of a list of their numbers."""
    of_flags = given.dtype.kind in "iuf" and len(given) == count and np.isin(given, (0, 1)).all() and count > 2
    if given.dtype.kind == "b" or of_flags:
        if len(given) != count:
            raise DataError(f"{path}: mask {name} has {len(given)} values; there are {count} nodes")
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {name} should be a mask ({count},) of true and false, or numbers of nodes, not {given.dtype}"
        )
    if len(given) and (given.min() < 0 or given.max() >= count):
        wrong = given.min() if given.min() < 0 else given.max()
        raise DataError(f"{path}: {name} names node {int(wrong)}; nodes are 0 to {count - 1}")
    if len(np.unique(given)) < len(given):
        raise DataError(f"{path}: {name} names a node twice")
    return given.astype(np.int64)
