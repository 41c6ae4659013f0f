"""Independent opponents of the league: strong classical methods of each field, with scikit-learn or NumPy alone.

The opponents of a run belong to its recipe and are quick; these get their settings by cross-validation. They learn from the
training part of the run's own split; validation examples are not used.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.splits import Splits

CHOSEN_ON = 3000
"""So many training images choose the settings; the machine with these settings learns from all."""


def text_svm(splits: Splits) -> float:
    """The test accuracy of a linear SVM on TF-IDF of words, pairs of words and 2 to 5 letters; C by cross-validation."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    train, test = ([example.text for example in part] for part in (splits.train, splits.test))
    known = scipy.sparse.hstack([kind.fit_transform(train) for kind in (words, letters)], format="csr")
    asked = scipy.sparse.hstack([kind.transform(test) for kind in (words, letters)], format="csr")
    machine = LinearSVC(dual=True, max_iter=5000, random_state=0)
    return _accuracy(machine, {"C": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]}, known, asked, splits)


def image_svm(splits: Splits) -> float:
    """An SVM with a Gaussian kernel on principal components of the pixels; C and their number by cross-validation."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    train, test = _pixels(splits.train), _pixels(splits.test)
    most = min(len(train) * 2 // 3, train.shape[1])
    counts = sorted({min(count, most) for count in (25, 50, 100)})
    machine = make_pipeline(PCA(random_state=0), SVC(cache_size=500))
    return _accuracy(machine, {"pca__n_components": counts, "svc__C": [1.0, 5.0, 25.0]}, train, test, splits, CHOSEN_ON)


def _pixels(examples: Sequence[Any]) -> np.ndarray:
    """(images, pixels), grey, from 0 to 1; all of the first one's size, but at most 48×48."""
    import PIL.Image

    rows: list[np.ndarray] = []
    size = (48, 48)
    for example in examples:
        with PIL.Image.open(example.path) as image:
            size = size if rows or max(image.size) > 48 else image.size
            rows.append(np.asarray(image.convert("L").resize(size), np.float32).ravel() / 255)
    return np.stack(rows)


def sound_svm(splits: Splits) -> float:
    """An SVM with a Gaussian kernel on statistics of mel-frequency cepstral coefficients and of their changes: means and
    standard deviations of the whole recording, and means of its four quarters. C and the kernel's width by cross-validation."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    train, test = (np.stack([_cepstrum(example) for example in part]) for part in (splits.train, splits.test))
    grid = {"svc__C": [1.0, 5.0, 25.0], "svc__gamma": [scale / train.shape[1] for scale in (0.2, 0.5, 1.0)]}
    return _accuracy(make_pipeline(StandardScaler(), SVC(cache_size=500)), grid, train, test, splits)


def _cepstrum(example: Any) -> np.ndarray:
    import torch

    from convzoo.core.libraries import import_torchaudio

    samples, rate = example.read()
    audio, window = import_torchaudio(), round(0.032 * rate)
    settings = {"n_fft": window, "hop_length": window // 2, "n_mels": 40, "pad_mode": "constant"}
    frames = audio.transforms.MFCC(rate, 20, melkwargs=settings)(torch.from_numpy(samples)).numpy()  # (20, frames)
    changes = np.diff(frames, axis=1) if frames.shape[1] > 1 else np.zeros_like(frames)
    quarters = [part.mean(axis=1) for part in np.array_split(frames, 4, axis=1) if part.shape[1]]
    quarters += [quarters[-1]] * (4 - len(quarters))
    spread = [part.std(axis=1) for part in (frames, changes)]
    return np.concatenate([frames.mean(axis=1), *spread, *quarters])


def node_regression(splits: Splits) -> float:
    """Logistic regression on the features of a node, their mean over its neighbours and over the neighbours' neighbours; without
    features, on the singular vectors of the normalised adjacency. C by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler, normalize

    graph = splits.train[0].graph
    degrees = np.maximum(np.asarray(graph.edges.sum(axis=1)).ravel(), 1e-9)
    mean = scipy.sparse.diags(1 / degrees) @ graph.edges
    if graph.features.shape[1]:
        own = normalize(scipy.sparse.csr_matrix(graph.features))
        blocks = [own, mean @ own, mean @ (mean @ own)]
        rows = scipy.sparse.hstack([normalize(block) for block in blocks], format="csr")
    else:
        around = scipy.sparse.diags(degrees**-0.5) @ graph.edges @ scipy.sparse.diags(degrees**-0.5)
        count = min(64, len(graph) - 2)
        left, values, _ = scipy.sparse.linalg.svds(around, count, random_state=0)
        own = left * values
        rows = StandardScaler().fit_transform(np.hstack([own, mean @ own]))
    train, test = (rows[[node.index for node in part]] for part in (splits.train, splits.test))
    machine = LogisticRegression(max_iter=3000)
    return _accuracy(machine, {"C": [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]}, train, test, splits)


