"""Files of texts with named entities: columns of tokens and tags (CoNLL), JSON with spans of characters, and brat's folders."""

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from convzoo.core.errors import DataError
from convzoo.core.labels import Tags
from convzoo.core.outputs.spans import OUTSIDE, Span, spans_of, split_tag, tags_of
from convzoo.core.survey import listed, some_of
from convzoo.modalities.text.tagged import TaggedText, token_places
from convzoo.reading.columns import optional_column
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import visible
from convzoo.reading.lines import plain_suffix, read_lines, read_text
from convzoo.reading.tables import Table, read_table

JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".parquet")

Units = Literal["auto", "characters", "bytes", "utf16"]
Overlapping = Literal["refuse", "longest"]

_TAG = re.compile(r"[Oo]|[BIESLUMbieslum]-.+")
_PREFIXED = re.compile(r"[BIESLUMbieslum]-.+")
_NUMBER = re.compile(r"\d+")
_DOCUMENT = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(.+))?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z-]+)?:(?=.)")
_NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
_IN_MISC = re.compile(r"(?:^|\|)(?:NER|NE)=([^|]+)")
_UNIVERSAL = 10
"""The number of columns of CoNLL-U."""

CHUNKS = frozenset(["NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NC", "VC", "PC"])
"""Types of the phrases that CoNLL-2003 has in the column before the entities."""

TOKEN_NAMES = ("token", "tokens", "word", "words", "form")
TAG_NAMES = ("tag", "tags", "ner_tag", "ner_tags", "ner", "entity", "label", "labels")
SENTENCE_NAMES = ("sentence", "sentence #", "sentence_id", "sentence_idx", "sent_id", "sentence id")
TEXT_NAMES = ("text", "sentence", "content", "data", "raw_text", "body")
ENTITY_NAMES = ("entities", "spans", "label", "labels", "annotations", "ents", "ner")
GROUP_NAMES = ("group", "document", "document_id", "doc", "doc_id")


@dataclass
class Settings:
    """How files are read; what each means is said in `TaggedTexts`."""

    token: str | None = None
    tag: str | None = None
    sentence: str | None = None
    text: str | None = None
    entities: str | None = None
    group: str | None = None
    separator: str | None = None
    encoding: str | None = None
    offsets: Units = "auto"
    overlapping: Overlapping = "refuse"
    labelled: bool = True


@dataclass
class Found:
    """What was found in the files of one reading, beside the texts.

    Attributes:
        taken: what was taken for what, a phrase for each kind of file, and what was not used
        prefixes: of all tags
        free_b: whether a B stands where no entity of its type ends; in IOB1 it does not
        repaired: where an entity begins with I, E or L, with nothing before it that it continues
        cut: entities that began or ended inside a token
        trimmed: entities with spaces at their border
        left_out: other things of a file that are not used, by name
        bare: whether tags were types alone, without a prefix
    """

    taken: dict[str, str] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)
    free_b: bool = False
    repaired: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    trimmed: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    entities: int = 0
    bare: bool = False


def is_tagged(path: Path) -> bool:
    """Whether a path looks like texts with entities: its ending and its first lines, or what a folder holds."""
    if path.is_dir():
        files = [file for file in visible(path) if file.is_file()]
        return any(file.suffix == ".ann" for file in files)
    if plain_suffix(path) in (*JSON, ".conll", ".iob", ".iob2", ".bio", ".bioes", ".conllu"):
        return True
    if plain_suffix(path) == ".csv":
        return True
    try:
        lines = [line for line in read_lines(path)[:2000] if line.strip()]
    except DataError:
        return False
    return bool(lines) and sum(bool(_TAG.fullmatch(line.split()[-1])) for line in lines) > len(lines) / 2


def read_file(path: Path, settings: Settings, damaged: Damaged, found: Found) -> list[TaggedText]:
    """All texts of a file, or of a folder of brat's.

    Raises:
        DataError: it cannot be read at all; what is damaged in it is given to `damaged`.
    """
    if path.is_dir():
        return _read_brat(path, settings, damaged, found)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if plain_suffix(path) in JSON:
        return _read_json(path, settings, damaged, found)
    if plain_suffix(path) in TABLES:
        return _read_table(path, settings, damaged, found)
    return _read_columns(path, settings, damaged, found)


# ---- columns of tokens and tags ----


