"""`convzoo export`: writes a model as ONNX or torch.export, and compares it with the original model on real inputs."""

import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.errors import CheckError, DataError
from convzoo.core.files import atomic_path, atomic_write, is_special, write_json
from convzoo.core.libraries import needs
from convzoo.core.model import HasExportedForm
from convzoo.core.text import harmless
from convzoo.recipe.assembly import build_reader
from convzoo.runs import Run, first_part
from convzoo.written import Written


def main(options: Any) -> None:
    """Export a run's model, and print what was written and checked."""
    for line in export(options.run, options.format, options.out, options.trust, options.accept_changes):
        print(harmless(line))


TOLERANCE = 1e-4
"""The largest difference, relative to the largest output, between the model and what was exported."""

_FEW = 10_000


def export(
    folder: str, kind: str, out: str | None = None, trust: bool = False, accept_changes: bool = False
) -> Iterator[str]:
    """Write a run's model as `model.onnx` or `model.pt2`, and compare its outputs on validation examples.

    Batch size and length stay free. Inputs are named as the arguments of the network, outputs as the task says, and free axes
    after what they count. A second file, `<file>.json`, says the same, what the encoder learnt to make the inputs
    (vocabulary, means), and what the task needs to read the outputs (labels, thresholds).

    Raises:
        RecipeError: the export extra is not installed.
        CheckError: the outputs of the exported model differ.
    """
    run = first_part(folder, trust, accept_changes)
    path = _target(Path(out) if out else Path(folder) / ("model.onnx" if kind == "onnx" else "model.pt2"))
    twin = Path(f"{path}.json")
    own = Written(run.path)
    for written in (path, twin):
        own.refuse(written, "--out")
    splits = build_reader(run.recipe).read()
    examples = run.encoder.pieces(splits.val) or splits.val  # where nothing is long enough for a piece
    original = run.model.eval()
    model, several = _exported(original, _inputs(run, examples, range(8)))
    model.eval()
    whole = [run.encoder.gather(splits.val, [index]).inputs for index in range(min(2, len(splits.val)))]
    # If the task slides windows over whole examples, these inputs are lists, and the network sees pieces only.
    whole = [inputs for inputs in whole if all(isinstance(value, Tensor) for value in inputs.values())]
    axes = _axes_of(model, several)
    free = _free_axes(run, several, examples, whole)
    with torch.no_grad():
        given = _tensors(model(**several))
    outputs = _outputs_of(run.task.outputs, given)
    if kind == "onnx":
        named = {name: {axis: axes[name][axis] for axis in free[name]} for name in several}
        with atomic_path(path) as temporary:
            _write_onnx(model, several, named, list(outputs), temporary)
        compute = _onnx_session(path)
    else:
        shapes = {name: dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) for name in several}
        program = torch.export.export(model, (), several, dynamic_shapes=shapes)
        content = io.BytesIO()  # torch ends the process where it cannot write a file
        torch.export.save(program, content)
        with atomic_write(path) as file:
            file.write(content.getbuffer())
        loaded = torch.export.load(path).module()

        def compute(inputs: dict[str, Tensor]) -> list[Tensor]:
            return _tensors(loaded(**inputs))

    batches = []
    checked = 0
    for size in (1, 7, 16):
        chosen = range(checked, min(checked + size, len(examples)))
        batches += [_inputs(run, examples, chosen)] if chosen else []
        checked += len(chosen)
    if examples is not splits.val:  # so far only pieces of examples were checked: whole ones must give the same too
        batches += whole
        checked += len(whole)
    worst = 0.0
    for inputs in batches:
        with torch.no_grad():
            expected = _tensors(original(**inputs))
            found = compute(_exported(original, inputs)[1])
        for ours, theirs in zip(expected, found, strict=True):
            scale = max(1.0, float(ours.abs().max()))
            worst = max(worst, float((theirs - ours).abs().max()) / scale)
    if not worst <= TOLERANCE:
        path.unlink(missing_ok=True)
        raise CheckError(f"{path}: the exported model differs by {worst:.2g} (at most {TOLERANCE:.0e}); it was deleted")
    facts = {
        "inputs": {name: [list(value.shape), str(value.dtype)] for name, value in several.items()},
        "outputs": {name: [list(value.shape), str(value.dtype)] for name, value in zip(outputs, given, strict=True)},
        "axes": {name: list(names) for name, names in (axes | outputs).items()},
        "free_axes": {name: sorted(which) for name, which in free.items()},
        "labels": list(run.encoder.dims.get("labels", ())),
        "encoder": {
            "name": str(run.recipe.encoder.name),
            **run.recipe.encoder.args,
            "learnt": _plain(run.encoder.state()),
        },
        "task": {"name": str(run.recipe.task.name), **run.recipe.task.args, "chosen": run.task.state()},
        "largest_difference": worst,
        "checked_on": checked,
    }
    write_json(twin, facts)
    own.add([path, twin])
    yield f"{path}: checked on {checked} validation examples in batches of 1, 7 and 16; largest difference {worst:.1e}"