def item_models(splits: Splits) -> float:
    """The better of item neighbours (cosines, Deshpande & Karypis 2004) and EASE (Steck 2019); which, and its setting, by a fifth
    of each user's training items held out. Its recall at 20."""
    items = len(splits.train[0].catalogue.items)
    users = len(splits.train[0].catalogue.users)
    had = np.zeros((users, items), np.float32)
    for user in splits.train:
        had[user.index, user.wanted] = 1
    random = np.random.default_rng(0)
    held = (random.random(had.shape) < 0.2) & (had > 0)
    held[held.sum(axis=1) == had.sum(axis=1)] = False
    less = np.where(held, 0, had).astype(np.float32)
    kept = [
        (number, less[number] > 0, np.flatnonzero(held[number])) for number in np.flatnonzero(held.any(axis=1)).tolist()
    ]
    machines = [(_neighbours, activity) for activity in (0.0, 0.5, 1.0)] + [(_ease, p) for p in (20.0, 100.0, 500.0)]
    best, setting = max(machines, key=lambda pair: _recall(pair[0](less, pair[1]), kept))
    asked = []
    for user in splits.test:
        seen = np.zeros(items, bool)
        seen[user.seen] = True
        asked.append((user.index, seen, user.wanted))
    return _recall(best(had, setting), asked)


def _neighbours(had: np.ndarray, activity: float) -> np.ndarray:
    """(users, items) of scores: each user's rows count n^(-activity / 2)."""
    counts, weights = np.maximum(had.sum(axis=0), 1), np.maximum(had.sum(axis=1), 1) ** (-activity / 2)
    scaled = had * weights[:, None] / np.sqrt(counts)
    return (had @ scaled.T) @ scaled


def _ease(had: np.ndarray, penalty: float) -> np.ndarray:
    """(users, items) of scores, by the system of the users: see EASE in convzoo's opponents for the mathematics."""
    gram = had @ had.T
    gram[np.diag_indices(len(gram))] += penalty
    solved = np.linalg.solve(gram, had)
    diagonal = (1 - (had * solved).sum(axis=0)) / penalty
    return had - solved / np.maximum(diagonal, 1e-12)


def _recall(scores: np.ndarray, asked: Sequence[tuple[int, np.ndarray, np.ndarray]], at: int = 20) -> float:
    """The mean over users of the part of their wanted items that is among the `at` best that they have not seen."""
    found = []
    for user, seen, wanted in asked:
        row = np.where(seen, -np.inf, scores[user])
        best = np.argpartition(-row, min(at, len(row) - 1))[:at]
        found.append(np.isin(wanted, best).mean())
    return float(np.mean(found))


def _accuracy(
    machine: Any, grid: dict[str, list], train: Any, test: Any, splits: Splits, chosen_on: int | None = None
) -> float:
    """The test accuracy of a machine with the settings of the grid that cross-validation on training examples finds best."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    labels, truth = (np.array([example.label for example in part]) for part in (splits.train, splits.test))
    some = np.random.default_rng(0).permutation(len(labels))[:chosen_on]
    folds = min(5 if chosen_on is None else 3, max(Counter(labels[some].tolist()).values()))
    search = GridSearchCV(machine, grid, cv=StratifiedKFold(folds, shuffle=True, random_state=0), refit=False)
    with warnings.catch_warnings():
        # A class may have fewer members than there are folds; it is then absent from some.
        warnings.filterwarnings("ignore", message="The least populated class")
        search.fit(train[some], labels[some])
    return float((machine.set_params(**search.best_params_).fit(train, labels).predict(test) == truth).mean())


OPPONENTS: dict[str, tuple[str, Callable[[Splits], float]]] = {
    "sentiment_cnn1d": ("SVM, words and letters", text_svm),
    "emotion_cnn2d": ("SVM, components", image_svm),
    "keywords_cnn1d": ("SVM, MFCC", sound_svm),
    "nodes_gcn": ("regression, neighbours", node_regression),
    "recommender_lightgcn": ("neighbours or EASE", item_models),
}
"""By recipe. The opponents of the other recipes are the run's own."""