def _read_columns(path: Path, settings: Settings, damaged: Damaged, found: Found) -> list[TaggedText]:
    lines = read_lines(path, settings.encoding, setting=True)
    tabs = sum("\t" in line for line in lines if line.strip()) * 2 > sum(bool(line.strip()) for line in lines)
    separator = settings.separator or ("\t" if tabs else None)
    rows: list[tuple[int, list[str]]] = []  # (line, fields); no fields: a border
    documents: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        fields = re.split(r"[ \t]+", line.strip(" \t")) if separator is None else line.split(separator)
        if not line.strip() or (separator is not None and not any(each.strip() for each in fields)):
            rows.append((number, []))
        elif fields[0] == "-DOCSTART-" or _DOCUMENT.match(line):
            name = _DOCUMENT.match(line)
            documents[number] = (name.group(1) or "").strip() if name else ""
            rows.append((number, []))
        elif re.match(r"#\s", line) and not _TAG.fullmatch(fields[-1]):
            continue  # a comment
        elif len(fields) == _UNIVERSAL and _NO_WORD.fullmatch(fields[0]):
            continue  # of CoNLL-U: `1-2` repeats the words 1 and 2 as one, `1.1` is a word that is not written
        else:
            rows.append((number, fields))
    full = [fields for _, fields in rows if fields]
    if not full:
        raise DataError(f"{path}: holds no tokens")
    misc = settings.tag is None and _tags_from_misc(full)
    if settings.token is None and (misc or plain_suffix(path) == ".conllu"):
        settings = replace(settings, token="2")
    heading, token, tag, width = _columns_of(path, full, settings, found)
    if heading:
        first = next(at for at, (_, fields) in enumerate(rows) if fields)
        rows[first] = (rows[first][0], [])
        full = full[1:]
    whole = [fields for fields in full if len(fields) == width]
    if misc:
        found.taken[f"token: column {token + 1}; tag: NER= in column {_UNIVERSAL}"] = ""
    else:
        taken, unused = _columns_in_words(heading, token, tag, width, whole)
        found.taken.setdefault(taken, unused)
    if whole and all(_LANGUAGE.match(fields[token]) for fields in whole):
        found.notes.append(f"tokens lose the language before them, as in {whole[0][token]!r} (WikiAnn)")
        for fields in whole:
            fields[token] = _LANGUAGE.sub("", fields[token], count=1)
    bare = tag is not None and _are_bare([fields[tag].strip() for fields in whole])
    sentences, document = [], None
    for sentence in _parts(rows, documents):
        start = sentence[0][0]
        if start in documents:
            document = f"{path.name}: document {documents[start] or f'at line {start}'}"
            continue
        made = damaged.sound(partial(_sentence, path, sentence, token, tag, width, document, bare, found))
        if made is not None:
            sentences.append(made)
    return sentences


def _parts(
    rows: Sequence[tuple[int, list[str]]], documents: Mapping[int, str]
) -> Iterator[list[tuple[int, list[str]]]]:
    """The rows between borders; a border that begins a document is a part for itself."""
    part: list[tuple[int, list[str]]] = []
    for number, fields in [*rows, (0, [])]:
        if fields:
            part.append((number, fields))
            continue
        if part:
            yield part
        part = []
        if number in documents:
            yield [(number, [])]


def _tags_from_misc(rows: Sequence[list[str]]) -> bool:
    """Whether tags stand as `NER=B-PER` in the last column of CoNLL-U; if so, that column becomes the tags."""
    if not any(len(fields) == _UNIVERSAL and _IN_MISC.search(fields[-1]) for fields in rows):
        return False
    for fields in rows:
        if len(fields) == _UNIVERSAL:
            there = _IN_MISC.search(fields[-1])
            fields[-1] = there.group(1) if there else OUTSIDE
    return True


def _column_of_tags(columns: Sequence[Sequence[str]], tags: Sequence[int], found: Found) -> int:
    """Of several columns of tags the one of the entities: the last one, as in CoNLL-2003. Where earlier ones have a type of it
    too, they are layers of one annotation (GermEval's outer and inner entities, or the true tags and those of a program), and
    the first of them is taken. Columns of O alone, and of phrases (NP, VP), are passed over where there are others."""
    types = {at: {split_tag(value)[1] for value in columns[at]} - {""} for at in tags}
    open_to = [at for at in tags if types[at] - CHUNKS] or [at for at in tags if types[at]] or list(tags)
    chosen = next(at for at in open_to if at == open_to[-1] or types[at] & types[open_to[-1]])
    for at in open_to:
        if at != chosen:
            found.notes.append(
                f"columns {chosen + 1} and {at + 1} both hold tags of entities: column {chosen + 1} "
                f"({listed(sorted(types[chosen]))}) is taken; data.tag={at + 1} takes the other ({listed(sorted(types[at]))})"
            )
    return chosen


def _are_bare(tags: Collection[str]) -> bool:
    """Whether tags are types alone, as in Few-NERD: O and something else stands among them, and none has a prefix."""
    kinds = set(tags)
    return OUTSIDE in kinds and bool(kinds - {OUTSIDE}) and not any(_PREFIXED.fullmatch(tag) for tag in kinds)


