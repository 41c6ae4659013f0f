"""Opponents for named entities: a list of training's names, and a conditional random field over what tokens look like."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from convzoo.core.arguments import LabelType, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.core.libraries import needs
from convzoo.core.outputs.spans import Span, Spans, spans_of
from convzoo.modalities.text.tagged import TaggedText
from convzoo.modalities.text.tagged_encoder import shape_of


class NameList(Baseline):
    """Finds the names of training again: the longest one that begins at a token, if it is more often a name than not; its type is
    the most frequent one."""

    label_type: ClassVar[LabelType] = "entities"

    def fit(self, examples: Sequence[TaggedText], dims: Mapping[str, Any]) -> None:
        """Collect the names, and how often each stands in training as a name and otherwise."""
        types: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for example in examples:
            tokens = example.tokens
            for span in example.spans:
                types[tuple(tokens[span.start : span.end])][span.label] += 1
        self.longest = max((len(name) for name in types), default=1)
        others: Counter[tuple[str, ...]] = Counter()
        for example in examples:
            tokens, named = example.tokens, {(span.start, span.end) for span in example.spans}
            for start, end in _parts(len(tokens), self.longest):
                if (start, end) not in named and tuple(tokens[start:end]) in types:
                    others[tuple(tokens[start:end])] += 1
        self.names = {
            name: max(sorted(counts), key=lambda label: counts[label])
            for name, counts in types.items()
            if sum(counts.values()) >= others[name]
        }

    def outputs(self, examples: Sequence[TaggedText]) -> Spans:
        """The names of training that stand in each text."""
        return Spans([self._found(example.tokens) for example in examples], texts=examples)

    def _found(self, tokens: Sequence[str]) -> list[Span]:
        found, at = [], 0
        while at < len(tokens):
            for size in range(min(self.longest, len(tokens) - at), 0, -1):
                label = self.names.get(tuple(tokens[at : at + size]))
                if label is not None:
                    found.append(Span(at, at + size, label))
                    at += size
                    break
            else:
                at += 1
        return found


def _parts(length: int, longest: int) -> list[tuple[int, int]]:
    return [(start, end) for start in range(length) for end in range(start + 1, min(start + longest, length) + 1)]


class ConditionalRandomField(Baseline):
    """A linear-chain conditional random field (Lafferty et al. 2001) over features of each token and its neighbours.

    The features are the usual ones: the form in lower case, prefixes, suffixes, shape, and kinds of characters; no part-of-speech
    tags, which the network has not either. CRFsuite trains it with L-BFGS.

    Args:
        c1: weight of the L1 penalty; null: chosen on the validation split
        c2: weight of the L2 penalty
        iterations: of L-BFGS, at most
        window: so many tokens on each side are looked at
    """

    label_type: ClassVar[LabelType] = "entities"
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"c1": (0.1, 0.01)}

    def __init__(
        self,
        c1: PositiveFloat | None = None,
        c2: PositiveFloat = 0.05,
        iterations: Positive = 100,
        window: Positive = 2,
    ) -> None:
        self.c1 = c1
        self.c2 = c2
        self.iterations = iterations
        self.window = window
        self._features: dict[int, list[list[str]]] = {}
        try:
            import pycrfsuite  # noqa: F401 (if it is missing, the run fails before training, not after)
        except ImportError as error:
            raise needs("baseline crf", "pycrfsuite", error) from None

    def fit(self, examples: Sequence[TaggedText], dims: Mapping[str, Any]) -> None:
        """Learn the weights.

        Raises:
            DataError: no text has a token.
        """
        import pycrfsuite

        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.set_params(
            {
                "c1": self.setting("c1"),
                "c2": self.c2,
                "max_iterations": self.iterations,
                "feature.possible_transitions": True,
            }
        )
        count = 0
        for example in examples:
            if example.places and example.label is not None:
                trainer.append(self._of(example), list(example.label))
                count += 1
        if not count:
            raise DataError("no text has a token")
        with TemporaryDirectory() as folder:
            file = Path(folder) / "model"
            trainer.train(str(file))
            self.content = file.read_bytes()  # the tagger reads it where it lies, and does not keep it alive
        self.tagger = pycrfsuite.Tagger()
        self.tagger.open_inmemory(self.content)

    def outputs(self, examples: Sequence[TaggedText]) -> Spans:
        """The entities of the best tags of each text."""
        found = [spans_of(self.tagger.tag(self._of(example))) if example.places else [] for example in examples]
        return Spans(found, texts=examples)

    def _of(self, example: TaggedText) -> Any:
        import pycrfsuite

        looks = [_looks(token) for token in example.tokens]
        rows = []
        for at in range(len(looks)):
            row = ["bias", *looks[at]]
            for step in range(1, self.window + 1):
                for side in (-step, step):
                    inside = 0 <= at + side < len(looks)
                    near = looks[at + side] if inside else ["border"]
                    row += [f"{side}:{look}" for look in (near if abs(side) == 1 else near[:2])]
            rows.append(row)
        return pycrfsuite.ItemSequence(rows)


def _looks(token: str) -> list[str]:
    lower = token.lower()
    found = [f"w={lower}", f"s={shape_of(token)}"]
    found += [f"p{size}={lower[:size]}" for size in (1, 2, 3, 4)] + [
        f"x{size}={lower[-size:]}" for size in (1, 2, 3, 4)
    ]
    kinds = {
        "title": token.istitle(), "upper": token.isupper(), "digit": token.isdigit(), "alpha": token.isalpha(),
        "hyphen": "-" in token,
    }  # fmt: skip
    return [*found, *(name for name, is_so in kinds.items() if is_so)]