def _target(path: Path) -> Path:
    """A file that the libraries can write: they are given its name, and some end the process at a name that they cannot use.

    Raises:
        DataError: it is a folder, cannot be written, or is no name of a file.
    """
    if path.is_dir():
        raise DataError(f"{path}: cannot be written: it is a folder; name a file in it")
    if is_special(path):
        raise DataError(f"{path}: cannot be written: it is a device; name a file")
    str(path).encode()  # refuses what is not UTF-8
    if not path.exists():
        with atomic_write(path):  # refuses what cannot be written, before the work
            pass
        path.unlink()
    return path


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """What an encoder learnt, as JSON. A large array is given by its shape: it is in the run's `encoder.safetensors`."""
    found = {}
    for name, value in state.items():
        small = not isinstance(value, Tensor | np.ndarray) or np.prod(value.shape) <= _FEW
        found[name] = value.tolist() if isinstance(value, Tensor | np.ndarray) and small else value
        if not small:
            found[name] = {"shape": list(value.shape), "in": f"encoder.safetensors of the run: {name}"}
    return found


def _inputs(run: Run, examples: Sequence[Any], indices: Sequence[int]) -> dict[str, Any]:
    return run.encoder.gather(examples, [index for index in indices if index < len(examples)]).inputs


def _tensors(outputs: Any) -> list[Tensor]:
    """The tensors of a network's outputs, in their order: some networks give several."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _exported(model: nn.Module, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
    """The module that is exported instead of the model, if there is one, and its inputs."""
    return model.exported(inputs) if isinstance(model, HasExportedForm) else (model, inputs)


def _axes_of(model: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """What the axes of each input count, from the shapes in the signature of `forward`: `batch`, `length`. Where it says nothing
    of them, the first is `batch` and the others have a number."""
    found = {}
    said = inspect.signature(model.forward).parameters
    for name, value in inputs.items():
        given = str(getattr(said[name].annotation, "dim_str", "")) if name in said else ""
        names: list[str] = []
        for word in given.split():
            rest = value.ndim - len(given.split()) + 1
            names += [f"{word[1:]}_{at}" for at in range(rest)] if word.startswith("*") else [word]
        plain = ["batch", *(f"{name}_axis_{axis}" for axis in range(1, value.ndim))]
        found[name] = tuple(names if len(names) == value.ndim and all(map(str.isidentifier, names)) else plain)
    return found


def _outputs_of(known: Mapping[str, tuple[str, ...]], outputs: Sequence[Tensor]) -> dict[str, tuple[str, ...]]:
    """The name of each output, and what its axes count, as the task says. A network of one's own may give others: they are
    `output_0` and so on."""
    if [len(axes) for axes in known.values()] == [value.ndim for value in outputs]:
        return dict(known)
    named = list(known) if len(known) == len(outputs) else [f"output_{at}" for at in range(len(outputs))]
    return {
        name: ("batch", *(f"{name}_axis_{axis}" for axis in range(1, value.ndim)))
        for name, value in zip(named, outputs, strict=True)
    }


def _free_axes(
    run: Run, inputs: dict[str, Any], examples: Sequence[Any], whole: Sequence[dict[str, Any]]
) -> dict[str, set[int]]:
    """The axes of each input whose size differs between batches: the first, and those that depend on an example's length. Numbers
    of tokens (batch, length) have a free length even if all examples here have the same."""
    others = [{name: tuple(value.shape) for name, value in inputs.items()}]
    for given in [*whole, *(_inputs(run, examples, [index]) for index in range(min(32, len(examples))))]:
        others.append({name: tuple(value.shape) for name, value in _exported(run.model, given)[1].items()})
    free: dict[str, set[int]] = {}
    for name, value in inputs.items():
        varying = {axis for axis in range(1, value.ndim) if len({other[name][axis] for other in others}) > 1}
        varying |= {1} if value.ndim == 2 and not value.is_floating_point() else set()
        free[name] = {0} | varying
    return free


def _write_onnx(
    model: nn.Module, inputs: dict[str, Tensor], shapes: dict[str, dict[int, str]], outputs: list[str], path: Path
) -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise needs("exporting to ONNX", None, error) from None
    for library in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(library).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # The exporter warns about its own deprecations; comparing the outputs is the check that matters.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model, (), kwargs=inputs, dynamic_shapes=shapes, output_names=outputs, dynamo=True, verbose=False
        )
        assert program is not None
        program.save(str(path))


def _onnx_session(path: Path) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = {item.name for item in session.get_inputs()}

    def compute(inputs: dict[str, Tensor]) -> list[Tensor]:
        given = {name: value.numpy() for name, value in inputs.items() if name in names}
        return [torch.from_numpy(each) for each in session.run(None, given)]

    return compute