def _columns_of(
    path: Path, rows: Sequence[list[str]], settings: Settings, found: Found
) -> tuple[list[str], int, int | None, int]:
    """The heading (empty: none), the columns of tokens and tags, and the number of columns."""
    width = Counter(map(len, rows[:5000])).most_common(1)[0][0]
    whole = [fields for fields in rows[:5000] if len(fields) == width]
    heading: list[str] = []
    columns = list(zip(*whole, strict=True))
    body = [column[1:] if len(column) > 1 else column for column in columns]
    tags = [at for at, column in enumerate(body) if all(_TAG.fullmatch(value) for value in column)]
    usual = {*TOKEN_NAMES, *TAG_NAMES, "pos", "lemma", "chunk", "id"}
    if rows[0] == whole[0] and sum(value.strip().lower() in usual for value in whole[0]) * 2 >= width > 1:
        heading = [value.strip() for value in whole[0]]
    tag = _given(path, "tag", settings.tag, heading, width)
    if tag is None and settings.labelled:
        marked = [at for at, column in enumerate(body) if any(_TAG.fullmatch(value) for value in column)]
        if tags:
            tag = _column_of_tags(body, tags, found)
        elif heading and (name := optional_column(path, heading, None, TAG_NAMES)):
            tag = heading.index(name)
        elif marked:
            # The column with the most tags holds words outside the scheme: they are said line by line.
            tag = max(marked, key=lambda at: sum(bool(_TAG.fullmatch(value)) for value in body[at]))
        else:
            raise DataError(
                f"{path}: no column has tags such as O, B-PER, I-PER (its first line has {width} column{'s' * (width > 1)}: "
                f"{' | '.join(rows[0][:6])}); say data.tag=NUMBER, or data.separator"
            )
    elif tag is None:
        tag = tags[-1] if tags and width > 1 else None
    token = _given(path, "token", settings.token, heading, width)
    if token is None and heading and (name := optional_column(path, heading, None, TOKEN_NAMES)):
        token = heading.index(name)
    if token is None:
        others = [
            at for at, column in enumerate(body) if at != tag and not all(_NUMBER.fullmatch(value) for value in column)
        ] or [at for at in range(width) if at != tag]
        if not others:
            raise DataError(
                f"{path}: has one column, that of the tags; a column of tokens is missing (data.separator?)"
            )
        token = max(others, key=lambda at: (len(set(body[at])), -at))
    return heading, token, tag, width


def _given(path: Path, role: str, value: str | None, heading: Sequence[str], width: int) -> int | None:
    """A column that a setting names: by its number from 1 (from the end: -1), or by its heading."""
    if value is None:
        return None
    if value in heading:
        return heading.index(value)
    try:
        number = int(value)
    except ValueError:
        raise DataError(
            f"{path}: has no column {value!r}; say data.{role}=NUMBER, from 1 to {width}"
            + (f", or one of {', '.join(heading)}" if heading else "")
        ) from None
    if not 1 <= abs(number) <= width:
        raise DataError(f"{path}: data.{role}={number}: it has {width} columns")
    return number - 1 if number > 0 else width + number


def _columns_in_words(
    heading: Sequence[str], token: int, tag: int | None, width: int, rows: Sequence[Sequence[str]]
) -> tuple[str, str]:
    """Which columns were taken, and which were not, each with what stands in it."""

    def name(at: int) -> str:
        return heading[at] if heading else f"column {at + 1}"

    unused = [f"{name(at)} ({rows[-1][at]})" for at in range(width) if at not in (token, tag)]
    said = f"token: {name(token)}" + (f"; tag: {name(tag)}" if tag is not None else "")
    return said, f"not used: {', '.join(unused)}" if unused else ""


def _sentence(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    token: int,
    tag: int | None,
    width: int,
    document: str | None,
    bare: bool,
    found: Found,
) -> TaggedText:
    place = f"{path}:{rows[0][0]}"
    for number, fields in rows:
        if len(fields) != width:
            raise DataError(
                f"{path}:{number}: has {len(fields)} column{'s' * (len(fields) != 1)}, most lines have {width}"
            )
        if not fields[token]:
            raise DataError(f"{path}:{number}: the token is empty")
    tokens = [fields[token] for _, fields in rows]
    if tag is None:
        return TaggedText.of_tokens(tokens, None, document, place)
    places = [f"{path}:{number}" for number, _ in rows]
    return tagged(tokens, [fields[tag].strip() for _, fields in rows], document, place, places, bare, found)


def _plain_tags(tags: Sequence[str], places: Sequence[str], bare: bool) -> list[str]:
    """Tags with their prefix in capitals; types alone become IO.

    Raises:
        DataError: something is no tag.
    """
    if bare:
        return [tag if tag == OUTSIDE else f"I-{tag}" for tag in tags]
    for tag, place in zip(tags, places, strict=True):
        if not _TAG.fullmatch(tag):
            raise DataError(
                f"{place}: {tag!r} is no tag; it should be O, B-TYPE or I-TYPE (also E-, S-, L-, U-); did you mean "
                f"{_nearest_tag(tag)!r}?"
            )
    return [tag[:1].upper() + tag[1:] for tag in tags]


def _nearest_tag(word: str) -> str:
    """The tag that was meant: `B_PER` and `PER-B` are B-PER, 0 is O, and a word alone is a type."""
    if not word.strip("-_0"):
        return OUTSIDE
    if first := re.fullmatch(r"([BIESLUM])[_:./](.+)", word, re.IGNORECASE):
        return f"{first[1].upper()}-{first[2]}"
    if last := re.fullmatch(r"(.+)[-_:./]([BIESLUM])", word):
        return f"{last[2]}-{last[1]}"
    return f"B-{word}"


