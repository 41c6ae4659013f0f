"""English sentences and their German translations from one grammar: agreement, word order, particles, ambiguity, rare names."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from convzoo.core.arguments import Count, Fraction, HalfFraction, Positive
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.words import split_words
from convzoo.ops.bleu import corpus_bleu

T = TypeVar("T")

PERSON, ANIMAL, THING = "person", "animal", "thing"
# A word written "schön|hübsch" has two translations; nothing in the source says which one was taken.


@dataclass(frozen=True)
class Noun:
    """English singular and plural; German singular, plural and gender; its kind, and its English pronoun."""

    english: str
    englishes: str
    german: str
    germans: str
    gender: str
    kind: str
    pronoun: str = "it"


def _nouns(kind: str, table: str) -> tuple[Noun, ...]:
    rows = (row.split() for row in table.strip().splitlines())
    return tuple(
        Noun(one, many, ein, viele, gender, kind, *pronoun) for one, many, ein, viele, gender, *pronoun in rows
    )


NOUNS = (
    *_nouns(PERSON, """
        man men Mann Männer m he
        woman women Frau Frauen f she
        teacher teachers Lehrer Lehrer m he
        doctor doctors Arzt Ärzte m he
        aunt aunts Tante Tanten f she
        uncle uncles Onkel Onkel m he
        sister sisters Schwester Schwestern f she
        brother brothers Bruder Brüder m he
        queen queens Königin Königinnen f she
        gardener gardeners Gärtner Gärtner m he
        neighbour neighbours Nachbarin Nachbarinnen f she
        child children Kind Kinder n it"""),
    *_nouns(ANIMAL, """
        dog dogs Hund Hunde m
        cat cats Katze Katzen f
        horse horses Pferd|Ross Pferde|Rosse n
        cow cows Kuh Kühe f
        lamb lambs Lamm Lämmer n
        goat goats Ziege Ziegen f
        rabbit rabbits Kaninchen Kaninchen n
        frog frogs Frosch Frösche m
        bird birds Vogel Vögel m
        mouse mice Maus Mäuse f
        duck ducks Ente Enten f
        pig pigs Schwein Schweine n"""),
    *_nouns(THING, """
        table tables Tisch Tische m
        chair chairs Stuhl Stühle m
        lamp lamps Lampe Lampen f
        book books Buch Bücher n
        letter letters Brief Briefe m
        door doors Tür Türen f
        window windows Fenster Fenster n
        picture pictures Bild|Gemälde Bilder|Gemälde n
        box boxes Kiste Kisten f
        coat coats Mantel Mäntel m
        shirt shirts Hemd Hemden n
        clock clocks Uhr Uhren f
        bottle bottles Flasche Flaschen f
        key keys Schlüssel Schlüssel m
        wheel wheels Rad Räder n
        hat hats Hut Hüte m"""),
)  # fmt: skip
AMBIGUOUS = (
    *_nouns(ANIMAL, """
        bat bats Fledermaus Fledermäuse f
        crane cranes Kranich Kraniche m
        seal seals Robbe Robben f"""),
    *_nouns(PERSON, """
        ruler rulers Herrscher Herrscher m he
        fan fans Anhängerin Anhängerinnen f she"""),
    *_nouns(THING, """
        bat bats Schläger Schläger m
        crane cranes Kran Kräne m
        seal seals Siegel Siegel n
        ruler rulers Lineal Lineale n
        fan fans Ventilator Ventilatoren m"""),
)  # fmt: skip
"""Each English word has two meanings: a creature or a thing. The verb, an adjective or a later clause says which."""

CREATURE_ADJECTIVES = (
    ("tired", "müd"),
    ("hungry", "hungrig"),
    ("young", "jung"),
    ("clever", "klug"),
    ("sad", "traurig|betrübt"),
)
THING_ADJECTIVES = (("broken", "kaputt"), ("rusty", "rostig"), ("heavy", "schwer"), ("cheap", "billig"), ("new", "neu"))
ANY_ADJECTIVES = (
    ("old", "alt"), ("small", "klein"), ("big", "groß"), ("red", "rot"), ("brown", "braun"), ("beautiful", "schön|hübsch"),
    ("white", "weiß"), ("quiet", "still|leis"),
)  # fmt: skip


@dataclass(frozen=True)
class Verb:
    """English third person, base and participle, and a particle after the object; German third persons, infinitive, participle,
    and the prefix that goes to the end; the kinds of its subjects and of its objects (none: intransitive)."""

    english: tuple[str, str, str]
    particle: str
    german: tuple[str, str, str, str]
    prefix: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...] = ()


def _verb(english: str, german: str, subjects: tuple[str, ...], objects: tuple[str, ...] = ()) -> Verb:
    first, second, third, *particle = english.split()
    one, many, infinitive, participle, *prefix = german.split()
    return Verb(
        (first, second, third),
        " ".join(particle),
        (one, many, infinitive, participle),
        " ".join(prefix),
        subjects,
        objects,
    )


_LIVING = (PERSON, ANIMAL)
_ALL = (PERSON, ANIMAL, THING)
TRANSITIVE = (
    _verb("sees see seen", "sieht sehen sehen gesehen", _LIVING, _ALL),
    _verb("finds find found", "findet finden finden gefunden", _LIVING, _ALL),
    _verb("loves love loved", "liebt lieben lieben geliebt", _LIVING, _LIVING),
    _verb("hears hear heard", "hört hören hören gehört", _LIVING, _LIVING),
    _verb("feeds feed fed", "füttert füttern füttern gefüttert", (PERSON,), (ANIMAL,)),
    _verb("follows follow followed", "verfolgt verfolgen verfolgen verfolgt", _LIVING, _LIVING),
    _verb("sells sell sold", "verkauft verkaufen verkaufen verkauft", (PERSON,), (THING,)),
    _verb("repairs repair repaired", "repariert reparieren reparieren repariert", (PERSON,), (THING,)),
    _verb("paints paint painted", "malt malen malen gemalt", (PERSON,), _ALL),
    _verb("phones phone phoned", "ruft rufen anrufen angerufen an", (PERSON,), (PERSON,)),
    _verb("invites invite invited", "lädt laden einladen eingeladen ein", (PERSON,), (PERSON,)),
    _verb("opens open opened", "macht machen aufmachen aufgemacht auf", (PERSON,), (THING,)),
    _verb("closes close closed", "macht machen zumachen zugemacht zu", (PERSON,), (THING,)),
    _verb("watches watch watched", "schaut schauen anschauen angeschaut an", _LIVING, _ALL),
    _verb("takes take taken along", "nimmt nehmen mitnehmen mitgenommen mit", (PERSON,), _ALL),
    _verb("takes take taken away", "trägt tragen forttragen fortgetragen fort", (PERSON,), (THING,)),
    _verb("turns turn turned on", "schaltet schalten einschalten eingeschaltet ein", (PERSON,), (THING,)),
    _verb("turns turn turned over", "dreht drehen umdrehen umgedreht um", (PERSON,), (THING,)),
    _verb("picks pick picked up", "holt holen abholen abgeholt ab", (PERSON,), _LIVING),
    _verb("picks pick picked out", "sucht suchen aussuchen ausgesucht aus", (PERSON,), (THING,)),
)  # fmt: skip
INTRANSITIVE = (
    _verb("sleeps sleep slept", "schläft schlafen schlafen geschlafen", _LIVING),
    _verb("waits wait waited", "wartet warten warten gewartet", _LIVING),
    _verb("drinks drink drunk", "trinkt trinken trinken getrunken", _LIVING),
    _verb("laughs laugh laughed", "lacht lachen lachen gelacht", (PERSON,)),
    _verb("works work worked", "arbeitet arbeiten arbeiten gearbeitet", (PERSON,)),
    _verb("sings sing sung", "singt singen singen gesungen", (PERSON,)),
    _verb("listens listen listened", "hört hören zuhören zugehört zu", _LIVING),
    _verb("shines shine shone", "glänzt glänzen glänzen geglänzt", (THING,)),
    _verb("creaks creak creaked", "knarrt knarren knarren geknarrt", (THING,)),
    _verb("costs cost cost much", "kostet kosten kosten gekostet viel", (THING,)),
)  # fmt: skip
ADVERBS = (
    ("often", "oft|häufig"), ("quickly", "schnell|rasch"), ("again", "wieder"), ("here", "hier"), ("always", "immer|stets"),
    ("at home", "zu Hause"),
)  # fmt: skip
TIMES = {
    "present": (("today", "heute"), ("now", "jetzt|nun"), ("every morning", "jeden Morgen")),
    "perfect": (("this week", "diese Woche"), ("today", "heute")),
    "future": (("tomorrow", "morgen"), ("next week", "nächste Woche"), ("soon", "bald")),
}
COMMON_NAMES = ("Anna", "Paul", "Maria", "Peter", "Lena", "Karl", "Clara", "Hans", "Eva", "Otto", "Julia", "Max")
SYLLABLES = (
    "ba", "do", "fe", "gri", "ka", "lo", "mi", "nu", "or", "pel", "ra", "sa", "tor", "u", "vin", "wo", "ya", "zel", "chan", "der",
    "mar", "kov", "lin", "eth",
)  # fmt: skip

ARTICLES = {
    ("m", "nominative"): ("der", "ein"), ("m", "accusative"): ("den", "einen"),
    ("f", "nominative"): ("die", "eine"), ("f", "accusative"): ("die", "eine"),
    ("n", "nominative"): ("das", "ein"), ("n", "accusative"): ("das", "ein"),
}  # fmt: skip
"""Definite and indefinite articles; the definite one is also the relative pronoun."""
ENDINGS = {("m", "nominative"): "er", ("m", "accusative"): "en", ("f", "nominative"): "e", ("f", "accusative"): "e",
           ("n", "nominative"): "es", ("n", "accusative"): "es"}  # fmt: skip
"""Endings of an adjective after the indefinite article."""
PRONOUNS = {"m": "er", "f": "sie", "n": "es"}


@dataclass(frozen=True)
class NounPhrase:
    """A subject or object: a noun with its article and adjective, or a name."""

    noun: Noun | None
    name: str = ""
    plural: bool = False
    definite: bool = True
    adjective: tuple[str, str] | None = None

    @property
    def english(self) -> str:
        """The English words."""
        if self.noun is None:
            return self.name
        word = self.noun.englishes if self.plural else self.noun.english
        words = f"{self.adjective[0]} {word}" if self.adjective else word
        if self.definite:
            return f"the {words}"
        return words if self.plural else f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    def german(self, case: str) -> str:
        """The German words, in `nominative` or `accusative`."""
        if self.noun is None:
            return self.name
        words = [self.noun.germans if self.plural else self.noun.german]
        if self.adjective:
            strong = "e" if self.plural else ENDINGS[self.noun.gender, case]
            weak = "en" if self.plural or (self.noun.gender, case) == ("m", "accusative") else "e"
            words.insert(0, _each(self.adjective[1], weak if self.definite else strong))
        if self.definite or not self.plural:
            article = "die" if self.plural and self.definite else ARTICLES[self.noun.gender, case][not self.definite]
            words.insert(0, article)
        return " ".join(words)

    def relative(self, case: str) -> str:
        """The German relative pronoun."""
        assert self.noun is not None
        return "die" if self.plural else ARTICLES[self.noun.gender, case][0]


class Grammar(Reader):
    """English to German, from a grammar that writes both sides at once.

    A translator must know: German articles, adjectives, relative pronouns and pronouns agree with a gender and a case that
    English does not show; the finite verb is second ("Heute ruft die Frau …"), but last in a subordinate clause; prefixes,
    participles and infinitives go to the end; an English particle far behind its verb changes the verb ("takes … along", "takes
    … away"); some nouns mean a creature or a thing, and only the verb, an adjective or a later clause says which; names must be
    copied, and most names are made up and occur in one sentence only.

    Some words have two translations. The rarer one is taken with the probability `noise`, independent of the sentence.
    A translator who knows the grammar takes the more frequent one; the BLEU of these translations is the `ceiling`.

    Args:
        train: number of pairs to learn from
        val: number of pairs to validate on
        test: number of pairs to test on
        difficulty: fraction of the sentences with a subordinate clause, and fraction of the nouns that are ambiguous
        rare: fraction of the names that are made up
        noise: probability of the rarer translation, at most a half
        seed: random seed
    """

    example = Pair

    def __init__(
        self,
        train: Positive = 8000,
        val: Positive = 500,
        test: Positive = 1000,
        difficulty: Fraction = 0.4,
        rare: Fraction = 0.6,
        noise: HalfFraction = 0.2,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.rare = rare
        self.noise = noise
        self.seed = seed

    def read(self) -> Splits:
        """Write the pairs. No sentence is in two splits."""
        self.random = np.random.default_rng(self.seed)
        seen: set[str] = set()
        parts: dict[str, list[Pair]] = {}
        best: list[str] = []
        for name, size in self.sizes.items():
            parts[name] = []
            while len(parts[name]) < size:
                english, german = self._sentence()
                if english in seen:
                    continue
                seen.add(english)
                likeliest = " ".join(word.partition("|")[0] for word in german.split(" "))
                written = " ".join(self._either(word) for word in german.split(" "))
                if name == "test":
                    best.append(_as_sentence(likeliest))
                parts[name].append(
                    Pair(_as_sentence(english), _as_sentence(written), source=f"grammar:{name}:{len(parts[name])}")
                )
        # sacreBLEU would cut these sentences into the same words, so the score is the same.
        references = [split_words((pair.translation or "").lower()) for pair in parts["test"]]
        ceiling = corpus_bleu([split_words(text.lower()) for text in best], references)
        return Splits(
            parts["train"], parts["val"], parts["test"], ceiling={"test/bleu": ceiling, "test/token_bleu": ceiling}
        )

    def _chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def _of(self, choices: tuple[T, ...]) -> T:
        return choices[int(self.random.random() * len(choices))]

    def _either(self, word: str) -> str:
        common, bar, rare = word.partition("|")
        return rare if bar and self._chance(self.noise) else common

    def _name(self) -> str:
        if not self._chance(self.rare):
            return self._of(COMMON_NAMES)
        return "".join(self._of(SYLLABLES) for _ in range(2 + self._chance(0.5))).capitalize()

    def _phrase(self, kinds: tuple[str, ...], told: bool) -> NounPhrase:
        """A noun phrase of one of these kinds; `told`: the verb says whether it is a creature or a thing."""
        if PERSON in kinds and self._chance(0.3):
            return NounPhrase(None, self._name())
        ambiguous = self._chance(self.difficulty / 2)
        noun = self._of(tuple(noun for noun in (AMBIGUOUS if ambiguous else NOUNS) if noun.kind in kinds))
        own = THING_ADJECTIVES if noun.kind == THING else CREATURE_ADJECTIVES
        adjective = None
        if ambiguous and not told:
            adjective = self._of(own)
        elif self._chance(0.5):
            adjective = self._of(ANY_ADJECTIVES if self._chance(0.6) else own)
        return NounPhrase(noun, "", self._chance(0.3), self._chance(0.7), adjective)

    def _sentence(self) -> tuple[str, str]:
        transitive = self._chance(0.75)
        verb = self._of(TRANSITIVE if transitive else INTRANSITIVE)
        subject = self._phrase(verb.subjects, THING not in verb.subjects or verb.subjects == (THING,))
        thing = None
        if verb.objects:
            thing = self._phrase(verb.objects, not {PERSON, THING} <= {*verb.objects})
        tense = self._of(("present", "present", "perfect", "future"))
        time = self._of(TIMES[tense]) if self._chance(0.4) else None
        adverb = self._of(ADVERBS) if self._chance(0.3) else None
        english = [time[0]] if time else []
        german = [time[1]] if time else []
        inner_english, inner_german = "", ""
        if subject.noun is not None and self._chance(self.difficulty / 2):
            inner_english, inner_german = self._relative(subject)
        english += [subject.english + inner_english, *self._english(verb, tense, subject.plural, thing, adverb)]
        first, last = self._german(verb, tense, subject.plural)
        before = subject.german("nominative") + inner_german
        german += [first, before] if time else [before, first]
        german += [thing.german("accusative")] if thing else []
        german += [adverb[1]] if adverb else []
        german += [last] if last else []
        after_english, after_german = "", ""
        if subject.noun is not None and self._chance(self.difficulty / 2):
            after_english, after_german = self._because(subject)
        return f"{' '.join(english)}{after_english} .", f"{' '.join(german)}{after_german} ."

    def _english(
        self, verb: Verb, tense: str, plural: bool, thing: NounPhrase | None, adverb: tuple[str, str] | None
    ) -> list[str]:
        third, base, participle = verb.english
        words = {
            "present": base if plural else third,
            "perfect": f"{'have' if plural else 'has'} {participle}",
            "future": f"will {base}",
        }[tense]
        rest = [thing.english] if thing else []
        return [words, *rest, *([verb.particle] if verb.particle else []), *([adverb[0]] if adverb else [])]

    def _german(self, verb: Verb, tense: str, plural: bool) -> tuple[str, str]:
        """What comes second in the clause, and what comes last."""
        one, many, infinitive, participle = verb.german
        if tense == "present":
            return (many if plural else one), verb.prefix
        end = infinitive if tense == "future" else participle
        if verb.prefix == "viel":
            end = f"viel {end}"
        auxiliary = ("werden" if plural else "wird") if tense == "future" else ("haben" if plural else "hat")
        return auxiliary, end

    def _relative(self, head: NounPhrase) -> tuple[str, str]:
        """A relative clause, in which the subject does something or something is done to it."""
        assert head.noun is not None
        kind = head.noun.kind
        does = kind != THING and self._chance(0.5)
        fitting = tuple(
            verb for verb in TRANSITIVE if kind in (verb.subjects if does else verb.objects) and not verb.particle
        )  # fmt: skip
        verb = self._of(fitting)
        one, many, *_ = verb.german
        if does:
            other = self._phrase(verb.objects, False)
            english = f"{verb.english[head.plural]} {other.english}"
            words = [
                head.relative("nominative"),
                other.german("accusative"),
                verb.prefix + (many if head.plural else one),
            ]
        else:
            other = self._phrase(tuple(kind for kind in verb.subjects if kind != THING), False)
            english = f"{other.english} {verb.english[other.plural]}"
            words = [
                head.relative("accusative"),
                other.german("nominative"),
                verb.prefix + (many if other.plural else one),
            ]
        return f" that {english}", f" , {' '.join(words)} ,"

    def _because(self, subject: NounPhrase) -> tuple[str, str]:
        """A clause with a reason; its subject is a pronoun, which agrees with the noun across the words in between."""
        noun = subject.noun
        assert noun is not None
        adjective = self._of(THING_ADJECTIVES if noun.kind == THING else CREATURE_ADJECTIVES)
        stem = "müde|müde" if adjective[1] == "müd" else adjective[1]
        if subject.plural:
            return f" , because they are {adjective[0]}", f" , weil sie {stem} sind"
        return f" , because {noun.pronoun} is {adjective[0]}", f" , weil {PRONOUNS[noun.gender]} {stem} ist"


def _each(stems: str, ending: str) -> str:
    """Each of the stems in "schön|hübsch" with an ending."""
    return "|".join(stem + ending for stem in stems.split("|"))


def _as_sentence(words: str) -> str:
    """With a capital, without spaces before marks, without double commas, and without a comma before the full stop."""
    text = words.replace(" , ,", " ,").replace(" , .", " .").replace(" ,", ",").replace(" .", ".")
    return text[:1].upper() + text[1:]
