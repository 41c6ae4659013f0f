"""The data, and how to run it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convzoo.core.text import size_in_words
from convzoo.recipe.recipe import to_yaml
from convzoo.recipe.types import Recipe
from convzoo.report import kit

FILES = {
    "predictions.csv": "what it says of each test example",
    "split.csv": "which example is in which split",
    "skipped.csv": "what was left out, and why",
    "scores.json": "every score of every competitor",
    "metrics.csv": "losses and scores while training",
    "model.safetensors": "the weights",
    "recipe.yaml": "the recipe as it was run",
    "environment.json": "versions, device, what was read",
}


def data(recipe: Recipe, results: Mapping[str, Any], environment: Mapping[str, Any], more: str) -> str:
    """What was read, and what was taken for what.

    Args:
        more: HTML of the pages: lengths, sizes, columns
    """
    path = recipe.data.args.get("path")
    made = f"made by the recipe itself ({kit.code(recipe.data.name)}): no file, no download, the same each time"
    read = f"your own: {kit.code(Path(str(path)).name)}, read by {kit.code(recipe.data.name)}"
    listed = environment.get("data") or {}
    generated = all(str(name).startswith("generated/") for name in listed)
    source = read if path else made if generated else f"the data set {kit.code(recipe.data.name)}"
    items = [("source", source)]
    items += [(topic, kit.text(phrase)) for topic, phrase in (environment.get("described") or {}).items()]
    items += [("note", kit.text(note)) for note in environment.get("notes") or []]
    if len(listed) > 1:
        items.append(("files", f"{kit.count_of(len(listed), 'files')}, whose sha256 is in {kit.code('manifest.json')}"))
    parts = [
        (name, results["examples"][key])
        for key, name in (("train", "train"), ("val", "validate"), ("test", "test"))
        if results["examples"][key]
    ]
    return (
        "<p>What was read, and what was taken for what.</p>"
        + kit.pairs(items)
        + f"<h3>Split{' of the first part' if results.get('repeated') else ''}</h3>{kit.stack(parts)}"
        + (f"<p>{kit.text(environment['split'])}</p>" if environment.get("split") else "")
        + more
    )


def again(recipe: Recipe, results: Mapping[str, Any], environment: Mapping[str, Any], folder: Path) -> str:
    """One command, the recipe, the environment, and the files beside the page."""
    parts = [
        "<p>One command trains the same network on the same data again. On the same processor, with the same number of threads "
        "and the same versions, it ends at the same numbers, bit for bit.</p>",
        kit.command(_command(environment)),
    ]
    for name, (low, high) in recipe.expect.items():
        value = results["scores"].get(name)
        inside = value is not None and low <= value <= high
        said = "and it does" if inside else "and it does not: look at what differs from the recipe"
        parts.append(
            f"<p>The recipe promises {kit.code(name)} from {kit.as_number(low)} to {kit.as_number(high)}, {said}.</p>"
        )
    packages = ", ".join(
        f"{name} {version}" for name, version in (environment.get("packages") or {}).items() if version
    )
    facts = [
        ("convzoo", kit.text(environment.get("convzoo", ""))),
        ("Python", kit.text(environment.get("python", ""))),
        ("platform", kit.text(environment.get("platform", ""))),
        (
            "device",
            kit.text(
                f"{environment['device']}, {environment['threads']} threads, {environment['processes']} processes"
            ),
        ),
        ("precision", kit.text(environment["precision"])),
        ("packages", kit.text(packages)),
    ]
    git = environment.get("git")
    if git:
        facts.append(("git", kit.text(git["commit"][:12] + (", with changes" if git.get("changed") else ""))))
    parts += [
        kit.folded("Recipe, with every default written out", f"<pre><code>{kit.text(to_yaml(recipe))}</code></pre>"),
        kit.folded("Environment", kit.pairs([(name, value) for name, value in facts if value])),
    ]
    beside = [
        (name, f"{about} · {size_in_words((folder / name).stat().st_size)}")
        for name, about in FILES.items()
        if (folder / name).is_file()
    ]
    if beside:
        parts.append(
            f'<h3>Files of this run</h3><p class="soft">They lie beside this page, in the same folder.</p>{kit.files(beside)}'
        )
    return "".join(parts)


def _command(environment: Mapping[str, Any]) -> str:
    """The command that was given, without the place of the run; from Python, the run's own recipe."""
    words: Sequence[str] = [str(word) for word in environment.get("command") or []]
    if "run" not in words[:2] or "--resume" in words:
        return "convzoo run recipe.yaml"
    kept, skip = [], False
    for word in words[words.index("run") :]:
        if skip or word.startswith("--out="):
            skip = False
        elif word == "--out":
            skip = True
        elif word != "--quiet":
            kept.append(f"'{word}'" if any(sign in word for sign in " []{}*$") else word)
    return " ".join(["convzoo", *kept])