def tagged(
    tokens: Sequence[str],
    tags: Sequence[str],
    group: str | None,
    place: str,
    places: Sequence[str],
    bare: bool,
    found: Found,
) -> TaggedText:
    """A sentence of tokens whose tags are in any scheme; notes what had to be repaired.

    Raises:
        DataError: something is no tag.
    """
    tags = _plain_tags(tags, places, bare)
    found.bare |= bare
    spans = spans_of(tags)
    found.entities += len(spans)
    before = OUTSIDE
    for tag, where in zip(tags, places, strict=True):
        prefix, label = split_tag(tag)
        first, kind = split_tag(before)
        found.prefixes.add(prefix)
        found.free_b |= prefix == "B" and kind != label
        if prefix in "IELM" and (first not in "BIM" or kind != label):
            found.repaired.append(where)
        before = tag
    return TaggedText.of_tokens(tokens, tags_of(spans, len(tokens)), group, place)


# ---- a table with a token a row ----


def _read_table(path: Path, settings: Settings, damaged: Damaged, found: Found) -> list[TaggedText]:
    table = read_table(path, None, settings.separator, None, settings.encoding, damaged)
    names = list(table.columns)
    text = optional_column(path, names, settings.text, TEXT_NAMES[:1])
    entities = optional_column(path, names, settings.entities, ENTITY_NAMES[:2])
    if text is not None and (entities is not None or not settings.labelled):
        found.taken[f"text: {text}" + (f"; entities: {entities}" if entities else "")] = ""
        group = optional_column(path, names, settings.group, GROUP_NAMES)
        records = []
        for row in range(len(table)):
            value = table.columns[entities][row] if entities else None
            record = {"text": table.columns[text][row], "entities": _json_or(value)}
            if group:
                record["group"] = table.columns[group][row]
            records.append((table.place(row), record))
        plain = Settings(text="text", entities="entities" if entities else None, group="group" if group else None,
                         offsets=settings.offsets, overlapping=settings.overlapping, labelled=settings.labelled)  # fmt: skip
        return _records(records, plain, damaged, found)
    if (lists := _rows_of_lists(table, settings)) is not None:
        return _records(*lists, damaged, found)
    token = table.find("token", settings.token, TOKEN_NAMES)
    tag = table.find("tag", settings.tag, TAG_NAMES, needed=settings.labelled)
    sentence = table.find("sentence", settings.sentence, SENTENCE_NAMES, needed=False)
    group = table.find("group", settings.group, GROUP_NAMES, needed=False)
    if sentence is None:
        raise DataError(
            f"{path}: which column says where a sentence begins? it has {', '.join(names)}; say data.sentence=COLUMN"
        )
    found.taken[f"token: {token}" + (f"; tag: {tag}" if tag else "") + f"; sentence: {sentence}"] = ""
    parts: list[list[int]] = []
    last: Any = None
    for row, value in enumerate(table.columns[sentence]):
        named = value is not None and str(value).strip() != ""
        if not parts or (named and value != last):
            parts.append([])
        last = value if named else last
        parts[-1].append(row)

    bare = tag is not None and _are_bare([str(value or "").strip() for value in table.columns[tag]])

    def made(rows: list[int]) -> TaggedText:
        places = [table.place(row) for row in rows]
        tokens = ["" if table.columns[str(token)][row] is None else str(table.columns[str(token)][row]) for row in rows]
        if "" in tokens:
            raise DataError(f"{places[tokens.index('')]}: the token is empty")
        owner = None if group is None else str(table.columns[group][rows[0]])
        if tag is None:
            return TaggedText.of_tokens(tokens, None, owner, places[0])
        tags = [str(table.columns[tag][row] or "").strip() for row in rows]
        return tagged(tokens, tags, owner, places[0], places, bare, found)

    sentences = [damaged.sound(partial(made, rows)) for rows in parts]
    return [each for each in sentences if each is not None]


def _rows_of_lists(table: Table, settings: Settings) -> tuple[list[tuple[str, Any]], Settings] | None:
    """The records of a table with a sentence a row: tokens and tags are lists, as Parquet, JSON or Python writes them, or words
    with spaces between. None: it is no such table."""
    names = list(table.columns)
    tag = optional_column(table.path, names, settings.tag, TAG_NAMES)
    token = optional_column(table.path, names, settings.token, [n for n in (*TOKEN_NAMES, *TEXT_NAMES) if n != tag])
    group = optional_column(table.path, names, settings.group, GROUP_NAMES)
    if token is None or (tag is None and settings.labelled):
        return None
    if not _holds_lists(table.columns[tag or token][:100], tags=tag is not None):
        return None
    fields = {"tokens": token, "tags": tag, "group": group}
    records = []
    for row in range(len(table)):
        record = {field: table.columns[name][row] for field, name in fields.items() if name is not None}
        record |= {field: _as_list(record[field]) for field in ("tokens", "tags") if field in record}
        records.append((table.place(row), record))
    plain = Settings(
        token="tokens", tag=None if tag is None else "tags", group=None if group is None else "group",
        labelled=settings.labelled,
    )  # fmt: skip
    return records, plain


def _holds_lists(cells: Sequence[Any], tags: bool) -> bool:
    """Whether the cells of a column are lists. Words with spaces between are one only if all are tags: `B-FULL NAME` is a single
    tag, and `New York` may be a single token."""
    if any(
        isinstance(cell, list | tuple) or (isinstance(cell, str) and cell.lstrip().startswith("[")) for cell in cells
    ):
        return any(isinstance(_as_list(cell), list) and len(_as_list(cell)) > 1 for cell in cells)
    words = [cell.split() for cell in cells if isinstance(cell, str)]
    return (
        tags and any(len(each) > 1 for each in words) and all(_TAG.fullmatch(word) for each in words for word in each)
    )


