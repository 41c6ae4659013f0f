"""The names that `import convzoo` offers, and what `help` says of them."""

import dataclasses
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import convzoo

NAMES = sorted(name for name in convzoo.__all__ if not name.startswith("_"))


def public_methods(kind: type) -> list[tuple[str, Any]]:
    """The methods and properties that a class itself defines and that its users call."""
    found = [(name, getattr(value, "__func__", getattr(value, "fget", value))) for name, value in vars(kind).items()]
    return [(name, value) for name, value in found if inspect.isfunction(value) and not name.startswith("_")]


def test_the_docstring_lists_the_public_names() -> None:
    listed = re.findall(r"^    (\w+): \S", convzoo.__doc__ or "", re.MULTILINE)
    assert sorted(listed) == NAMES


def test_the_public_names_have_a_home_each() -> None:
    assert sorted(convzoo._HOMES) == NAMES
    for name, home in convzoo._HOMES.items():
        found = getattr(convzoo, name)
        assert home == f"{found.__module__}:{found.__name__}" == f"{found.__module__}:{name}"


def test_type_checkers_see_the_same_homes() -> None:
    source = Path(convzoo.__file__).read_text(encoding="utf-8")
    imports = re.findall(r"^    from (\S+) import (.+)$", source, re.MULTILINE)
    assert {name: f"{module}:{name}" for module, names in imports for name in names.split(", ")} == convzoo._HOMES


def test_dir_shows_the_public_names_without_importing_torch() -> None:
    code = "import convzoo, sys; assert set(convzoo.__all__) == set(dir(convzoo)); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_shows_each_public_name_with_what_it_is() -> None:
    text = pydoc.render_doc(convzoo, renderer=pydoc.plaintext)
    for name in NAMES:
        assert re.search(rf"^ +{name}: \S", text, re.MULTILINE), name
        assert re.search(rf"^    (class )?{name}\b[ (=]", text, re.MULTILINE), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'convzoo' has no attribute 'Pictures'"):
        _ = convzoo.Pictures


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes(name: str) -> None:
    found = getattr(convzoo, name)
    text = inspect.getdoc(found) or ""
    assert text and not text.startswith(f"{name}("), "has no docstring of its own"
    if not inspect.isclass(found):
        missing = [parameter for parameter in inspect.signature(found).parameters if f"    {parameter}: " not in text]
        assert not missing, f"Args: does not say {missing}"
        return
    fields = [field.name for field in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else []
    missing = [field for field in fields if not re.search(rf"^    {field}: ", text, re.MULTILINE)]
    assert not missing, f"Attributes: does not say {missing}"
    assert [method for method, value in public_methods(found) if not inspect.getdoc(value)] == []


def test_type_checkers_may_read_the_annotations() -> None:
    assert (Path(convzoo.__file__).parent / "py.typed").is_file()
