"""Users and items by number, with new negatives for every step."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import nn

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import no_such
from convzoo.core.model import HasVectors
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, listed
from convzoo.core.tables import write_rows
from convzoo.core.text import nearest
from convzoo.modalities.recommendation.data.own import USER
from convzoo.modalities.recommendation.example import Catalogue, Pairs, Rows, User, Users
from convzoo.ops.sparse import SparseMatrix
from convzoo.reading.headings import read_with_heading
from convzoo.reading.lines import read_lines
from convzoo.reading.tables import is_table

_ROUNDS = 50
"""How often a negative is drawn again if the user has that item; a user who has all items then keeps one of them."""


class InteractionEncoder(Encoder):
    r"""Training: pairs of a user and one of its items, each with negatives (items that the user never had), drawn
    uniformly. Scoring: users, with their earlier items.

    The graph is the matrix of a bipartite graph, users first, then items, normalised symmetrically:
    $\tilde A = D^{-1/2} A D^{-1/2}$ (He et al. 2020, arXiv:2002.02126, eq. 8), of the training split alone.

    Args:
        negatives: how many are drawn for each pair of a user and an item
    """

    example = User
    takes_ids = True
    cached = False

    def __init__(self, negatives: Positive = 1) -> None:
        self.negatives = negatives
        self.catalogue = Catalogue((), ())
        self.keeps_known = False
        self._accepted: Catalogue | None = None  # one that was read again and is the same
        self._keep(Rows(np.zeros(1, np.int64), np.zeros(0, np.int32)))

    def fit(self, examples: Sequence[User]) -> None:
        """Keep the training interactions."""
        self.catalogue = examples[0].catalogue
        self._keep(_rows(examples, "wanted", len(self.catalogue.users)))

    def _keep(self, known: Rows) -> None:
        self.known = known
        # One number for each pair, sorted: a search then finds whether a user had an item.
        self._pairs = known.users().astype(np.int64) * max(1, len(self.catalogue.items)) + known.items
        self._numbers: tuple[dict[str, int], dict[str, int]] | None = None
        self._matrix: SparseMatrix | None = None
        self._everything: Rows | None = None

    def pieces(self, examples: Sequence[User]) -> Sequence[Any]:
        """The pairs of a training split; the users of other splits."""
        if isinstance(examples, Users) and examples.wanted.pointers[-1] == self.known.pointers[-1]:
            return Pairs(examples.wanted)
        return examples

    def prepare(self, example: User | tuple[int, int]) -> Any:
        """The example itself: it is only a reference."""
        return example

    def survey(self, examples: Sequence[User], items: Sequence[Any] | None) -> Survey:
        """How many users and items there are, and how many items a user has."""
        counts = [len(example.wanted) for example in examples]
        return Survey(
            {
                "catalogue": f"{len(self.catalogue.users):,} users, {len(self.catalogue.items):,} items",
                "items": f"{sum(counts):,} of {len(counts):,} users ({lengths_in_words(counts)})",
            }
        )

    def collate(self, items: Sequence[Any], draws: Draws | None = None) -> Batch:
        """A list of pairs or of users to a batch."""
        return self.gather(items, range(len(items)), draws)

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Pairs with `draws`: (batch,) users and (batch, 1 + negatives) items, the first of them had by the user. Else (batch,)
        users, and as the target the items that they had before and afterwards."""
        at = np.asarray(indices)
        if draws is not None:
            if isinstance(examples, Pairs):
                users, items = examples.users[at], examples.items[at]
            else:
                users, items = (np.array(column) for column in zip(*(examples[index] for index in at)))
            drawn = self._draw(users, draws)
            inputs = {
                "users": torch.from_numpy(users.astype(np.int64)),
                "items": torch.from_numpy(np.concatenate([items[:, None], drawn], axis=1).astype(np.int64)),
            }
            return Batch(inputs, None, len(users))
        if isinstance(examples, Pairs):
            users = examples.users[at]
            seen, wanted = self.known.of_users(users), Rows(np.arange(len(at) + 1), examples.items[at])
        elif isinstance(examples, Users):
            self._require_catalogue(examples.catalogue)
            users = examples.indices[at]
            seen, wanted = examples.seen.of_users(users), examples.wanted.of_users(users)
        else:
            chosen = [examples[index] for index in at]
            if chosen and isinstance(chosen[0], tuple):
                chosen = [self._known_user(user) for user, _ in chosen]
            if chosen:
                self._require_catalogue(chosen[0].catalogue)
            users = np.array([max(user.index, 0) for user in chosen])
            seen, wanted = (_listed(chosen, name) for name in ("seen", "wanted"))
            if any(user.given is not None for user in chosen):
                new = self._new_users(chosen)
                target = {"seen": _tensors(seen), "wanted": _tensors(wanted), "new": new}
                return Batch({"users": torch.from_numpy(users.astype(np.int64))}, target, len(users))
        target = {"seen": _tensors(seen), "wanted": _tensors(wanted)}
        return Batch({"users": torch.from_numpy(users.astype(np.int64))}, target, len(users))

    def _new_users(self, users: Sequence[User]) -> dict[str, torch.Tensor]:
        """What `RankItems` needs of users that nothing was learnt of: who they are, the items that they come from, whether items
        like these are asked for, and how many users have each item."""
        nothing = np.zeros(0, np.int32)
        lists = [nothing if user.given is None else user.given for user in users]
        counts = np.bincount(self.known.items, minlength=len(self.catalogue.items))
        return {
            "users": torch.tensor([user.given is not None for user in users]),
            "pointers": torch.from_numpy(np.r_[0, np.cumsum([len(items) for items in lists])].astype(np.int64)),
            "items": torch.from_numpy(np.concatenate(lists).astype(np.int64)),
            "alike": torch.tensor([user.alike for user in users]),
            "popularity": torch.from_numpy(counts.astype(np.float32)),
        }

    def _require_catalogue(self, catalogue: Catalogue) -> None:
        """Refuse users and items that are not those of training, in their order: numbers would stand for others."""
        if catalogue is self.catalogue or catalogue is self._accepted:
            return
        for what, names, given in (
            ("user", self.catalogue.users, catalogue.users),
            ("item", self.catalogue.items, catalogue.items),
        ):
            if list(names) != list(given):
                known = set(names)
                strange = next((name for name in given if name not in known), None)
                count = f"{len(given):,} of {len(names):,} {what}s"
                found = count if strange is None else f"{what} {strange!r} was not there"
                raise DataError(
                    f"the data have other {what}s than training ({found}): what was learnt of one is not known of another; score "
                    "the users and items of training, or train on these data"
                )
        self._accepted = catalogue

    def _draw(self, users: np.ndarray, draws: Draws) -> np.ndarray:
        """(batch, negatives): items that the users never had, with equal probabilities."""
        count = len(self.catalogue.items)
        found = np.empty((len(users), self.negatives), np.int64)
        missing = np.ones(found.shape, bool)
        for stream in range(_ROUNDS):
            rows = np.flatnonzero(missing.any(axis=1))
            if not len(rows):
                break
            chosen = Draws(draws.seed, draws.epoch, np.asarray(draws.indices)[rows])
            drawn = (chosen.uniform(stream, self.negatives) * count).astype(np.int64)
            found[rows] = np.where(missing[rows], drawn, found[rows])
            keys = users[rows].astype(np.int64)[:, None] * count + found[rows]
            at = np.minimum(np.searchsorted(self._pairs, keys), len(self._pairs) - 1)
            missing[rows] = self._pairs[at] == keys
        return found

    def matched(
        self, examples: Sequence[User], split: Mapping[str, Collection[str]]
    ) -> tuple[Sequence[User], list[str]]:
        """Users of another table as the run knows them, by the ids of users and items.

        What the run learnt from and what it chose its checkpoint by is left out of what is asked, and is not recommended. So
        the run's own table has the scores of its test split.

        Raises:
            DataError: no interaction is left.
        """
        users, items = self._by_id()
        train_and_val = self.known if self.catalogue.validated is None else self.known.joined(self.catalogue.validated)
        strange_users, strange_items, learnt, asked = 0, 0, 0, 0
        new_users: list[str] = []
        found = []
        for example in examples:
            names = [example.catalogue.items[item] for item in example.wanted.tolist()]
            number = users.get(example.source, -1)
            if number < 0 or not len(self.known[number]):
                new_users.append(example.source)
                strange_users += len(names)
                continue
            numbers = np.array([items[name] for name in names if name in items], np.int32)
            strange_items += len(names) - len(numbers)
            fresh = np.setdiff1d(numbers, train_and_val[number])
            learnt += len(numbers) - len(fresh)
            asked += len(fresh)
            if len(fresh):
                found.append(User(self.catalogue, number, np.setdiff1d(self._had()[number], fresh), fresh))
        whole = strange_users + strange_items + learnt + asked
        why = []
        if strange_users:
            why.append(
                f"{strange_users:,} of {len(new_users):,} users that training did not have (the first is {new_users[0]!r})"
            )
        if strange_items:
            why.append(f"{strange_items:,} with items that training did not have")
        if learnt:
            why.append(f"{learnt:,} that it learnt from or chose its checkpoint by")
        if not found:
            raise DataError(f"none of the {whole:,} interactions can be scored by this run: {'; '.join(why)}")
        if not why:
            return found, []
        return found, [f"{asked:,} of {whole:,} interactions are scored; left out are {'; '.join(why)}"]

    def learnt_vectors(self, model: nn.Module) -> list[dict[str, Any]]:
        """The final vectors of all users and items: `kind` (user or item), `id`, and a column for each number.

        Raises:
            RecipeError: the model has none.
        """
        if not isinstance(model, HasVectors):
            raise RecipeError(f"--vectors: {type(model).__name__} has no vector for each user and item")
        with torch.no_grad():
            table = model.vectors().tolist()
        kinds = [("user", name) for name in self.catalogue.users] + [("item", name) for name in self.catalogue.items]
        return [
            {"kind": kind, "id": name, **{f"vector_{at}": value for at, value in enumerate(row, 1)}}
            for (kind, name), row in zip(kinds, table, strict=True)
        ]

    def keep_known(self) -> None:
        """From now on, recommend also what a user has already."""
        self.keeps_known = True

    def from_inputs(self, values: Sequence[Any]) -> list[User]:
        """Users by their ids; `all` for all of them; a mapping or a JSON object: `{"user": "u7"}`, `{"items": ["i3", "i9"]}` for
        someone new who has these items, `{"item": "i3"}` for items that are like it; or a file of these: a .txt with an id a
        line, a .jsonl, or a table with a column of users.

        A user that nothing was learnt of gets the items that are nearest to the mean of those that it has, or, where these are
        not known, the most popular ones; the prediction says so.

        Raises:
            DataError: an input is none of these, or names no item of training.
        """
        found: list[User] = []
        for value in values:
            if isinstance(value, User):
                found.append(value)
            elif not isinstance(value, str | Path | Mapping | int | np.integer):
                raise DataError(f"an input should be a user's id, a mapping or a file, not {type(value).__name__}")
            elif isinstance(value, Path) and not value.exists():
                raise no_such(value)
            elif isinstance(value, Mapping):
                found.append(self._described(value, f"input {len(found) + 1}"))
            elif str(value) in self._by_id()[0]:
                found.append(self._known_user(self._by_id()[0][str(value)]))
            elif str(value) == "all":
                found += [self._known_user(number) for number in np.flatnonzero(self.known.counts()).tolist()]
            elif str(value).lstrip().startswith("{"):
                found.append(self._parsed(str(value), "the argument"))
            elif str(value).endswith((".txt", ".json", ".jsonl", ".csv", ".tsv", ".parquet")):
                found += self._from_file(Path(str(value)))
            else:
                found.append(self._stranger(str(value)))
        return found

    def from_lines(self, lines: Sequence[str]) -> list[User]:
        """Users by their ids, or as JSON objects, one on each line."""
        return self.from_inputs([line.strip() for line in lines if line.strip()])

    def _from_file(self, path: Path) -> list[User]:
        if is_table(path) and path.suffix not in (".json", ".jsonl"):
            table, _ = read_with_heading(path, ("user",), USER)
            named = table.find("user", next(iter(table.columns)) if len(table.columns) == 1 else None, USER)
            return self.from_inputs(list(dict.fromkeys(table.ids(str(named)))))
        lines = [(number, line.strip()) for number, line in enumerate(read_lines(path), 1) if line.strip()]
        return [
            self._parsed(line, f"{path}:{number}") if line.startswith("{") else self.from_inputs([line])[0]
            for number, line in lines
        ]

    def _parsed(self, text: str, where: str) -> User:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DataError(f"{where}: is not JSON ({error})") from None
        return self._described(value, where)

    def _described(self, value: Mapping[str, Any], where: str) -> User:
        unknown = [key for key in value if key not in ("id", "user", "items", "item")]
        if unknown or not value or ("item" in value and len(value) > 1) or not isinstance(value.get("items", []), list):
            raise DataError(
                f'{where}: says {str(dict(value))[:60]}; it should be {{"user": "ID"}}, {{"items": ["ID", …]}} or '
                '{"item": "ID"}'
            )
        numbers = self._by_id()[1]
        if "item" in value:
            name = str(value["item"])
            if name not in numbers:
                near = nearest(name, self.catalogue.items[:20_000])
                raise DataError(f"{where}: training had no item {name!r}{f'; did you mean {near!r}?' if near else ''}")
            item = np.array([numbers[name]], np.int32)
            return User(self.catalogue, -1, item, item[:0], item, "", True, name)
        name = str(value.get("user", value.get("id", "new")))
        if "items" not in value:
            return self.from_inputs([name])[0]
        items = [str(item) for item in value["items"]]
        known = np.unique(np.array([numbers[item] for item in items if item in numbers], np.int32))
        lost = [item for item in items if item not in numbers]
        said = f"; training did not have {listed(lost, 3)}" if lost else ""
        return self._new(name, known, f"{len(known):,} given item{'' if len(known) == 1 else 's'}{said}")

    def _stranger(self, name: str) -> User:
        near = nearest(name, self.catalogue.users[:20_000])
        hint = f"; did you mean {near!r}?" if near else ""
        return self._new(name, np.zeros(0, np.int32), f"user {name!r} is not one of those in training{hint}")

    def _new(self, name: str, given: np.ndarray, why: str) -> User:
        how = "the items nearest to the mean of what it has" if len(given) else "the most popular items"
        seen = given[:0] if self.keeps_known else given
        return User(self.catalogue, -1, seen, given[:0], given, f"{how} ({why})", False, name)

    def _known_user(self, number: int) -> User:
        had = self._had()[number]
        seen, nothing = had[:0] if self.keeps_known else had, np.zeros(0, np.int32)
        if len(self.known[number]):
            return User(self.catalogue, number, seen, nothing)
        given = np.intersect1d(had, np.flatnonzero(np.bincount(self.known.items, minlength=len(self.catalogue.items))))
        how = "the items nearest to the mean of what it has" if len(given) else "the most popular items"
        said = f"{how} (nothing of this user was in training)"
        return User(self.catalogue, number, seen, nothing, given.astype(np.int32), said)

    def _had(self) -> Rows:
        """Everything that is known of users: the training, validation and test items."""
        if self._everything is None:
            self._everything = self.known
            for rows in (self.catalogue.validated, self.catalogue.tested):
                self._everything = self._everything if rows is None else self._everything.joined(rows)
        return self._everything

    def _by_id(self) -> tuple[dict[str, int], dict[str, int]]:
        """The numbers of users and of items by their ids."""
        if self._numbers is None:
            users, items = (
                {name: at for at, name in enumerate(n)} for n in (self.catalogue.users, self.catalogue.items)
            )
            self._numbers = (users, items)
        return self._numbers

    def annotate(self, example: User, prediction: dict[str, Any]) -> dict[str, Any]:
        """Add the titles of the items, where there are any, and what the recommendations come from where nothing was learnt of
        the user."""
        titles = (
            {"titles": [self.catalogue.shown(item) for item in prediction["items"]]} if self.catalogue.titles else {}
        )
        return prediction | titles | ({"fallback": example.fallback} if example.fallback else {})

    def write_files(
        self, path: Path, examples: Sequence[User], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """One row a recommended item: the user, the item, its rank and its score, and its title where it has one."""
        rows = []
        for example, prediction in zip(examples, predictions, strict=True):
            pairs = zip(prediction["items"], prediction["scores"], strict=True)
            for rank, (item, score) in enumerate(pairs, 1):
                title = {"title": self.catalogue.titles.get(item, "")} if self.catalogue.titles else {}
                rows.append({"item" if example.alike else "user": example.source,
                             "like" if example.alike else "item": item, "rank": rank, "score": score, **title})  # fmt: skip
        write_rows(path, rows, "--out")
        return [path]

    @property
    def matrix(self) -> SparseMatrix:
        """The normalised matrix of the training graph, (users + items, users + items)."""
        if self._matrix is None:
            users, items = len(self.catalogue.users), len(self.catalogue.items)
            self._matrix = bipartite_matrix(self.known, users, items)
        return self._matrix

    @property
    def dims(self) -> Mapping[str, Any]:
        """How many users and items, their ids, and the training graph."""
        return {
            "users": len(self.catalogue.users),
            "items": len(self.catalogue.items),
            "adjacency": self.matrix,
            "item_ids": self.catalogue.items,
            "known": self.known,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The ids of users and items."""
        return {"users": self.catalogue.users, "items": self.catalogue.items}

    def state(self) -> dict[str, Any]:
        """Ids and training interactions."""
        return {
            "users": list(self.catalogue.users),
            "items": list(self.catalogue.items),
            "pointers": self.known.pointers,
            "pairs": self.known.items,
            **_kept("validated", self.catalogue.validated),
            **_kept("tested", self.catalogue.tested),
            **({"titles": dict(self.catalogue.titles)} if self.catalogue.titles else {}),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.catalogue = Catalogue(
            state["users"], state["items"], _held(state, "validated"), _held(state, "tested"), state.get("titles", {})
        )
        self._keep(Rows(np.asarray(state["pointers"]), np.asarray(state["pairs"])))


def bipartite_matrix(known: Rows, users: int, items: int) -> SparseMatrix:
    """The symmetric normalised matrix of the graph of users and items; users and items without interactions have empty rows."""
    ones = np.ones(len(known.items), np.float32)
    had = scipy.sparse.csr_matrix((ones, known.items, known.pointers), (users, items))
    user_scale, item_scale = (
        1 / np.sqrt(np.maximum(np.asarray(had.sum(axis=axis), np.float64).ravel(), 1)) for axis in (1, 0)
    )
    had = scipy.sparse.diags(user_scale) @ had @ scipy.sparse.diags(item_scale)
    matrix = scipy.sparse.bmat([[None, had], [had.T, None]], format="csr").astype(np.float32)
    matrix.sort_indices()
    return SparseMatrix.of(matrix, symmetric=True)


def _kept(name: str, rows: Rows | None) -> dict[str, Any]:
    return {} if rows is None else {f"{name}_pointers": rows.pointers, f"{name}_items": rows.items}


def _held(state: Mapping[str, Any], name: str) -> Rows | None:
    """What `_kept` gave; None in runs of former versions, which did not keep it."""
    if f"{name}_items" not in state:
        return None
    return Rows(np.asarray(state[f"{name}_pointers"]), np.asarray(state[f"{name}_items"]))


def _rows(examples: Sequence[User], name: str, users: int) -> Rows:
    if isinstance(examples, Users) and len(examples) == len(examples.catalogue.users):
        return getattr(examples, name)
    lists = [getattr(example, name) for example in examples]
    indices = np.repeat([example.index for example in examples], [len(items) for items in lists])
    return Rows.of(indices, np.concatenate(lists), users)


def _listed(users: Sequence[User], name: str) -> Rows:
    lists = [getattr(user, name) for user in users]
    items = np.concatenate([*lists, np.zeros(0, np.int32)]).astype(np.int32)
    return Rows(np.r_[0, np.cumsum([len(part) for part in lists])].astype(np.int64), items)


def _tensors(rows: Rows) -> dict[str, torch.Tensor]:
    return {"pointers": torch.from_numpy(rows.pointers), "items": torch.from_numpy(rows.items.astype(np.int64))}
