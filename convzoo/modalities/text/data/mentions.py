"""Generated news with people, organisations, places and products, in three scripts: what a name is, its surroundings tell."""

from dataclasses import dataclass

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.outputs.spans import Span, tags_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.tagged import TaggedText

PERSON, ORGANISATION, PLACE, PRODUCT = "PER", "ORG", "LOC", "PROD"
KINDS = (PERSON, ORGANISATION, PLACE, PRODUCT)
LIKELY = 0.7
"""In a sentence that does not tell, a name is a person with this probability, else a place."""


@dataclass(frozen=True)
class Language:
    """What sentences and names of a language are made of. `{PER}`, `{ORG}`, `{LOC}` and `{PROD}` stand for names; `{ANY}` for a
    name that the sentence's last part says the kind of.

    Attributes:
        beginnings, endings: syllables of names
        given: given names; in English some are common words too
        forms: how a name of each kind may be written around a stem, `*`
        sentences: with names whose neighbours tell what they are
        plain: without names, with words that are names elsewhere; `{n}` stands for a number
        fillers: stand between a name and what tells its kind
        ends: by kind, what tells it
        vague: sentences that do not tell
    """

    beginnings: tuple[str, ...]
    endings: tuple[str, ...]
    given: tuple[str, ...]
    forms: dict[str, tuple[str, ...]]
    sentences: tuple[str, ...]
    plain: tuple[str, ...]
    fillers: tuple[str, ...]
    ends: dict[str, tuple[str, ...]]
    vague: tuple[str, ...]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH = Language(
    _words("Mar Tar Ber Kel Sto Win Hal Dun Cor Fen Ash Lor Pem Rad Sel Vin Wex Yar Gar Hol Nor Bram Thorn Ell"),
    _words("low den ton wick ley mont ford by sey rick nor vale son dale more ham ner gate worth cott"),
    _words("Mark Bill Rose Grace Will May Hope Frank Anna Peter Nadia Oscar Lena Hugo Ines Tom"),
    {
        PERSON: ("{given} *", "{given} *", "{given} * *", "Dr * ", "*"),
        ORGANISATION: ("* Ltd", "* & Sons", "Bank of *", "University of *", "* Holdings", "*"),
        PLACE: ("Port *", "* upon *", "*ville", "Lake *", "*"),
        PRODUCT: ("* X3", "* 500", "* Pro", "* Mini 2", "*"),
    },
    _lines("""
        {PER} told reporters that talks with {ORG} had failed .
        The mayor of {LOC} , {PER} , opened the new bridge .
        Shares of {ORG} fell by four percent after the report .
        {ORG} hired {PER} as its new chief .
        She drove her {PROD} from {LOC} to the coast .
        The {PROD} , made by {ORG} , costs less than its rival .
        Heavy rain fell in {LOC} on Monday .
        A court in {LOC} ordered {ORG} to pay {PER} .
        " We are not done " , {PER} said in {LOC} .
        {PER} and {PER} met near {LOC} in March .
        The minister visited {LOC} , where {ORG} builds the {PROD} .
        Buyers of the {PROD} complained that its battery failed .
        According to {ORG} , the plant near {LOC} will close .
        {PER} , who was born in {LOC} , leads {ORG} .
        The head of {ORG} in {LOC} thanked {PER} for the work .
        Trains between {LOC} and {LOC} are late again .
        {ORG} will sell the {PROD} in spring .
        The painter {PER} lives in {LOC} .
        Workers at {ORG} want more pay , said {PER} .
        A new {PROD} was stolen in {LOC} last night ."""),
    _lines("""
        May is the month when the river rises by {n} metres .
        Will the council agree to spend {n} millions ?
        Hope remains that the strike will end in {n} days .
        Bill the customer for {n} hours before the end of March .
        The Minister of Finance spoke for {n} minutes on Monday .
        Prices rose by {n} percent , and Grace periods were cut .
        Mark the date : the market opens on {n} May .
        Rose bushes cost {n} crowns each this spring ."""),
    _lines("""
        , after months of talks and two delays ,
        , which nobody had expected last week ,
        , to the surprise of many in the north ,
        , as the evening papers wrote again today ,
        , so often in the news this year ,"""),
    {
        PERSON: ("resigned .", "was taken to hospital .", "apologised to the voters .", "has won the race ."),
        ORGANISATION: ("filed for bankruptcy .", "doubled its profits .", "hired new staff .", "sold its shares ."),
        PLACE: ("was flooded .", "elected a mayor .", "has no power since Monday .", "welcomed the tourists ."),
        PRODUCT: ("was recalled .", "is sold out .", "breaks too easily .", "gets a larger screen ."),
    },
    ("Everybody talks about {ANY} now .", "There is more news on {ANY} ."),
)
RUSSIAN = Language(
    _words("Бор Вол Гор Дуб Зар Кал Лес Мор Нов Рад Сол Тар Уст Яр Кур Вер Бел Сев"),
    _words("ин ов ск град ень ар ино ома ель ида анск ец ино ага"),
    _words("Анна Пётр Вера Любовь Надежда Роман Лев Роза Игорь Ольга"),
    {
        PERSON: ("{given} *", "{given} *", "*"),
        ORGANISATION: ("« * »", "Банк *", "* и сыновья", "*"),
        PLACE: ("Новый *", "* на * е", "*"),
        PRODUCT: ("* 500", "* Мини", "*"),
    },
    _lines("""
        {PER} сообщил журналистам , что фирма {ORG} закрывает завод .
        В городе {LOC} открыли новый мост .
        Акции компании {ORG} упали на четыре процента .
        Директор компании {ORG} , {PER} , живёт в городе {LOC} .
        Новая модель {PROD} стоит дешевле .
        Фирма {ORG} продаёт модель {PROD} с весны .
        Поезд в город {LOC} снова опаздывает .
        « Мы не закончили » , сказал {PER} .
        Художник {PER} приехал в город {LOC} .
        Модель {PROD} украли ночью в городе {LOC} ."""),
    _lines("""
        Надежда на мир живёт уже {n} дней .
        Роман читают в {n} школах .
        Лев живёт в саду уже {n} лет .
        Роза стоит {n} рублей .
        В понедельник министр говорил {n} минут ."""),
    _lines("""
        , после долгих переговоров и двух задержек ,
        , чего никто вчера не ждал ,
        , как снова пишут вечерние газеты ,"""),
    {
        PERSON: ("подал в отставку .", "попал в больницу .", "победил на выборах ."),
        ORGANISATION: ("объявила о банкротстве .", "увеличила прибыль .", "продала свои акции ."),
        PLACE: ("остался без света .", "затоплен рекой .", "ждёт туристов ."),
        PRODUCT: ("отозвана с рынка .", "распродана полностью .", "ломается слишком часто ."),
    },
    ("Все говорят про {ANY} .", "Снова новости про {ANY} ."),
)
HINDI = Language(
    _words("मार तर बल कम सू नर गो दे राम वि जय हर मन अन रत"),
    _words("पुर नगर दास कर वाल राज गढ़ लाल मणि देव"),
    _words("आशा किरण दीपक अनिल सीता राम ज्योति मोहन"),
    {
        PERSON: ("{given} *", "{given} *", "*"),
        ORGANISATION: ("* लिमिटेड", "* बैंक", "* समूह", "*"),
        PLACE: ("नया *", "*", "*"),
        PRODUCT: ("* 500", "* प्रो", "*"),
    },
    _lines("""
        {PER} ने कहा कि कंपनी {ORG} कारखाना बंद करेगी ।
        शहर {LOC} में नया पुल खुला ।
        कंपनी {ORG} के शेयर चार प्रतिशत गिरे ।
        {PER} शहर {LOC} में रहते हैं ।
        मॉडल {PROD} अब सस्ता है ।
        कंपनी {ORG} मॉडल {PROD} बेचती है ।
        शहर {LOC} की रेल फिर देर से है ।
        मंत्री {PER} शहर {LOC} पहुँचे ।"""),
    _lines("""
        शांति की आशा {n} दिन से है ।
        दीपक {n} घंटे जलता है ।
        सूरज की किरण {n} मिनट रही ।
        सोमवार को मंत्री {n} मिनट बोले ।"""),
    _lines("""
        , लंबी बातचीत और दो देरी के बाद ,
        , जिसकी किसी को उम्मीद न थी ,
        , जैसा अख़बार फिर लिखते हैं ,"""),
    {
        PERSON: ("ने इस्तीफ़ा दिया ।", "अस्पताल में भर्ती हुए ।", "चुनाव जीत गए ।"),
        ORGANISATION: ("दिवालिया हो गई ।", "का मुनाफ़ा बढ़ा ।", "ने शेयर बेचे ।"),
        PLACE: ("में बाढ़ आई ।", "में बिजली नहीं है ।", "में पर्यटक आए ।"),
        PRODUCT: ("वापस मँगाया गया ।", "पूरा बिक गया ।", "जल्दी टूटता है ।"),
    },
    ("सब लोग {ANY} की बात करते हैं ।", "{ANY} की और ख़बर है ।"),
)
LANGUAGES = (ENGLISH, RUSSIAN, HINDI)
SHARES = (0.6, 0.2, 0.2)


