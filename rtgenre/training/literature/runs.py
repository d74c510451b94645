"""The kept run file: one JSON line a fit, only ever added to, so that what was broken off goes on where it was."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from rtgenre.errors import OutputError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class Runs:
    """Fits that were run, by key. One process writes at a time.

    Args:
        path: the file; made with the first fit.

    Raises:
        SourceError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, dict[str, Any]] = {}
        self._ends_cleanly = True
        try:
            lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [""]
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}", "name another file with --runs") from error
        self._ends_cleanly = lines[-1] == ""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                run = json.loads(line)
                self._by_key[run["key"]] = run
            except (ValueError, KeyError, TypeError):
                _log.warning("%s, line %d is no run (broken off?); that fit is run again", path, number)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def get(self, key: str) -> dict[str, Any] | None:
        """The run of a key, the latest; None where there is none."""
        return self._by_key.get(key)

    def all(self) -> list[dict[str, Any]]:
        """Every run, the latest of each key, in the order in which keys first came."""
        return list(self._by_key.values())

    def add(self, run: dict[str, Any]) -> None:
        """Write a run at once.

        Raises:
            OutputError: it cannot be written.
        """
        line = json.dumps(run, separators=(",", ":"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(("" if self._ends_cleanly else "\n") + line + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}", "choose another place"
            ) from None
        self._ends_cleanly = True
        self._by_key[run["key"]] = run
