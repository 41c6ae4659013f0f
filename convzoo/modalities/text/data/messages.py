"""Short messages, some of them spam with disguised words: digits for letters, dots between them, letters of other scripts."""

from convzoo.core.arguments import Fraction, HalfFraction, Positive, Seed
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.drawing import Choices
from convzoo.modalities.text.example import Text

BAIT = (
    "prize", "cash", "loan", "casino", "bonus", "viagra", "pills", "credit", "discount", "lottery", "jackpot", "bitcoin",
    "voucher", "rolex", "mortgage", "refund",
)  # fmt: skip
HARMLESS = (
    "dinner", "meeting", "garden", "birthday", "football", "homework", "kitchen", "weekend", "holiday", "coffee", "umbrella",
    "concert", "library", "sister", "picture", "station", "jacket", "lesson", "tickets", "sandwich", "puppy", "balcony",
    "guitar", "recipe", "teacher",
)  # fmt: skip
FRAMES = (
    "the {w} is waiting for you", "did you see the {w} yesterday ?", "we talked about the {w} again", "your {w} is here",
    "do not forget the {w}", "everybody wants the {w}", "ask me about the {w}", "more about the {w} at {time}",
    "{w} ? call me on {phone}", "what about the {w} ?", "about your {w} : code {code}", "it is only {price} for the {w}",
    "Here is the {w} that you wanted", "last chance for the {w}", "THE {w} IS BACK", "i have news about the {w}",
)  # fmt: skip
FROM_FRIENDS = (
    "love , {name}", "see you l8r", "c u 2nite", "that was gr8 !", "{name} says hi", "are you free at {time} ?", "ok lol",
    "your bank code is {code} . never share it with anybody", "train at {time} , platform {digit}b", "thx , p.s. bring milk",
    "{other} , how are you ?", "i am at flat {digit}c", "we won {digit} : {digit} !", "mum is ill , e.g. she has a cold",
)  # fmt: skip
FROM_SENDERS = (
    "claim it now at www.{code}.example", "reply YES to {phone}", "only today , {price} off", "you were chosen by our team",
    "txt STOP to {phone} to opt out", "100 % free , no risk", "confirm your account {code}", "click www.{code}.example",
    "call {phone} now , {price} per min", "dear customer , your bank needs the code {code}",
)  # fmt: skip
NAMES = ("anna", "tom", "li", "omar", "Julia", "ben", "Sofia", "max", "ines", "paul")
OTHER_SCRIPTS = ("привет", "как дела", "γεια σου", "спасибо", "добрый день", "καλημέρα")
LOOK_ALIKES = {
    "a": "@4а", "b": "8", "c": "с(", "d": "ԁ", "e": "3€е", "f": "ƒ", "g": "9", "h": "һ", "i": "1!і", "j": "ј", "k": "κ",
    "l": "1|", "m": "м", "n": "ո", "o": "0о", "p": "рρ", "q": "9", "r": "г", "s": "5$ѕ", "t": "7+", "u": "υµ", "v": "ν",
    "w": "ѡ", "x": "х", "y": "уγ", "z": "2",
}  # fmt: skip
"""What spam writes in the place of a letter: digits, signs, and letters of other scripts that look the same."""
SEPARATORS = (".", "-", "_", " ", "*")