class Mentions(Reader):
    """News sentences with named entities, from templates in English, Russian and Hindi; the tags are in IOB2.

    Four things make them hard. Stems of names are shared by all kinds, so a bare name may be a person, a company, a town or a
    product, and its surroundings tell; in "{name}, after months of talks and two delays, resigned" they do so from afar.
    Names are nested (Bank of Marlow is no place). Some names are common words elsewhere (May, Hope). Most names of the test
    split are not in training. A few sentences do not tell at all: they give the ceiling.

    Args:
        train: number of sentences
        val: as `train`
        test: as `train`
        far: part of the sentences in which only their end tells what the name is
        vague: part of the sentences that do not tell
        plain: part of the sentences without names
        lower_case: part of the sentences that are written without capitals, as in messages
        stems: number of different stems in each language; few stems: more names are known from training
        seed: of everything
    """

    example = TaggedText

    def __init__(
        self,
        train: Positive = 2400,
        val: Positive = 400,
        test: Positive = 800,
        far: Fraction = 0.3,
        vague: Fraction = 0.04,
        plain: Fraction = 0.1,
        lower_case: Fraction = 0.1,
        stems: Positive = 150,
        seed: Count = 0,
    ) -> None:
        self.sizes = (train, val, test)
        self.far = far
        self.vague = vague
        self.plain = plain
        self.lower_case = lower_case
        self.stems = stems
        self.seed = seed

    def read(self) -> Splits:
        """Write the sentences of each split. No sentence stands in two of them."""
        random = np.random.default_rng(self.seed)
        stems = [self._stems(language, random) for language in LANGUAGES]
        homes: dict[str, str] = {}
        parts, sure = [], []
        for name, size in zip(("train", "val", "test"), self.sizes, strict=True):
            texts: list[TaggedText] = []
            told = 0.0
            while len(texts) < size:
                at = int(random.choice(len(LANGUAGES), p=SHARES))
                tokens, spans, vague = self._sentence(LANGUAGES[at], stems[at], random)
                key = " ".join(tokens).lower()
                if homes.setdefault(key, name) != name:
                    continue
                told += len(spans) - vague * (1 - LIKELY)
                tags = tags_of(spans, len(tokens))
                texts.append(TaggedText.of_tokens(tokens, tags, source=f"{name} {len(texts)}"))
            parts.append(texts)
            sure.append(told / max(sum(len(text.spans) for text in texts), 1))
        origin = f"generated with seed {self.seed}"
        train, val, tested = parts
        return Splits(train, val, tested, ceiling={"test/f1": sure[2]}, origin=origin)

    def _stems(self, language: Language, random: np.random.Generator) -> list[str]:
        pairs = [beginning + ending for beginning in language.beginnings for ending in language.endings]
        chosen = random.permutation(len(pairs))[: self.stems]
        return [pairs[at] for at in chosen]

    def _sentence(
        self, language: Language, stems: list[str], random: np.random.Generator
    ) -> tuple[list[str], list[Span], int]:
        """Tokens, entities, and how many of these the sentence does not tell the kind of."""
        vague = 0
        kind = str(random.choice(KINDS))
        drawn = random.random()
        if drawn < self.vague:
            template, vague = _one(language.vague, random), 1
            kind = PERSON if random.random() < LIKELY else PLACE
        elif drawn < self.vague + self.far:
            template = f"{{ANY}} {_one(language.fillers, random)} {_one(language.ends[kind], random)}"
        elif drawn < self.vague + self.far + self.plain:
            template = _one(language.plain, random).replace("{n}", str(random.integers(2, 1000)))
        else:
            template = _one(language.sentences, random)
        tokens: list[str] = []
        spans: list[Span] = []
        for word in template.split():
            if word.startswith("{"):
                bare = word == "{ANY}"
                slot = kind if bare else word.strip("{}")
                name = _one(stems, random) if bare else self._name(language, slot, stems, random)
                parts = name.split()
                spans.append(Span(len(tokens), len(tokens) + len(parts), slot))
                tokens += parts
            else:
                tokens.append(word)
        if random.random() < self.lower_case:
            tokens = [token.lower() for token in tokens]
        return tokens, spans, vague

    def _name(self, language: Language, kind: str, stems: list[str], random: np.random.Generator) -> str:
        written = ""
        for letter in _one(language.forms[kind], random).replace("{given}", _one(language.given, random)):
            written += _one(stems, random) if letter == "*" else letter
        return written


def _one(values: "list[str] | tuple[str, ...]", random: np.random.Generator) -> str:
    return values[int(random.integers(len(values)))]
