"""Film reviews from a grammar whose meaning is known: negation, contrast, intensifiers, reported opinions, label noise."""

from dataclasses import dataclass

from convzoo.core.arguments import Count, Fraction, HalfFraction, Positive
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.drawing import Choices
from convzoo.modalities.text.example import Text

ASPECTS = (
    "acting", "plot", "script", "music", "pacing", "dialogue", "camera work", "ending", "opening", "humor", "editing",
    "cast", "story", "lighting", "soundtrack", "direction", "lead", "villain", "romance", "suspense", "costume design",
    "second half", "chase scene", "narration", "premise", "animation",
)  # fmt: skip
GOOD = (
    "good", "great", "superb", "clever", "funny", "moving", "fresh", "charming", "gripping", "lovely", "brilliant", "elegant",
    "warm", "sharp", "thrilling", "tender", "inventive", "graceful", "vivid", "honest", "witty", "dazzling", "rich", "bold",
    "subtle", "delightful", "haunting", "smart", "lively", "touching", "polished", "radiant", "magnetic", "uplifting",
    "wonderful", "absorbing", "impeccable", "playful", "soulful", "riveting",
)  # fmt: skip
BAD = (
    "bad", "dull", "awful", "clumsy", "boring", "stale", "flat", "messy", "tedious", "lazy", "shallow", "bland", "cold",
    "predictable", "hollow", "dreary", "painful", "wooden", "sloppy", "noisy", "forced", "tired", "weak", "lifeless",
    "silly", "pointless", "muddled", "grating", "leaden", "smug", "murky", "dismal", "cheap", "bloated", "charmless",
    "witless", "stilted", "soulless", "incoherent", "forgettable",
)  # fmt: skip
STRONGER = ("very", "truly", "really", "utterly", "remarkably", "deeply", "simply", "absolutely")
WEAKER = ("somewhat", "slightly", "a little", "fairly", "rather")
FILLERS = (
    "", "", "", "i have to say", "to be fair", "in the end", "for what it is", "as far as i can tell", "after all the talk",
    "on a second viewing", "frankly", "all things considered",
)  # fmt: skip
REPORTED = (
    "my friends called it {word} ,", "the trailer made it look {word} ,", "everyone told me it was {word} ,",
    "the critics found it {word} ,", "i expected something {word} ,", "the poster promised a {word} film ,",
)  # fmt: skip
TAILS = (
    "", "", "", "the film runs for two hours .", "i saw it on a rainy sunday .", "it is set in a small town .",
    "it was shot on location .", "the theater was half empty .",
)  # fmt: skip


@dataclass(frozen=True)
class Clause:
    """A clause and what it says, from -2 (bad) to 2 (good)."""

    words: str
    meaning: float


class Reviews(Reader):
    """Reviews of one to three clauses about different aspects of a film, positive or negative.

    The grammar gives each review a meaning. An adjective counts -1 or 1, more with an intensifier and less with a softener.
    Negation inverts it, also at a distance ("nothing about the plot is clever"). What comes after "but" counts three times as
    much as what comes before it, and a reported opinion does not count. The sign of the meaning is the class. Some labels are
    inverted, so a reader who understands the grammar perfectly scores exactly `ceiling`.

    Args:
        train: number of training reviews
        val: number of validation reviews
        test: number of test reviews
        difficulty: fraction of the clauses that a bag of words misreads
        label_noise: fraction of the reviews whose label is inverted, at most a half
        seed: random seed
    """

    example = Text

    def __init__(
        self,
        train: Positive = 6000,
        val: Positive = 1000,
        test: Positive = 2000,
        difficulty: Fraction = 0.25,
        label_noise: HalfFraction = 0.04,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.label_noise = label_noise
        self.seed = seed

    def read(self) -> Splits:
        """Write the reviews. No review is in two splits."""
        random = _Choices(self.seed)
        seen: set[str] = set()
        parts: dict[str, list[Text]] = {}
        correct = 0
        for name, size in self.sizes.items():
            parts[name] = []
            # The classes have equal sizes, so that a majority vote is no better than chance.
            missing = {True: size // 2, False: size - size // 2}
            while len(parts[name]) < size:
                words, meaning = self._review(random)
                if meaning == 0 or not missing[meaning > 0] or words in seen:
                    continue
                seen.add(words)
                missing[meaning > 0] -= 1
                turned = random.chance(self.label_noise)
                positive = (meaning > 0) != turned
                source = f"reviews:{name}:{len(parts[name])}"
                parts[name].append(Text(words, "positive" if positive else "negative", source=source))
                correct += name == "test" and not turned
        return Splits(
            parts["train"], parts["val"], parts["test"], ceiling={"test/accuracy": correct / self.sizes["test"]}
        )

    def _review(self, random: "_Choices") -> tuple[str, float]:
        """Words and meaning. Nobody could tell the class of a meaning near zero, so such reviews are not written."""
        first, second = random.two(ASPECTS)
        if not random.chance(self.difficulty):
            clause = self._clause(random, first)
            words, meaning = clause.words + " .", clause.meaning
            if random.chance(0.5):
                other = self._clause(random, second)
                words, meaning = f"{clause.words} and {other.words} .", clause.meaning + other.meaning
        elif random.chance(0.35):
            # The opinion of others is usually the opposite.
            clause = self._clause(random, first)
            good = (clause.meaning < 0) == random.chance(0.8)
            words = (
                f"{random.of(REPORTED).format(word=random.adjective(good))} but {random.of(FILLERS)} {clause.words} ."
            )
            meaning = clause.meaning
        else:
            before, after = self._clause(random, first), self._clause(random, second)
            if before.meaning * after.meaning > 0 and random.chance(0.8):
                before = self._clause(random, first)
            form = random.of(("{a} , but {f} {b} .", "although {a} , {f} {b} .", "{b} , even though {a} .",
                              "{a} , yet {f} {b} .", "while {a} , {f} {b} ."))  # fmt: skip
            words = form.format(a=before.words, b=after.words, f=random.of(FILLERS))
            meaning = before.meaning + 3 * after.meaning
        words = f"{words} {random.of(TAILS)}"
        return " ".join(words.split()), meaning if abs(meaning) >= 0.5 else 0.0

    def _clause(self, random: "_Choices", aspect: str) -> Clause:
        good = random.chance(0.5)
        word = random.adjective(good)
        sign = 1.0 if good else -1.0
        if random.chance(self.difficulty):
            form = random.of(
                ("the {a} is not {w}", "the {a} is not {s} {w}", "the {a} is never {w}", "the {a} is hardly {s} {w}",
                 "nothing about the {a} is {w}", "the {a} is anything but {w}", "the {a} is far from {w}",
                 "i would not call the {a} {w}", "no one could find the {a} {w}", "the {a} is not at all {w}")
            )  # fmt: skip
            return Clause(form.format(a=aspect, w=word, s=random.of(STRONGER)), -sign)
        if random.chance(0.25):
            return Clause(f"the {aspect} is {random.of(STRONGER)} {word}", 1.5 * sign)
        if random.chance(0.2):
            return Clause(f"the {aspect} is {random.of(WEAKER)} {word}", 0.75 * sign)
        form = random.of(
            ("the {a} is {w}", "the {a} feels {w}", "this {a} seems {w}", "i found the {a} {w}", "{a} : {w}")
        )
        return Clause(form.format(a=aspect, w=word), sign)


class _Choices(Choices):
    def adjective(self, good: bool) -> str:
        return self.common(GOOD if good else BAD)
