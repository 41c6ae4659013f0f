"""Optional libraries that do not load by themselves everywhere."""

import sys
import warnings
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.core.text import first_line

EXTRAS: dict[str, tuple[str, ...]] = {
    "audio": ("torchaudio", "soundfile"),
    "graph": ("torch_geometric",),
    "medical": ("monai", "nibabel", "pydicom", "nrrd"),
    "video": ("av",),
    "points": ("open3d",),
    "translation": ("sacrebleu",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
}
"""The extras of the package and what they bring, by import name."""


def needs(what: str, library: str | None, error: BaseException) -> RecipeError:
    """The error about a library that is missing or does not load, with what installs it.

    Args:
        what: cannot be done without it, as the beginning of a sentence: "reading sound"
        library: by its import name; None: the one that the error names
        error: what its import raised
    """
    package = (library or getattr(error, "name", None) or "").partition(".")[0]
    extra = next((extra for extra, brought in EXTRAS.items() if package in brought), None)
    why = "" if isinstance(error, ModuleNotFoundError) and package else f" ({first_line(error)})"
    install = f": pip install 'convzoo[{extra}]'" if extra else ""
    return RecipeError(f"{what} needs {package or 'a library'}{why}{install}")


def import_torchaudio() -> Any:
    """torchaudio, also where its compiled part is linked against a CUDA that is not here.

    The wheel's extension serves a few functions that we do not use; its transforms are plain PyTorch. Where the extension cannot
    be loaded, a module that says so takes its place before the import.

    Raises:
        ImportError: torchaudio is not installed.
    """
    if "torchaudio" not in sys.modules and find_spec("torchaudio") is not None:
        try:
            import torchaudio
        except OSError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
                del sys.modules[name]
            absent: Any = ModuleType("torchaudio._extension")
            absent._IS_TORCHAUDIO_EXT_AVAILABLE = absent._IS_ALIGN_AVAILABLE = False
            absent.fail_if_no_align = lambda function: function
            sys.modules["torchaudio._extension"] = absent
    import torchaudio

    return torchaudio


def import_torch_geometric() -> Any:
    """torch_geometric.nn, without the warnings that it sets off in torch while it is imported.

    Raises:
        ImportError: torch-geometric is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch_geometric.nn
    return torch_geometric.nn


def import_monai() -> Any:
    """monai.transforms, without the warnings that it sets off in other libraries while it is imported.

    Raises:
        RecipeError: MONAI is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import monai.transforms
    except ImportError as error:
        raise needs("reading volumes", "monai", error) from None
    return monai.transforms


def import_av() -> Any:
    """PyAV, with FFmpeg's own messages off: what goes wrong is said by the errors that it raises.

    Raises:
        RecipeError: PyAV is not installed, or does not load.
    """
    try:
        import av
        import av.logging
        import av.video.reformatter
    except (ImportError, OSError) as error:
        raise needs("reading video", "av", error) from None
    av.logging.set_level(av.logging.PANIC)
    return av


def import_open3d() -> Any:
    """open3d, also where the system has no libusb: the package `libusb-package` carries one, which is loaded first.

    Raises:
        ImportError: open3d is not installed, or a library of the system that it needs is absent.
    """
    if "open3d" not in sys.modules and find_spec("libusb_package") is not None:
        import ctypes

        import libusb_package

        library = libusb_package.get_library_path()
        if library is not None:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import open3d
    except OSError as error:  # the package is there, a library that it is linked against is not
        raise ImportError(f"open3d, which cannot load ({error})", name=None) from None
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d
