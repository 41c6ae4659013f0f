"""What every registered part says of itself: `convzoo schema`, the errors and the pages show it to those who write recipes."""

import inspect
import re

import pytest

from contracts.parts import KINDS, class_of, every_argument, names
from convzoo.core.arguments import is_from_data

PARTS = [(kind, name) for kind in KINDS for name in names(kind)]
ARGUMENT = re.compile(r"^    (\w+): (\S.*)?$", re.MULTILINE)
SOURCE = re.compile(r"arXiv:\d|arxiv\.org|doi[:.]|https?://|aclanthology|\b(19|20)\d\d\b")

NO_SOURCE: dict[str, str] = {}
"""Models that come from nowhere else, each with its reason."""


def documented(cls: type) -> dict[str, str]:
    """The arguments that the class describes under `Args:`, its bases' included where it takes theirs."""
    found: dict[str, str] = {}
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    for base in (owner, cls):
        section = inspect.cleandoc(base.__doc__ or "").partition("Args:\n")[2]
        section = re.split(r"^\S", section, maxsplit=1, flags=re.MULTILINE)[0]
        found |= {name: words or "" for name, words in ARGUMENT.findall(section)}
    return found


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_says_what_it_is(kind: str, name: str) -> None:
    cls = class_of(kind, name)
    words = (cls.__doc__ or "").strip()
    assert len(words.split()) >= 5, "a class says what it is, its own and not its base's"
    assert (inspect.getmodule(cls).__doc__ or "").strip()


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_argument_that_a_recipe_sets_is_described(kind: str, name: str) -> None:
    cls = class_of(kind, name)
    settable = {argument for argument, annotation in every_argument(cls) if not is_from_data(annotation)}
    described = documented(cls)
    assert settable <= described.keys(), sorted(settable - described.keys())
    taken = {argument for argument, _ in every_argument(cls)}
    assert described.keys() <= taken, sorted(described.keys() - taken)
    assert all(described[argument] for argument in settable)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_argument_has_a_type(kind: str, name: str) -> None:
    for argument, annotation in every_argument(class_of(kind, name)):
        assert annotation is not inspect.Parameter.empty, argument


@pytest.mark.parametrize("name", names("model"))
def test_every_model_names_its_source(name: str) -> None:
    found = SOURCE.search(class_of("model", name).__doc__ or "")
    assert bool(found) != (name in NO_SOURCE)
