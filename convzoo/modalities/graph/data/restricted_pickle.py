"""Old benchmark files in the pickle format, read without running any code that they name."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.text import first_line


def load_restricted(path: Path) -> Any:
    """The value of a pickle that holds NumPy arrays, SciPy CSR matrices, dictionaries and lists, and nothing else.

    Raises:
        DataError: the file is absent or damaged, or names anything else; nothing of it is run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(f"{path}: is damaged, or no pickle ({first_line(error)})") from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of a few allowed classes; old names of their modules are accepted."""
        import collections

        import scipy.sparse

        reconstruct = np.zeros(0).__reduce__()[0]
        allowed: dict[tuple[str, str], Any] = {
            ("collections", "defaultdict"): collections.defaultdict,
            ("__builtin__", "list"): list,
            ("builtins", "list"): list,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("scipy.sparse.csr", "csr_matrix"): scipy.sparse.csr_matrix,
            ("scipy.sparse._csr", "csr_matrix"): scipy.sparse.csr_matrix,
            ("copy_reg", "_reconstructor"): _made,
            ("copyreg", "_reconstructor"): _made,
            ("__builtin__", "object"): object,
        }
        if (module, name) not in allowed:
            raise DataError(f"names {module}.{name}, which a file of arrays does not need; it is not opened")
        return allowed[module, name]


def _made(kind: type, base: type, state: Any) -> Any:
    """The function that pickle protocols 0 and 1 make objects with; only CSR matrices are made in this way."""
    import scipy.sparse

    if kind is not scipy.sparse.csr_matrix:
        raise DataError(f"makes a {kind.__name__}, which a file of arrays does not need; it is not opened")
    return kind.__new__(kind)