class Messages(Reader):
    """Short messages, ham or spam.

    A message is spam if one of its words is a bait ("prize", "loan") in disguise: with digits, signs or letters of other scripts
    in the place of letters (`pr1ze`, `l0аn`), with dots, spaces or other marks between the letters (`p.r.i.z.e`), with doubled
    letters or mixed cases. Ham has baits too, as they are usually written, and harmless words in the same disguises, codes of
    banks, times, flats, chat spelling (`c u l8r`) and sentences in other scripts. So neither the words nor the odd characters
    tell: what tells is which word an odd spelling means. Some messages also say at their end who writes. Some labels are
    inverted, so a reader who sees through every disguise scores `ceiling`.

    Args:
        train: number of training messages
        val: number of validation messages
        test: number of test messages
        spam: fraction of the messages that are spam
        difficulty: fraction of the messages that do not say who writes
        disguise: the probability that a letter of a disguised word is replaced
        label_noise: fraction of the messages whose label is inverted, at most a half
        seed: random seed
    """

    example = Text

    def __init__(
        self,
        train: Positive = 8000,
        val: Positive = 1500,
        test: Positive = 2000,
        spam: Fraction = 0.3,
        difficulty: Fraction = 0.7,
        disguise: Fraction = 0.4,
        label_noise: HalfFraction = 0.01,
        seed: Seed = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.spam = spam
        self.difficulty = difficulty
        self.disguise = disguise
        self.label_noise = label_noise
        self.seed = seed

    def read(self) -> Splits:
        """Write the messages. No message is in two splits."""
        random = Choices(self.seed)
        seen: set[str] = set()
        parts: dict[str, list[Text]] = {}
        pairs: list[tuple[bool, bool]] = []
        for name, size in self.sizes.items():
            parts[name] = []
            while len(parts[name]) < size:
                spam = random.chance(self.spam)
                words = self._message(random, spam)
                if words in seen:
                    continue
                seen.add(words)
                labelled = spam != random.chance(self.label_noise)
                pairs += [(spam, labelled)] if name == "test" else []
                source = f"messages:{name}:{len(parts[name])}"
                parts[name].append(Text(words, "spam" if labelled else "ham", source=source))
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=_ceiling(pairs))

    def _message(self, random: Choices, spam: bool) -> str:
        clauses = [self._clause(random, False) for _ in range(random.of((0, 1, 1)))]
        clauses.insert(int(random.next() * (len(clauses) + 1)), self._clause(random, spam))
        if not random.chance(self.difficulty):
            end = random.of(FROM_SENDERS if spam else FROM_FRIENDS)
            clauses.append(_filled(random, end))
        return random.of((" . ", " , ", " ! ", " ... ")).join(clauses)

    def _clause(self, random: Choices, bait: bool) -> str:
        """A clause with a bait in disguise, or with a word that is no bait in disguise."""
        if bait:
            word = self._disguised(random, random.of(BAIT))
        elif random.chance(0.35):
            word = random.of(BAIT)
        else:
            word = random.of(HARMLESS)
            word = self._disguised(random, word) if random.chance(0.6) else word
        frame = random.of(FRAMES)
        return _filled(random, frame).replace("{w}", word.upper() if frame.isupper() else word)

    def _disguised(self, random: Choices, word: str) -> str:
        """A word in a spelling that hides it; not the usual one."""
        letters = list(word)
        ways = [random.chance(0.8), random.chance(0.3), random.chance(0.15), random.chance(0.15)]
        if not any(ways):
            ways[0] = True
        if ways[0]:
            chosen = [at for at, letter in enumerate(letters) if letter in LOOK_ALIKES and random.chance(self.disguise)]
            for at in chosen or [int(random.next() * len(letters))]:
                letters[at] = random.of(LOOK_ALIKES.get(letters[at], letters[at]))
        if ways[2]:
            at = int(random.next() * len(letters))
            letters[at] *= 2 + int(random.next() * 2)
        if ways[3]:
            letters = [letter.upper() if random.chance(0.5) else letter for letter in letters]
        return (random.of(SEPARATORS) if ways[1] else "").join(letters)


def _filled(random: Choices, frame: str) -> str:
    """A frame with its times, numbers and names; its word stays open."""
    number = int(random.next() * 10**9)
    values = {
        "{time}": f"{number % 12 + 1}:{number % 6}0",
        "{phone}": f"0{number:09d}",
        "{price}": random.of((f"{number % 90 + 5}€", f"£{number % 40}.50", f"$ {number % 900}")),
        "{code}": random.of((f"{number % 10**6:06d}", f"{chr(97 + number % 26)}{number % 997}-x{number % 89}")),
        "{digit}": str(number % 9 + 1),
        "{name}": random.of(NAMES),
        "{other}": random.of(OTHER_SCRIPTS),
    }  # fmt: skip
    for slot, value in values.items():
        frame = frame.replace(slot, value)
    return frame


def _ceiling(pairs: list[tuple[bool, bool]]) -> dict[str, float]:
    """The scores of who sees through every disguise: pairs of what a message is and its label."""
    hits = sum(spam and labelled for spam, labelled in pairs)
    said, true = sum(spam for spam, _ in pairs), sum(labelled for _, labelled in pairs)
    count = len(pairs)
    spread = said * (count - said) * true * (count - true)
    return {
        "test/accuracy": sum(spam == labelled for spam, labelled in pairs) / count,
        "test/f1": 2 * hits / max(said + true, 1),
        "test/matthews": (hits * count - said * true) / spread**0.5 if spread else 0.0,
    }
