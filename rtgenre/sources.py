"""Which sources there are: ``[source]``, or several ``[[sources]]``, each with a name of its own.

What ``[source]`` says beside ``use`` and ``name`` goes for every one of ``[[sources]]`` that does not say otherwise.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from rtgenre.errors import ConfigError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE_KINDS = ("device", "pulse", "file", "url", "stdin", "demo", "auto")
SOURCE_FORMS = "device, device:NAME, pulse:NAME, file:PATH, url:ADDRESS, stdin, demo or auto"
_TAKES_MORE = {"device": False, "pulse": True, "file": True, "url": True}  # kind → whether it must
_NAMED = re.compile(r"(?P<name>[a-z0-9_-]{1,32})(@(?P<channels>[0-9]+(,[0-9]+)*))?=(?P<use>.*)", re.DOTALL)
_OWN = ("use", "name")  # settings that are never shared

Name = Annotated[str, Meta(pattern=r"^([a-z0-9_-]{1,32})?$", description="use a-z, 0-9, _ and -, at most 32 of them")]
Channel = Annotated[int, Meta(ge=1, le=1024)]
CountOrAuto = Annotated[int, Meta(ge=0, le=1_000_000)]


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sound comes from (``[source]``, or one of ``[[sources]]``)."""

    use: str = "auto"
    name: Name = ""
    sample_rate: CountOrAuto = 0
    channels: Annotated[
        CountOrAuto | list[Channel],
        Meta(description="a number says how many to open, a list such as [3, 4] which to hear, counted from 1"),
    ] = 0
    pick: Annotated[list[Channel], Meta(description="channels are counted from 1; [] means all")] = []
    format: Literal["s16le", "s24le", "s32le", "f32le"] = "s16le"
    realtime: bool = True
    block_samples: Annotated[int, Meta(ge=16, le=65536)] = 1024
    latency_s: Annotated[float, Meta(gt=0.0, le=2.0)] = 0.05
    zeros_restart_s: Annotated[float, Meta(ge=0.0, le=86400.0)] = 30.0
    seed: CountOrAuto = 0

    @property
    def heard(self) -> tuple[int, ...]:
        """Channels to average, from 1; empty for all that are open."""
        return tuple(self.channels if isinstance(self.channels, list) else self.pick)

    @property
    def opened(self) -> int:
        """Channels to open; 0 for the device's own number, at most 2."""
        return max(self.channels, default=0) if isinstance(self.channels, list) else self.channels


def source_kind(use: str) -> tuple[str, str]:
    """Take ``source.use`` apart: kind, and device name, path or address.

    Raises:
        UsageError: it is none of ``SOURCE_FORMS``.
    """
    if use.startswith(("http://", "https://")):
        return "url", use
    kind, colon, rest = use.partition(":")
    if kind not in SOURCE_KINDS:
        raise UsageError(f"there is no source {use!r}; {nearest(kind, SOURCE_KINDS)}", f"choose {SOURCE_FORMS}")
    if (colon and not (kind in _TAKES_MORE and rest)) or (_TAKES_MORE.get(kind) and not rest):
        raise UsageError(f"the source {use!r} is not complete, or too much", f"choose {SOURCE_FORMS}")
    if kind == "url" and not rest.startswith(("http://", "https://")):
        raise UsageError(f"the source {use!r} has no address", "write url:https://HOST/PATH")
    return kind, rest


def asked_for(sources: Sequence[str], others: Mapping[str, object] = MappingProxyType({})) -> dict[str, object]:
    """What ``--source`` on the command line means, as overrides of settings.

    Args:
        sources: each ``USE``, ``NAME=USE`` or ``NAME@3,4=USE``; one alone needs no name.
        others: overrides by other options.

    Raises:
        UsageError: several, and not all have a name; or another option says otherwise.
    """
    tables = [_asked(text) for text in sources]
    if len(tables) <= 1:
        found = {f"source.{key}": value for table in tables for key, value in table.items()}
        for key in found:
            if others.get(key) is not None:
                raise UsageError(f"--source {sources[0]!r} and another option both say {key}", "say it once")
        return found
    for text, table in zip(sources, tables, strict=True):
        if "name" not in table:
            raise UsageError(
                f"--source {text!r} has no name, and there are {len(tables)} sources",
                "write --source NAME=USE, for example --source deck_a@1,2=device:DJM --source deck_b@3,4=device:DJM",
            )
    return {"sources": tables}


def _asked(text: str) -> dict[str, object]:
    found = _NAMED.fullmatch(text)
    if found is None:
        return {"use": text}
    table: dict[str, object] = {"name": found["name"], "use": found["use"]}
    if found["channels"]:
        table["channels"] = [int(channel) for channel in found["channels"].split(",")]
    return table


def shared(values: Mapping[str, object]) -> dict[str, object]:
    """What ``[source]`` says for all of ``[[sources]]``: everything but ``_OWN``."""
    return {key: value for key, value in values.items() if key not in _OWN}


def check_source(source: SourceSettings, where: str) -> None:
    """Look at one source's settings beyond types and ranges.

    Args:
        source: the settings.
        where: how to call it: ``source``, ``sources[2]``.

    Raises:
        UsageError: ``use`` is none of ``SOURCE_FORMS``.
        ConfigError: settings contradict each other, or the name is taken.
    """
    source_kind(source.use)
    if source.name == "heartbeat":
        raise ConfigError(f"{where}.name = 'heartbeat' is taken by the feed itself", "choose another name, such as mic")
    if isinstance(source.channels, list) and source.pick:
        raise ConfigError(
            f"{where} has both channels = {source.channels} and pick = {source.pick}",
            "name the channels once: channels = [3, 4] alone opens enough and hears these",
        )


def check_together(sources: Sequence[SourceSettings]) -> None:
    """Look at several sources beside each other.

    Raises:
        ConfigError: a name is missing or given twice.
    """
    names: list[str] = []
    for number, source in enumerate(sources, start=1):
        if not source.name:
            raise ConfigError(
                f"sources[{number}] ({source.use!r}) has no name", 'each of [[sources]] needs one: name = "deck_a"'
            )
        if source.name in names:
            raise ConfigError(
                f"sources[{names.index(source.name) + 1}] and sources[{number}] are both called {source.name!r}",
                "each of the sources needs a name of its own",
            )
        names.append(source.name)
