"""How kernels are compiled, where the result is kept, and whether it is there already."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]  # ships no type information
import numba
from numba.core import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Sums may be reordered so that they vectorise. Neither "no NaN" nor "no infinity" is promised to the
# compiler: a spectrum that overflows must give a wrong number, not undefined behaviour.
_FAST = {"reassoc", "contract", "arcp", "nsz"}
_SOURCES = ("compiling.py", "fft.py", "kernels.py")


def inlined(function: Callable[..., Any]) -> Any:
    """A piece of a kernel: compiled into each kernel that calls it, never on its own."""
    return numba.njit(nogil=True, fastmath=_FAST, error_model="numpy", inline="always")(function)


def part(function: Callable[..., Any]) -> Any:
    """A function that kernels call."""
    return numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")(function)


def kernel(function: Callable[..., Any]) -> Any:
    """An entry point: releases the GIL and is kept on disk between runs, where a folder can be written."""
    try:
        return numba.njit(nogil=True, fastmath=_FAST, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba: no folder to write to; NUMBA_CACHE_DIR can name one
        return numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")(function)


class _Looking(event.Listener):
    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    def on_start(self, _event: object) -> None:
        self._look()

    def on_end(self, _event: object) -> None:
        pass


@contextlib.contextmanager
def before_each_step(look: Callable[[], object]) -> Iterator[None]:
    """Have something called before each step of whatever is compiled in the block; what it raises ends the compiling.

    All of it takes a minute, a step a second at most. What a signal handler raises would not do: LLVM calls back into
    Python, where exceptions are printed and forgotten.

    Args:
        look: raises, or does nothing; called in the thread that compiles.
    """
    with event.install_listener("numba:run_pass", _Looking(look)):
        yield


def spare_scipy() -> None:
    """Keep numba from loading scipy.linalg, where it is installed, in search of a BLAS that no kernel uses.

    That is a fifth of a start. Does nothing once either is loaded; any thread, before the first kernel is.
    """
    if "scipy.linalg" in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # so Python says that it is not there
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy.linalg"]


def _marker(entry: Any, n_fft: int) -> Path | None:
    """The file that says that the kernels for one ``n_fft`` are on disk; None where nothing is kept."""
    folder = entry.stats.cache_path
    if folder is None:
        return None
    here = Path(__file__).parent
    stamps = [(name, (here / name).stat().st_mtime_ns) for name in _SOURCES]
    key = (numba.__version__, sys.version, platform.machine(), llvm.get_host_cpu_name(), n_fft, stamps)
    return Path(folder) / f"frontend-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.compiled"


def is_marked(entry: Any, n_fft: int) -> bool:
    """Whether ``mark`` was called for these sources on this machine."""
    marker = _marker(entry, n_fft)
    return marker is not None and marker.is_file()


def mark(entry: Any, n_fft: int) -> None:
    """Note that every kernel for one ``n_fft`` has been compiled and kept."""
    marker = _marker(entry, n_fft)
    if marker is not None and not marker.is_file():
        with contextlib.suppress(OSError):  # only a progress note depends on it
            marker.touch()