def _as_list(value: Any) -> Any:
    """A cell as a list: one already, written as JSON or Python writes it, or words with spaces between."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return list(ast.literal_eval(value.strip()))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
    if isinstance(value, str):
        return value.split()
    return list(value) if isinstance(value, Sequence) else value


def _json_or(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# ---- JSON with spans ----


def _read_json(path: Path, settings: Settings, damaged: Damaged, found: Found) -> list[TaggedText]:
    records: list[tuple[str, Any]] = []
    if plain_suffix(path) == ".json":
        try:
            content = json.loads(read_text(path, settings.encoding))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is not JSON ({error})") from None
        if isinstance(content, Mapping):
            lists = [name for name, value in content.items() if isinstance(value, list)]
            usual = [
                name for name in ("data", "examples", "texts", "documents", "annotations", "train") if name in lists
            ]
            if not usual and len(lists) != 1:
                raise DataError(
                    f"{path}: should be a list of texts, not an object with {', '.join(map(repr, content))}"
                )
            content = content[usual[0] if usual else lists[0]]
        if not isinstance(content, list):
            raise DataError(f"{path}: should be a list of texts, not {type(content).__name__}")
        records = [
            (f"{path}: text {number}" + (f", sentence {part}" if several else ""), record)
            for number, whole in enumerate(content, 1)
            for several in [isinstance(whole, Mapping) and isinstance(whole.get("paragraphs"), list)]
            for part, record in enumerate(_sentences_of_spacy(whole) if several else [whole], 1)
        ]
    else:
        for number, line in enumerate(read_lines(path, settings.encoding, setting=True), 1):
            if line.strip():
                records.append((f"{path}:{number}", _Line(line)))
    return _records(records, settings, damaged, found)


def _sentences_of_spacy(document: Mapping[str, Any]) -> Iterator[Any]:
    """The sentences of a document in spaCy 2's format of training data, as lists of tokens and tags."""
    for paragraph in document["paragraphs"]:
        for sentence in paragraph.get("sentences", ()) if isinstance(paragraph, Mapping) else ():
            tokens = sentence.get("tokens") if isinstance(sentence, Mapping) else None
            if isinstance(tokens, list) and all(isinstance(token, Mapping) for token in tokens):
                yield {
                    "tokens": [token.get("orth") for token in tokens],
                    "tags": [token.get("ner", OUTSIDE) for token in tokens],
                    "group": document.get("id"),
                }
            else:
                yield sentence


class _Line(str):
    """A line of JSON that is not parsed yet."""


@dataclass
class _Record:
    place: str
    text: str
    spans: list[tuple[int, int, str]] | None
    written: list[str | None]
    group: str | None


@dataclass
class _Lists:
    place: str
    tokens: list[str]
    tags: list[str]
    group: str | None


def _records(
    records: Sequence[tuple[str, Any]], settings: Settings, damaged: Damaged, found: Found
) -> list[TaggedText]:
    made: list[TaggedText | _Record | _Lists | None] = []
    for place, record in records:
        count = len(damaged.reasons)
        read = damaged.sound(partial(_record, place, record, settings, found), place)
        damaged.count -= read is None and len(damaged.reasons) == count  # left out on purpose
        made.append(read)
    return _finished(made, settings, damaged, found)


def _finished(
    made: Sequence["TaggedText | _Record | _Lists | None"], settings: Settings, damaged: Damaged, found: Found
) -> list[TaggedText]:
    """The texts, once all are read: what offsets count, and whether tags have prefixes, all of them say together."""
    units = settings.offsets
    if units == "auto":
        units = _units_of([each for each in made if isinstance(each, _Record)])
    if units != "characters":
        what = "bytes of UTF-8" if units == "bytes" else "UTF-16 units (as JavaScript and Java do)"
        how = (
            "as set"
            if settings.offsets != "auto"
            else "found by where words end; data.offsets=characters takes them as they are"
        )
        found.notes.append(f"the entities' offsets count {what}: {how}")
    bare = _are_bare({tag for each in made if isinstance(each, _Lists) for tag in each.tags})
    texts = []
    for each in made:
        if isinstance(each, _Lists):
            places = [each.place] * len(each.tags)
            each = damaged.sound(
                partial(tagged, each.tokens, each.tags, each.group, each.place, places, bare, found), each.place
            )
            damaged.count -= 1
        elif isinstance(each, _Record):
            each = damaged.sound(partial(_from_spans, each, units, settings.overlapping, found), each.place)
            damaged.count -= 1
        if each is not None:
            texts.append(each)
    return texts


