"""Imports of optional libraries, some of which need help to load on some systems."""

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
    "excel": ("openpyxl",),
    "entities": ("pycrfsuite",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
}
"""The extras of the package and the libraries that each installs, by import name."""


def needs(what: str, library: str | None, error: BaseException) -> RecipeError:
    """The error about a library that is missing or does not load, with the command that installs it.

    Args:
        what: what the library is needed for, as the beginning of a sentence: "reading audio"
        library: its import name; None: the library that the error names
        error: what its import raised
    """
    package = (library or getattr(error, "name", None) or "").partition(".")[0]
    extra = next((extra for extra, brought in EXTRAS.items() if package in brought), None)
    why = "" if isinstance(error, ModuleNotFoundError) and package else f" ({first_line(error)})"
    install = f": pip install 'convzoo[{extra}]'" if extra else ""
    return RecipeError(f"{what} needs {package or 'a library'}{why}{install}")


def import_torchaudio() -> Any:
    """Import torchaudio, even if its compiled extension is linked against a CUDA that is not installed.

    Only a few functions need this extension, and we do not use them: the transforms are plain PyTorch. If the extension cannot
    be loaded, a small module that reports it as not available replaces it before the import.

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
    """Import torch_geometric.nn, without the warnings that its import causes in torch.

    Raises:
        ImportError: torch-geometric is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch_geometric.nn
    return torch_geometric.nn


def import_monai() -> Any:
    """Import monai.transforms, without the warnings that its import causes in other libraries.

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
    """Import PyAV, with FFmpeg's own messages switched off: the errors that PyAV raises say what went wrong.

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
    """Import open3d, even if the system has no libusb: then the copy in the package `libusb-package` is loaded first.

    Raises:
        ImportError: open3d is not installed, or a system library that it needs is missing.
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
    except OSError as error:  # the package is installed, but a library that it is linked against is not
        raise ImportError(f"open3d, which cannot load ({error})", name=None) from None
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d
