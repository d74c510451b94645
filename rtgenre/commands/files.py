"""Folders and pages that commands write: one clear error where they cannot."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from typing import TYPE_CHECKING

from rtgenre.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def try_folder(folder: Path) -> None:
    """See whether files can be written into it: before hours of work, not after them. It is left as it was.

    Raises:
        OutputError: it cannot be made, or nothing can be written into it.
    """
    with _made_for_now(folder):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise _unwritable(folder, error) from None


def try_file(path: Path) -> None:
    """See whether it can be written: before minutes of work, not after them. It is left as it was.

    Raises:
        OutputError: it cannot be written, or its folder cannot be made.
    """
    with _made_for_now(path.parent):
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                return  # a pipe or a terminal: to open it would already tell its reader something
            there, real = path.exists(), path.resolve()  # a link stays, whatever it leads to
            with real.open("ab"):
                pass
            if not there:
                real.unlink()
        except OSError as error:
            raise _unwritable(path, error) from None


@contextlib.contextmanager
def _made_for_now(folder: Path) -> Iterator[None]:
    """A folder that is there while the block runs; what had to be made for it is removed again."""
    try:
        missing = list(itertools.takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        make_folder(folder)
        yield
    finally:
        for one in missing:
            with contextlib.suppress(OSError):
                one.rmdir()


def make_folder(folder: Path) -> None:
    """Make it where there is none.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {str(folder)!r} cannot be made: {error.strerror or error}", "choose another place"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write it whole.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}", "choose another place")