def _record(place: str, record: Any, settings: Settings, found: Found) -> "TaggedText | _Record | _Lists | None":
    """What a record says; None where the annotator rejected or ignored it."""
    if isinstance(record, _Line):
        try:
            record = json.loads(record)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: is not JSON ({error})") from None
    if (
        isinstance(record, list) and len(record) == 2 and isinstance(record[0], str)
    ):  # spaCy's (text, {"entities": [...]})
        more = record[1] if isinstance(record[1], Mapping) else {"entities": record[1]}
        record = {"text": record[0], **more}
    if not isinstance(record, Mapping):
        raise DataError(f'{place}: should be an object such as {{"text": "…", "entities": [[0, 5, "PER"]]}}')
    if record.get("answer") in ("reject", "ignore") and settings.labelled:  # Prodigy's
        found.left_out["texts whose answer is reject or ignore"] += 1
        return None
    if isinstance(record.get("data"), Mapping) and "annotations" in record:
        record = _of_label_studio(place, record, settings, found)
    names = list(record)
    group = optional_column(place, names, settings.group, GROUP_NAMES)
    owner = None if group is None or record[group] is None else str(record[group])
    tokens = optional_column(place, names, settings.token, TOKEN_NAMES)
    if tokens is not None and isinstance(record[tokens], list) and not _have_offsets(record[tokens]):
        if not found.taken:
            tag = optional_column(place, names, settings.tag, TAG_NAMES)
            found.taken[f"tokens: {tokens}" + (f"; tags: {tag}" if tag else "")] = ""
        return _of_lists(place, record, tokens, settings, owner, found)
    text = optional_column(place, names, settings.text, TEXT_NAMES)
    if text is None:
        raise DataError(f"{place}: which field is the text? it has {', '.join(names) or 'none'}; say data.text=FIELD")
    if not isinstance(record[text], str):
        raise DataError(f"{place}: {text!r} should be a text, not {type(record[text]).__name__}")
    entities = optional_column(place, names, settings.entities, [name for name in ENTITY_NAMES if name != text])
    if entities is None and record.get("answer") == "accept":  # Prodigy writes no spans where there are none
        return _Record(place, record[text], [], [], owner)
    if entities is None and settings.labelled:
        raise DataError(f"{place}: which field has the entities? it has {', '.join(names)}; say data.entities=FIELD")
    if not found.taken:
        found.taken[f"text: {text}" + (f"; entities: {entities}" if entities else "")] = ""
    if entities is None or (not settings.labelled):
        return TaggedText.of(record[text], place, owner)
    values = record[entities]
    if values is None:
        return TaggedText.of(record[text], place, owner)
    if not isinstance(values, list):
        raise DataError(f"{place}: {entities!r} should be a list of entities, not {type(values).__name__}")
    read = [_span(f"{place}: entity {number}", value) for number, value in enumerate(values, 1)]
    return _Record(place, record[text], [span for span, _ in read], [written for _, written in read], owner)


def _have_offsets(tokens: Sequence[Any]) -> bool:
    """Whether tokens are objects with their places in a text, as Prodigy writes them beside the spans."""
    return bool(tokens) and all(isinstance(token, Mapping) and "start" in token for token in tokens)


def _of_label_studio(place: str, task: Mapping[str, Any], settings: Settings, found: Found) -> dict[str, Any]:
    """A task of Label Studio's JSON as a text with spans. Of several annotations the first counts that was not cancelled."""
    data, names = task["data"], [name for name, value in task["data"].items() if isinstance(value, str)]
    text = optional_column(place, names, settings.text, TEXT_NAMES) or (names[0] if len(names) == 1 else None)
    if text is None:
        raise DataError(f"{place}: which field of 'data' is the text? it has {', '.join(data)}; say data.text=FIELD")
    given = [each for each in task["annotations"] or () if isinstance(each, Mapping) and not each.get("was_cancelled")]
    if len(given) > 1:
        found.left_out["further annotations of a text"] += len(given) - 1
    spans = None
    if given:
        results = [each for each in given[0].get("result", ()) if isinstance(each, Mapping)]
        spans = [each["value"] for each in results if each.get("type") in ("labels", "hypertextlabels")]
        if len(spans) < len(results):
            found.left_out["relations, choices and other results that are no entity"] += len(results) - len(spans)
    group = {"group": data[settings.group]} if settings.group in data else {}
    return {settings.text or "text": data[text], settings.entities or "entities": spans, **group}


def _of_lists(
    place: str, record: Mapping[str, Any], tokens: str, settings: Settings, owner: str | None, found: Found
) -> TaggedText | _Lists:
    """A sentence as a list of tokens, with a list of tags beside it."""
    words = record[tokens]
    name = optional_column(place, list(record), settings.tag, TAG_NAMES)
    if not all(isinstance(word, str) and word for word in words):
        raise DataError(f"{place}: {tokens!r} should be a list of words, none of them empty")
    if not words:
        raise DataError(f"{place}: {tokens!r} is empty")
    if name is None and settings.labelled:
        raise DataError(f"{place}: which field has the tags? it has {', '.join(record)}; say data.tag=FIELD")
    if name is None or not settings.labelled:
        return TaggedText.of_tokens(words, None, owner, place)
    tags = record[name]
    if not isinstance(tags, list) or len(tags) != len(words):
        count = len(tags) if isinstance(tags, list) else type(tags).__name__
        raise DataError(f"{place}: {len(words)} tokens have {count} tags; there should be one for each")
    if any(isinstance(tag, int) for tag in tags):
        raise DataError(f"{place}: {name!r} holds numbers; write the tags by their names (O, B-PER, I-PER)")
    return _Lists(place, words, [str(tag).strip() for tag in tags], owner)


