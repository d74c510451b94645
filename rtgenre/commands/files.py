"""Folders and pages that commands write: one clear error where they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make it where there is none: before hours of work, not after them.

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
        raise OutputError(f"{path} cannot be written: {error.strerror or error}", "choose another place") from None
