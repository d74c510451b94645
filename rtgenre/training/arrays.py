"""Reading the ``.npz`` files that training learns from: whole, without pickled objects, with one clear error."""

from __future__ import annotations

import hashlib
import io
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.errors import SourceError
from rtgenre.training import layout

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# What a file that is damaged or something else makes numpy raise, on its own and out of zipfile.
_NOT_SUCH_A_FILE = (
    KeyError,
    ValueError,
    TypeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def read_arrays(path: Path, names: tuple[str, ...], what: str) -> tuple[dict[str, NDArray[Any]], str]:
    """Some arrays of a file, and the file's SHA-256 (hexadecimal).

    Args:
        path: the file.
        names: of the arrays.
        what: the file is, in words: ``corpus of spectra``.

    Raises:
        SourceError: the file cannot be read, lacks an array, or has one that does not fit (``layout``).
    """
    remedy = f"it must be an .npz with {', '.join(map(layout.written, names))}"
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
    except OSError as error:
        raise SourceError(
            f"cannot read {path}: {error.strerror or error}", f"give the path of a {what} (.npz)"
        ) from error
    except _NOT_SUCH_A_FILE as error:
        raise SourceError(f"{path} is not a {what}: {error}", remedy) from error
    fault = layout.fault_of(found)
    if fault:
        raise SourceError(f"{path} is not a {what}: {fault}", remedy)
    return found, hashlib.sha256(content).hexdigest()
