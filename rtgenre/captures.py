"""Settings → devices and other sources of sound, not yet started. Each is imported only when it is the one."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rtgenre.errors import ConfigError, UsageError
from rtgenre.sources import source_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.audio.source import Source
    from rtgenre.sources import SourceSettings


def make_source(settings: SourceSettings) -> Source:
    """A source as the settings say, not yet started.

    Args:
        settings: ``auto`` means the default input device; ``daemon`` falls back to the demo where there is none.

    Raises:
        UsageError: ``use`` names no kind of source, or lacks what that kind needs.
    """
    kind, rest = source_kind(settings.use)
    if kind in {"device", "pulse", "auto"}:
        return _make_device(settings, kind, rest)
    if kind == "url":
        from rtgenre.audio.url import UrlSource

        return UrlSource(settings.name or "radio", rest, block_samples=settings.block_samples)
    if kind == "file":
        from rtgenre.audio.file import FileSource

        return FileSource(
            settings.name or "file", Path(rest), realtime=settings.realtime, block_samples=settings.block_samples
        )
    if kind == "stdin":
        from rtgenre.audio.stdin import StdinSource

        if not settings.sample_rate or not settings.opened:
            raise UsageError(
                "raw PCM on stdin does not say what it is",
                "give --rate and --channels (and --format), for example: "
                "ffmpeg -i URL -f s16le -ac 2 -ar 44100 - | rtgenre run --source stdin --rate 44100 --channels 2",
            )
        if sys.stdin is None:
            raise UsageError("stdin is closed, no sound can come from it", "pipe raw PCM in")
        return StdinSource(
            settings.name or "stdin", settings.sample_rate, settings.opened, settings.format, sys.stdin.buffer
        )
    from rtgenre.audio.synth import DemoSource

    return DemoSource(settings.name or "demo", seed=settings.seed, realtime=settings.realtime)


def _make_device(settings: SourceSettings, kind: str, wanted: str) -> Source:
    from rtgenre.audio.capture import DeviceSource
    from rtgenre.audio.ring import DEFAULT_CAPACITY

    return DeviceSource(
        settings.name or "mic",
        "ALSA: pulse" if kind == "pulse" else wanted or None,
        sample_rate=settings.sample_rate,
        channels=settings.opened,
        block_samples=settings.block_samples,
        latency_s=settings.latency_s,
        zeros_restart_s=settings.zeros_restart_s,
        capacity=DEFAULT_CAPACITY * max(1, math.ceil(settings.opened / 2)),  # as many seconds whatever is open
        pulse_source=wanted if kind == "pulse" else "",
    )


def by_device(sources: Sequence[SourceSettings]) -> list[tuple[SourceSettings, ...]]:
    """Put together the sources of one device, which is opened once: those whose ``use`` is the same.

    Args:
        sources: in the order of the settings.

    Raises:
        ConfigError: sources of one device want it opened in different ways.
    """
    devices: dict[object, list[SourceSettings]] = {}
    for number, source in enumerate(sources):
        kind, _ = source_kind(source.use)
        key = source.use.casefold() if kind in {"device", "pulse"} else source.use
        devices.setdefault(number if kind == "demo" else key, []).append(source)
    for first, *others in devices.values():
        for other in others:
            for name in (n for n in first.__struct_fields__ if n not in {"use", "name", "channels", "pick"}):
                if getattr(first, name) != getattr(other, name):
                    raise ConfigError(
                        f"{first.name} and {other.name} share {first.use!r}, but differ in {name}: "
                        f"{getattr(first, name)} and {getattr(other, name)}",
                        "it is opened once, in one way: say it in one place, in [source]",
                    )
    return [tuple(members) for members in devices.values()]


def make_capture(members: Sequence[SourceSettings]) -> Source:
    """The device of one or several sources, not yet started; as many channels are opened as they name.

    Raises:
        UsageError: see ``make_source``.
    """
    opened = max(member.opened for member in members)
    return make_source(msgspec.structs.replace(members[0], channels=opened, pick=[]))
