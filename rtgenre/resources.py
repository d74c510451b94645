"""Where shipped files are: beside the package in a wheel, at the top of the repository in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def find(relative: str) -> Path | None:
    """Path of a shipped file or folder such as ``models/gtzan-lstm``; None where there is none."""
    for root in (_PACKAGE / "bundled", _PACKAGE.parent):
        if (root / relative).exists():
            return root / relative
    return None


def shipped_models() -> dict[str, Path]:
    """Name → folder of the models that came with the program."""
    folder = find("models")
    if folder is None:
        return {}
    return {entry.name: entry for entry in sorted(folder.iterdir()) if (entry / "model.json").is_file()}
