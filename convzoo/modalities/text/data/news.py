"""News items over ten topics from a grammar whose meaning is known: who does something to whom, denials, shared words, label
noise."""

from collections.abc import Collection, Mapping, Sequence

from convzoo.core.arguments import Fraction, FromData, HalfFraction, LabelType, Positive, Seed
from convzoo.core.errors import RecipeError
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.drawing import Choices
from convzoo.modalities.text.example import Text

PEOPLE = {
    "business": (
        "bank", "retailer", "investor", "shareholder", "car maker", "accountant", "insurer", "broker", "supermarket",
        "exporter", "savings bank", "board of directors", "economist", "start-up", "wholesaler", "brewery", "cement works",
        "auditor",
    ),
    "crime": (
        "detective", "prosecutor", "burglar", "supreme court", "judge", "prison", "drug dealer", "police station", "witness",
        "smuggler", "defence lawyer", "pickpocket", "jury", "forger", "prison warden", "fraudster", "customs officer",
        "kidnapper",
    ),
    "culture": (
        "museum", "film star", "novelist", "orchestra", "theatre", "painter", "opera house", "composer", "gallery",
        "film director", "poet", "choir", "record label", "sculptor", "ballet", "rock band", "playwright", "concert hall",
    ),
    "environment": (
        "national park", "forester", "zoo", "beekeeper", "ranger", "weather service", "wind farm", "fishery", "bird watcher",
        "river authority", "recycling plant", "nature reserve", "botanist", "water works", "storm chaser", "otter centre",
        "coast guard", "tree nursery",
    ),
    "health": (
        "hospital", "surgeon", "nurse", "clinic", "pharmacist", "patient", "dentist", "midwife", "health insurer",
        "paramedic", "blood bank", "care home", "vaccine maker", "physiotherapist", "cancer ward", "general practitioner",
        "optician", "hospice",
    ),
    "politics": (
        "parliament", "senator", "mayor", "president", "minister", "city council", "opposition", "ambassador", "governor",
        "electoral court", "party leader", "cabinet", "chancellor", "election observer", "lobbyist", "embassy",
        "speaker of the house", "trade union",
    ),
    "science": (
        "university", "physicist", "astronomer", "laboratory", "chemist", "space agency", "biologist", "observatory",
        "geologist", "research centre", "mathematician", "telescope team", "archaeologist", "professor", "stem cell bank",
        "nobel laureate", "particle accelerator", "polar station",
    ),
    "sport": (
        "football club", "goalkeeper", "striker", "tennis star", "coach", "referee", "sprinter", "olympic team", "boxer",
        "swimmer", "rugby captain", "football star", "marathon runner", "cyclist", "chess champion", "stadium", "gymnast",
        "hockey league",
    ),
    "technology": (
        "software firm", "programmer", "chip maker", "search engine", "hacker", "data centre", "phone maker", "robot maker",
        "internet provider", "cloud service", "game studio", "web designer", "app store", "computer shop",
        "satellite operator", "drone pilot", "social network", "server farm",
    ),
    "travel": (
        "airline", "hotel", "tour guide", "railway", "cruise ship", "airport", "travel agency", "ferry company", "backpacker",
        "camp site", "pilot", "bus company", "beach resort", "youth hostel", "mountain guide", "night train", "ski resort",
        "tourist office",
    ),
}  # fmt: skip
MATTERS = {
    "business": (
        "quarterly profit", "share price", "takeover bid", "interest rate", "loan", "balance sheet", "stock market",
        "bankruptcy", "price war", "dividend", "savings account", "market share", "supply chain", "sales record",
    ),
    "crime": (
        "murder trial", "bank robbery", "drug raid", "prison cell", "verdict", "court ruling", "theft", "criminal record",
        "bail", "car chase", "stolen painting", "forged passport", "police report", "life sentence",
    ),
    "culture": (
        "film premiere", "new novel", "painting", "theatre season", "pop record", "exhibition", "symphony", "book fair",
        "opera", "film script", "dance festival", "sculpture", "poetry prize", "museum wing",
    ),
    "environment": (
        "storm cloud", "flood", "river bank", "climate report", "drought", "coral reef", "lightning strike", "oil spill",
        "storm season", "wild fire", "air pollution", "rain forest", "bird migration", "heat wave",
    ),
    "health": (
        "flu virus", "cancer drug", "blood test", "vaccine", "heart operation", "flu season", "diet", "sleep study",
        "blood cell", "waiting list", "hearing aid", "back pain", "allergy", "hip replacement",
    ),
    "politics": (
        "election", "pension reform", "tax law", "senate race", "state budget", "peace treaty", "coalition talks",
        "cabinet crisis", "arms race", "vote of confidence", "border dispute", "campaign speech", "party congress", "census",
    ),
    "science": (
        "neutron star", "stem cell", "gene map", "fossil", "mars probe", "chemical reaction", "prime number", "moon rock",
        "particle", "lunar eclipse", "dna sample", "comet", "enzyme", "field experiment",
    ),
    "sport": (
        "cup final", "penalty shoot-out", "world record", "cycling race", "tennis court", "transfer", "olympic medal",
        "football season", "own goal", "qualifying match", "relay race", "title defence", "half-time lead", "photo finish",
    ),
    "technology": (
        "computer virus", "cloud server", "search algorithm", "chip shortage", "software bug", "phone battery", "fuel cell",
        "data leak", "app update", "robot arm", "password", "video game", "fibre cable", "chess computer",
    ),
    "travel": (
        "rail strike", "hotel room", "package tour", "boarding pass", "ski season", "night flight", "beach holiday",
        "travel guide", "lost luggage", "mountain hut", "visa", "sleeping car", "city trip", "ferry crossing",
    ),
}  # fmt: skip
TOPICS = tuple(PEOPLE)
ADJECTIVES = (
    "new", "old", "local", "famous", "small", "large", "northern", "private", "troubled", "well-known", "young", "foreign",
    "former", "southern", "popular", "controversial", "rural", "largest", "last", "second", "rival", "busy",
)  # fmt: skip
DOES = (
    ("praises", "praised"), ("criticises", "criticised"), ("visits", "visited"), ("supports", "supported"),
    ("inspects", "inspected"), ("defends", "defended"), ("sponsors", "sponsored"), ("discovers", "discovered"),
    ("blames", "blamed"), ("investigates", "investigated"), ("rescues", "rescued"), ("presents", "presented"),
    ("welcomes", "welcomed"), ("funds", "funded"), ("mocks", "mocked"), ("rejects", "rejected"), ("honours", "honoured"),
    ("threatens", "threatened"), ("explains", "explained"), ("celebrates", "celebrated"),
)  # fmt: skip
PLAIN = (
    "{a} is in the headlines again", "there is news about {a}", "{a} worries many people", "{a} surprises everyone",
    "experts disagree over {a}", "a long report describes {a}", "{a} makes a good start", "fewer people talk about {a}",
)  # fmt: skip
DENIALS = (
    "this is not about {no} but about {a}", "instead of {no} , all talk is of {a}",
    "{a} , rather than {no} , is on the agenda", "forget {no} : {a} matters now", "no word on {no} , while {a} is discussed",
    "{a} is the subject , and not {no}", "nobody mentions {no} any more , since {a} is the talk of the town",
    "far from {no} , attention turns to {a}",
)  # fmt: skip
JOINS = ("{one} , and {two}", "{one} ; meanwhile {two}", "{one} , while {two}", "as {one} , {two}")
TAILS = (
    "", "", "", "", "a spokesman declined to comment .", "more details are expected on monday .",
    "the story was first reported abroad .", "readers wrote more than two hundred letters .",
    "it is the third such report this year .", "neither side gave a reason .",
)  # fmt: skip


