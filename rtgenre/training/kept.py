"""What the training rooms share of their caches on disk: the fingerprint that an entry is kept under."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.frontend import stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# What features are made by: a spec's fingerprint names their numbers, and an edit of a kernel changes none of those.
FRONTEND_CODE = tuple(sorted(Path(stream.__file__).parent.glob("*.py")))


def fingerprint(depends_on: Sequence[Any], *code: str | Path | ModuleType) -> str:
    """Name (24 hexadecimal digits) of what follows from some values and some code; either changed, it is another.

    Args:
        depends_on: everything that goes in, as JSON knows it.
        code: source files, or modules, that it is made by.
    """
    files = [str(part.__file__) if isinstance(part, ModuleType) else part for part in code]
    sources = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    return hashlib.sha256(json.dumps([*depends_on, sources]).encode()).hexdigest()[:24]


def sha256_of(values: NDArray[np.float32]) -> str:
    """Hexadecimal, of float32 values: for a fingerprint to depend on."""
    return hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).hexdigest()
