"""``rtgenre devices``: what can be listened to."""

from __future__ import annotations

import dataclasses

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rtgenre.audio.capture import list_devices
from rtgenre.errors import EX_OK, DeviceError


def show(*, as_json: bool) -> int:
    """List the input devices.

    Raises:
        DeviceError: there is none, or the sound system does not answer.
    """
    found = list_devices()
    if not found:
        raise DeviceError(
            "there is no input device", "`rtgenre doctor` says more; `rtgenre run --source demo` needs none"
        )
    if as_json:
        for device in found:
            print(msgspec.json.encode({**dataclasses.asdict(device), "full_name": device.full_name}).decode())
        return EX_OK
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("", "left"), ("device", "left"), ("channels", "right"), ("Hz", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for device in found:
        mark = "[green]●[/]" if device.is_default else ""
        table.add_row(
            mark, escape(device.full_name), str(device.max_input_channels), f"{device.default_samplerate:.0f}"
        )
    console.print(table)
    console.print("[dim]● is the default. Choose by name or a part of it: rtgenre run --source device:NAME[/]")
    return EX_OK