class News(Reader):
    """News items about one or two of ten topics.

    The grammar gives each item its topics. Where somebody of one topic does something to somebody or something of another
    ("the senator praises the young goalkeeper"), the news is about the second one; in the passive it is the other way round. A
    topic that is denied ("not about the loan but about the cup final") does not count. Words are shared: there are tennis courts
    and supreme courts, flu viruses and computer viruses. So a bag of words sees topics that are not meant. In some items one
    topic is replaced by a wrong one; a reader who understands the grammar perfectly scores `ceiling`.

    With a task for one class, such as `task=classification`, every item has one topic.

    Args:
        train: number of training items
        val: number of validation items
        test: number of test items
        topics: number of topics, the first ones in the order of their names
        two_topics: fraction of the items that are about two topics, where items may have several
        difficulty: fraction of the clauses that name a topic that is not meant
        label_noise: fraction of the items in which one topic is replaced by a wrong one, at most a half
        seed: random seed

    Raises:
        RecipeError: the number of topics is not possible, or the task learns numbers.
    """

    example = Text

    def __init__(
        self,
        train: Positive = 5000,
        val: Positive = 1000,
        test: Positive = 2000,
        topics: Positive = 10,
        two_topics: Fraction = 0.35,
        difficulty: Fraction = 0.6,
        label_noise: HalfFraction = 0.03,
        seed: Seed = 0,
        label_type: FromData[LabelType] = "classes",
    ) -> None:
        if not 2 <= topics <= len(TOPICS):
            raise RecipeError(f"data.topics: {topics} should be from 2 to {len(TOPICS)}")
        if label_type == "number":
            raise RecipeError("data news: has topics and no numbers; take task=multi_label or task=classification")
        self.sizes = {"train": train, "val": val, "test": test}
        self.topics = TOPICS[:topics]
        self.several = label_type == "classes"
        self.two_topics = two_topics if self.several else 0.0
        self.difficulty = difficulty
        self.label_noise = label_noise
        self.seed = seed

    def read(self) -> Splits:
        """Write the items. No item is in two splits."""
        random = Choices(self.seed)
        seen: set[str] = set()
        parts: dict[str, list[Text]] = {}
        meant: list[tuple[str, ...]] = []
        for name, size in self.sizes.items():
            parts[name] = []
            while len(parts[name]) < size:
                words, topics = self._item(random)
                if words in seen:
                    continue
                seen.add(words)
                labels = self._noisy(random, topics)
                source = f"news:{name}:{len(parts[name])}"
                parts[name].append(Text(words, labels if self.several else labels[0], source=source))
                meant += [topics] if name == "test" else []
        given = [example.label for example in parts["test"]]
        ceiling = self._several_ceiling(meant, given) if self.several else self._one_ceiling(meant, given)
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=ceiling)

    def _item(self, random: Choices) -> tuple[str, tuple[str, ...]]:
        first, second = random.two(self.topics)
        if random.chance(self.two_topics):
            words = random.of(JOINS).format(one=self._clause(random, first), two=self._clause(random, second))
            topics = tuple(sorted((first, second)))
        else:
            words, topics = self._clause(random, first), (first,)
        return f"{words} . {random.of(TAILS)}".strip(), topics

    def _clause(self, random: Choices, topic: str) -> str:
        """A clause about a topic."""
        if not random.chance(self.difficulty):
            if random.chance(0.5):
                return random.of(PLAIN).format(a=_matter(random, topic))
            return f"{_person(random, topic)} {random.of(DOES)[0]} {_anything(random, topic)}"
        other = random.of([name for name in self.topics if name != topic])
        if random.chance(0.4):
            return random.of(DENIALS).format(a=_anything(random, topic), no=_anything(random, other))
        present, done = random.of(DOES)
        meant, doer = _anything(random, topic), _person(random, other)
        if random.chance(0.5):
            return f"{doer} {present} {meant}"
        verb = random.of(("is {done} by", "has been {done} by", "was {done} last week by")).format(done=done)
        return f"{meant} {verb} {doer}"

    def _noisy(self, random: Choices, topics: tuple[str, ...]) -> tuple[str, ...]:
        if not random.chance(self.label_noise):
            return topics
        others = [name for name in self.topics if name not in topics]
        if not others:
            return topics
        kept = topics[:-1] if random.chance(0.5) else topics[1:]
        return tuple(sorted((*kept, random.of(others))))

    def _one_ceiling(self, meant: Sequence[tuple[str, ...]], given: Sequence[Label | None]) -> Mapping[str, float]:
        """The accuracy of the topics that are meant."""
        right = sum(label == topics[0] for label, topics in zip(given, meant, strict=True))
        return {"test/accuracy": right / len(meant)}

    def _several_ceiling(self, meant: Sequence[tuple[str, ...]], given: Sequence[Label | None]) -> Mapping[str, float]:
        """The scores of the topics that are meant, where each is called equally sure."""
        labels: list[Collection[str]] = [label for label in given if isinstance(label, tuple)]
        pairs = list(zip(meant, labels, strict=True))
        hits = sum(len(set(topics) & set(label)) for topics, label in pairs)
        precisions = []
        for name in self.topics:
            true, said = (sum(name in each[at] for each in pairs) for at in (1, 0))
            both = sum(name in topics and name in label for topics, label in pairs)
            if true:
                # Two steps of the curve: the items that are meant, then all.
                found = both / true
                precisions.append(found * both / max(said, 1) + (1 - found) * true / len(pairs))
        return {
            "test/mean_average_precision": sum(precisions) / len(precisions),
            "test/micro_f1": 2 * hits / sum(len(topics) + len(label) for topics, label in pairs),
            "test/subset_accuracy": sum(set(topics) == set(label) for topics, label in pairs) / len(pairs),
        }


def _person(random: Choices, topic: str) -> str:
    return _named(random, random.common(PEOPLE[topic]))


def _matter(random: Choices, topic: str) -> str:
    return _named(random, random.common(MATTERS[topic]))


def _anything(random: Choices, topic: str) -> str:
    return _person(random, topic) if random.chance(0.6) else _matter(random, topic)


def _named(random: Choices, noun: str) -> str:
    return f"the {random.of(ADJECTIVES)} {noun}" if random.chance(0.5) else f"the {noun}"
