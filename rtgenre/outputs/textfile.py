"""A text file that says what is heard, for OBS and whatever else reads one. Empty where no genre is decided for.

A template that names ``{own}`` also speaks where a label of one's own is sure and no genre is.
"""

from __future__ import annotations

import os
import string
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rtgenre.errors import ConfigError
from rtgenre.outputs.courier import Courier

if TYPE_CHECKING:
    from rtgenre.outputs import wire
    from rtgenre.outputs.settings import TextSettings

FIELDS: dict[str, object] = {"genre": "disco", "confidence": 0.5, "source": "mic", "track": 1, "own": "my genre"}
"""What a template may name, with an example of each."""


def open_text(settings: TextSettings) -> Courier:
    """The output, not yet started.

    Raises:
        ConfigError: the template names something that there is not.
    """
    check_template(settings.template)
    return Courier("text", TextFile(settings), settings.source)


def check_template(template: str) -> None:
    """See whether a template can be filled in.

    Raises:
        ConfigError: it cannot.
    """
    remedy = f"for example {{genre}} {{confidence:.0%}}; known: {', '.join(FIELDS)}; braces themselves are doubled"
    try:
        if unknown := sorted(_named(template) - FIELDS.keys()):
            raise ConfigError(f"text.template = {template!r} names {unknown[0]!r}, which there is not", remedy)
        template.format(**FIELDS)
    except (ValueError, LookupError) as error:
        raise ConfigError(f"text.template = {template!r} cannot be filled in: {error}", remedy) from None


def _named(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


class TextFile:
    """Keeps the file up to date; see ``courier.Counterpart``.

    A reader never sees half a text: it is written beside the file and takes its place in one step.

    Args:
        settings: where and what.
    """

    def __init__(self, settings: TextSettings) -> None:
        self._path = Path(settings.path).expanduser().absolute()
        self._beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        self._template = settings.template
        self._names_own = "own" in _named(settings.template)
        self._every_s = settings.every_s
        self._said: tuple[str | None, str | None] = None, None
        self._written: str | None = None
        self._t_written = 0.0

    def connect(self) -> None:
        """Begin with an empty file."""
        self._said, self._written = (None, None), None
        self._write("")

    def show(self, message: wire.SourceMessage) -> None:
        """Another genre is written at once, another confidence every now and then."""
        said = message.top, message.own_top if self._names_own else None
        if said != self._said or time.monotonic() - self._t_written >= self._every_s:
            self._said = said
            self._write(self._text(message))

    def beat(self, heartbeat: wire.Heartbeat) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Nothing to do: a file that cannot be written shows when it is."""

    def disconnect(self) -> None:
        """Leave no genre behind."""
        self._beside.unlink(missing_ok=True)

    def _text(self, message: wire.SourceMessage) -> str:
        if self._said == (None, None):
            return ""
        top, own = self._said
        return self._template.format(
            genre=top or "",
            own=own or "",
            confidence=message.confidence,
            source=message.source,
            track=message.track,
        )

    def _write(self, text: str) -> None:
        if text == self._written:
            return
        self._beside.write_text(text, encoding="utf-8")
        self._beside.replace(self._path)
        self._written, self._t_written = text, time.monotonic()
