"""Input devices and how they are named: ``"hostapi: name"`` or any unique part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtgenre.errors import DeviceError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An input device as PortAudio lists it.

    Attributes:
        index: PortAudio's index; changes when devices come and go.
        name: the device's own name.
        hostapi: the sound system that offers it (``ALSA``, ``Core Audio``, ``Windows WASAPI`` …).
        max_input_channels: channels it offers.
        default_samplerate: Hz.
        is_default: True for the system's default input.
    """

    index: int
    name: str
    hostapi: str
    max_input_channels: int
    default_samplerate: float
    is_default: bool

    @property
    def full_name(self) -> str:
        """``"hostapi: name"``."""
        return f"{self.hostapi}: {self.name}"


def choose_input(devices: Sequence[InputDevice], wanted: str | None) -> InputDevice:
    """Find the device that a name means.

    Args:
        devices: what there is.
        wanted: ``"hostapi: name"``, a unique part of it in any case, an index, or None for the default.
            A name in full, and then an index, wins over a part of a name.

    Raises:
        DeviceError: there is none, or more than one.
    """
    if not devices:
        raise DeviceError(
            "there is no sound input device on this machine",
            "plug one in or start the sound server, look with `rtgenre devices`, or use `--source demo`",
        )
    if wanted is None or not wanted.strip():
        return _default(devices)
    key = wanted.strip().casefold()
    matches = (
        [d for d in devices if d.full_name.casefold() == key]
        or [d for d in devices if d.name.casefold() == key]
        or [d for d in devices if key == str(d.index)]
        or [d for d in devices if key in d.full_name.casefold()]
    )
    names = [d.full_name for d in devices]
    if not matches:
        near = nearest(wanted, [d.name for d in devices])
        near = near if near.startswith("did you mean") else nearest(wanted, names)
        raise DeviceError(f"there is no input device {wanted!r}; {near}", "look with `rtgenre devices`")
    if len(matches) > 1:
        found = ", ".join(f"{d.full_name!r} (index {d.index})" for d in matches)
        raise DeviceError(f"{wanted!r} means {len(matches)} input devices: {found}", "name one of them in full")
    return matches[0]


def _default(devices: Sequence[InputDevice]) -> InputDevice:
    for device in devices:
        if device.is_default:
            return device
    names = ", ".join(repr(d.full_name) for d in devices)
    raise DeviceError("the sound system has no default input device", f"name one: {names}")


_INVALID_CHANNELS = -9998
_INVALID_RATE = -9997
_UNAVAILABLE = -9985


def explain_refusal(
    device: InputDevice,
    sample_rate: int,
    channels: int,
    code: int,
    text: str,
    rates_taken: Sequence[int],
    pulse_source: str = "",
) -> DeviceError:
    """Put PortAudio's refusal to open into words.

    Args:
        device: the device that refused.
        sample_rate: what was asked for, Hz.
        channels: what was asked for.
        code: PortAudio's error code.
        text: PortAudio's own message.
        rates_taken: the standard rates that the device does take, Hz.
        pulse_source: what the device ``pulse`` was to capture; empty for the server's own choice.

    Returns:
        The error to raise.
    """
    name = device.full_name
    if code == _INVALID_CHANNELS:
        return DeviceError(f"{name!r} does not give {channels} channels", f"it offers 1 to {device.max_input_channels}")
    if code == _INVALID_RATE:
        offered = ", ".join(str(r) for r in rates_taken) or f"{device.default_samplerate:g}"
        return DeviceError(f"{name!r} does not take {sample_rate} Hz", f"it takes {offered} Hz; 0 means its own rate")
    if code == _UNAVAILABLE or "busy" in text.casefold():
        return DeviceError(
            f"{name!r} is busy: another program holds it ({text})",
            "close that program, or capture through the sound server (`pulse`, `pipewire`, `default`)",
        )
    if pulse_source:
        return DeviceError(
            f"the sound server gives no source {pulse_source!r} ({name}: {text})",
            "`pactl list short sources` names those that it has",
        )
    return DeviceError(f"{name!r} cannot be opened: {text}", "see whether it is plugged in and its sound server runs")