_STARTS, _ENDS, _LABELS = (
    ("start", "start_offset", "begin", "from"),
    ("end", "end_offset", "stop", "to"),
    ("label", "type", "labels", "entity", "tag", "entity_type", "class"),
)


def _span(place: str, value: Any) -> tuple[tuple[int, int, str], str | None]:
    """Start, end and type of an entity, and its words where they stand beside."""
    written = None
    if isinstance(value, Mapping):
        names = list(value)
        keys = [optional_column(place, names, None, usual) for usual in (_STARTS, _ENDS, _LABELS)]
        if None in keys:
            raise DataError(f"{place}: {json.dumps(value, ensure_ascii=False)[:80]} should have start, end and label")
        start, end, label = (value[str(key)] for key in keys)
        written = value.get("text") if isinstance(value.get("text"), str) else None
        if isinstance(label, list) and len(label) == 1:
            label = label[0]
    elif isinstance(value, list | tuple) and len(value) == 3:
        start, end, label = value
        if isinstance(start, str) and not isinstance(label, str):  # (label, start, end)
            start, end, label = end, label, start
    else:
        raise DataError(f'{place}: {json.dumps(value, ensure_ascii=False)[:80]} should be [start, end, "TYPE"]')
    for number in (start, end):
        if isinstance(number, bool) or not isinstance(number, int):
            raise DataError(f"{place}: its offsets should be whole numbers, not {number!r}")
    if not isinstance(label, str) or not label.strip():
        raise DataError(f"{place}: its type should be a name, not {label!r}")
    return (start, end, label.strip()), written


def _units_of(records: Sequence[_Record]) -> Units:
    """What offsets count. Where it makes a difference (a text with letters outside ASCII), the unit with which most entities are
    what is written beside them, or begin and end where words do; characters in doubt."""
    wrong = dict.fromkeys(("characters", "bytes", "utf16"), 0)
    for record in records:
        if record.text.isascii() or not record.spans:
            continue
        places = token_places(record.text)
        starts, ends = {start for start, _ in places}, {end for _, end in places}
        for unit in wrong:
            for (start, end, _), written in zip(record.spans, record.written, strict=True):
                at = [_character(record.text, offset, unit) for offset in (start, end)]  # type: ignore[arg-type]
                if None in at:
                    wrong[unit] += 1
                elif written is not None:
                    wrong[unit] += record.text[at[0] : at[1]] != written
                else:
                    wrong[unit] += at[0] not in starts or at[1] not in ends
    best = min(wrong, key=lambda unit: wrong[unit])
    return best if wrong[best] < wrong["characters"] else "characters"  # type: ignore[return-value]


def _character(text: str, offset: int, unit: Units) -> int | None:
    """The number of characters before an offset; None where it is outside the text, or cuts a character."""
    if offset < 0:
        return None
    if unit == "characters" or text.isascii():
        return offset if offset <= len(text) else None
    name, size = ("utf-8", 1) if unit == "bytes" else ("utf-16-le", 2)
    content = text.encode(name, "surrogatepass")
    if offset * size > len(content):
        return None
    try:
        return len(content[: offset * size].decode(name))
    except UnicodeDecodeError:
        return None


def _from_spans(record: _Record, units: Units, overlapping: Overlapping, found: Found) -> TaggedText:
    places = token_places(record.text)
    spans: list[tuple[Span, str]] = []
    for (start, end, label), written in zip(record.spans or (), record.written, strict=True):
        at = [_character(record.text, offset, units) for offset in (start, end)]
        first, last = at
        what = f"{record.place}: entity {label} at {start} to {end}"
        if first is None or last is None:
            inside = start >= 0 and end <= len(record.text.encode("utf-8", "surrogatepass"))
            why = (
                "cuts a character"
                if inside and units != "characters"
                else f"is outside the text, which has {len(record.text)} characters"
            )
            if not record.text.isascii():  # else all units are the same
                why += (
                    f"; are the offsets bytes or UTF-16 units? data.offsets={'utf16' if units == 'bytes' else 'bytes'}"
                )
            raise DataError(f"{what} {why}")
        if first >= last:
            raise DataError(f"{what} is empty; the end is behind the last character")
        if (
            written is not None
            and record.text[first:last] != written
            and record.text[first:last].strip() != written.strip()
        ):
            raise DataError(
                f"{what} is {record.text[first:last][:40]!r} in the text, and {written[:40]!r} beside the offsets"
            )
        inside_span = [number for number, (begin, stop) in enumerate(places) if begin < last and stop > first]
        if not inside_span:
            raise DataError(f"{what} holds no word, only {record.text[first:last]!r}")
        span = Span(inside_span[0], inside_span[-1] + 1, label)
        border = places[span.start][0], places[span.end - 1][1]
        if border[0] < first or border[1] > last:
            part, word = (_brief(record.text[begin:stop]) for begin, stop in ((first, last), border))
            found.cut.append(f"{part!r} in {word!r} at {record.place}")
        elif border != (first, last):
            found.trimmed.append(record.place)
        spans.append((span, what))
    found.entities += len(spans)
    kept = _flat(spans, overlapping, found)
    return TaggedText(record.text, tuple(places), Tags(tags_of(kept, len(places))), record.group, record.place)


def _brief(words: str) -> str:
    """The beginning of words that may be as long as a file."""
    return words if len(words) <= 40 else f"{words[:39]}…"


def _flat(spans: Sequence[tuple[Span, str]], overlapping: Overlapping, found: Found) -> list[Span]:
    """Entities that do not overlap, in their order. The same one twice counts once."""
    kept: dict[Span, str] = {}
    for span, what in sorted(dict(spans).items(), key=lambda each: (each[0].start - each[0].end, each[0].start)):
        other = next((each for each in kept if each.start < span.end and span.start < each.end), None)
        if other is None:
            kept[span] = what
        elif overlapping == "refuse":
            raise DataError(
                f"{what} overlaps with {other.label}; a token can be in one entity: data.overlapping=longest keeps the longer one"
            )
        else:
            found.left_out["entities inside longer ones"] += 1
    return sorted(kept)


# ---- brat ----


def _read_brat(path: Path, settings: Settings, damaged: Damaged, found: Found) -> list[TaggedText]:
    """A text of each `.txt` file of a folder, with the entities of the `.ann` file beside it."""
    texts = sorted(file for file in visible(path) if file.is_file() and file.suffix.lower() == ".txt")
    if not texts:
        raise DataError(f"{path}: holds no .txt files")
    lone = [file.name for file in visible(path) if file.suffix == ".ann" and not file.with_suffix(".txt").is_file()]
    if lone:
        raise DataError(f"{path}: {lone[0]} has no .txt file beside it")
    found.taken["texts: .txt; entities: .ann"] = ""
    made = [damaged.sound(partial(_brat_record, file, settings, found), str(file)) for file in texts]
    return _finished(made, settings, damaged, found)


def _brat_record(file: Path, settings: Settings, found: Found) -> "_Record | TaggedText":
    text = read_text(file, settings.encoding)
    notes = file.with_suffix(".ann")
    group = file.stem if settings.labelled else None
    if not settings.labelled or not notes.is_file():
        if settings.labelled:
            found.left_out["texts without .ann, taken as unlabelled"] += 1
        return TaggedText.of(text, str(file), group)
    spans: list[tuple[int, int, str]] = []
    written: list[str | None] = []
    for number, line in enumerate(read_lines(notes, settings.encoding), 1):
        if not line.strip():
            continue
        if not line.startswith("T"):
            found.left_out["relations, events, attributes and notes of .ann"] += 1
            continue
        fields = line.split("\t")
        match = re.fullmatch(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)", fields[1]) if len(fields) >= 2 else None
        if match is None:
            raise DataError(f"{notes}:{number}: should be T1<TAB>TYPE START END<TAB>words, not {line[:60]!r}")
        if ";" in match.group(2):
            found.left_out["entities in several pieces"] += 1
            continue
        start, end = map(int, match.group(2).split())
        spans.append((start, end, match.group(1)))
        written.append(fields[2].replace("\r", "") if len(fields) > 2 else None)
    # brat writes line breaks inside an entity as spaces.
    written = [
        None if words is None or "\n" in text[s:e] else words for words, (s, e, _) in zip(written, spans, strict=True)
    ]
    return _Record(str(file), text, spans, written, group)


# ---- what is said of it ----


def notes_of(found: Found, texts: Sequence[TaggedText]) -> list[str]:
    """What a person should know of what was read, a sentence each."""
    notes = list(dict.fromkeys(found.notes))
    whole = max(found.entities, 1)
    if found.repaired and scheme_in_words(found) in ("IOB2", "BIOES", "BILOU"):
        notes.append(
            f"{some_of(found.repaired, whole, 'entities', 'the first is at')} begin with I where nothing goes on: each is "
            "read as the beginning of an entity"
        )
    if found.cut:
        notes.append(
            f"{some_of(found.cut, whole, 'entities')} begin or end inside a word: the whole word is taken, for scores too"
        )
    if found.trimmed:
        some = some_of(found.trimmed, whole, "entities", "the first is at")
        notes.append(f"{some} have spaces or invisible characters at their border: they are cut off")
    cases: dict[str, set[str]] = {}
    for label in {span.label for text in texts for span in text.spans}:
        cases.setdefault(label.lower(), set()).add(label)
    notes += [
        f"the types {' and '.join(sorted(names))} differ in case only: they are counted as different ones"
        for names in cases.values()
        if len(names) > 1
    ]
    notes += [
        f"{count:,} {what} are left out" if "taken" not in what else f"{count:,} {what}"
        for what, count in found.left_out.items()
    ]
    return notes


def scheme_in_words(found: Found) -> str:
    """The scheme of the tags that were read; empty where there were spans only."""
    if not found.prefixes:
        return ""
    if found.prefixes & set("LU"):
        return "BILOU"
    if found.prefixes & set("ES"):
        return "BIOES"
    if found.bare and "B" not in found.prefixes:
        return "types alone, without a prefix: neighbours of one type are one entity"
    if "B" not in found.prefixes:
        return "IO: neighbours of one type are one entity" if "I" in found.prefixes else ""
    return "IOB2" if found.free_b else "IOB1"
