"""The capture child: ``python -m rtgenre.audio.device``, the only place where PortAudio is loaded.

PortAudio may hang when it is imported, opened, stopped or closed, and may abort its process: so it lives alone in
this small process, which imports nothing large, is watched by its heartbeat and killed when it stops. It leaves
only by ``os._exit`` (a normal exit would close PortAudio) and never outlives its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

from rtgenre.audio.bell import Ringer
from rtgenre.audio.inputs import InputDevice, choose_input, explain_refusal
from rtgenre.audio.ring import ChildState, RingWriter
from rtgenre.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_STANDARD_RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
_LOOK_S = 0.1


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the child: list the devices, or capture until killed."""
    parser = argparse.ArgumentParser(prog="python -m rtgenre.audio.device", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the input devices as JSON and leave")
    parser.add_argument("--ring", help="shared memory to fill")
    parser.add_argument("--bell", type=int, default=-1, help="inherited file descriptor to ring")
    parser.add_argument("--device", default="", help="'hostapi: name' or a unique part; empty: the default input")
    parser.add_argument("--rate", type=int, default=0, help="Hz; 0: the device's own")
    parser.add_argument("--channels", type=int, default=0, help="0: two where the device has them")
    parser.add_argument("--block", type=int, default=1024, help="frames in a block")
    parser.add_argument("--latency", type=float, default=0.1, help="buffering to ask for, seconds")
    asked = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon
    if asked.list:
        _leave(_print_devices())
    _die_with_parent()
    ring = RingWriter(asked.ring)
    try:
        _capture(asked, ring)
    except DeviceError as error:
        ring.tell(ChildState.FAILED, f"{error.message}\0{error.remedy}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must be told, not stderr
        ring.tell(ChildState.FAILED, f"capture broke: {type(error).__name__}: {error}")
    _leave(1)


def _print_devices() -> int:
    try:
        answer: dict[str, Any] = {"devices": [asdict(d) for d in _input_devices(_load_portaudio())]}
    except DeviceError as error:
        answer = {"error": [error.message, error.remedy]}
    print(json.dumps(answer), flush=True)
    return 0


def _capture(asked: argparse.Namespace, ring: RingWriter) -> None:
    """Open the device and fill the ring until the stream ends, which is always an error."""
    sd = _load_portaudio()
    device = choose_input(_input_devices(sd), asked.device)
    rate = asked.rate or round(device.default_samplerate)
    channels = asked.channels or min(2, device.max_input_channels)
    if channels > device.max_input_channels:
        raise explain_refusal(device, rate, channels, code=-9998, text="", rates_taken=())
    ringer = Ringer(asked.bell)
    over = threading.Event()
    broken: list[str] = []
    ring.set_format(rate, channels)

    def on_block(block: Any, n_frames: int, _time: object, status: Any) -> None:
        # Real-time thread: copy, count, ring; nothing else.
        try:
            ring.write(memoryview(block).cast("B"), n_frames, int(status.input_overflow), time.monotonic_ns())
            ringer.ring()
        except BaseException as error:  # noqa: BLE001 - PortAudio would print it and go silent
            broken.append(f"{type(error).__name__}: {error}")
            over.set()

    try:
        stream = sd.RawInputStream(
            device=device.index, samplerate=rate, channels=channels, dtype="float32", blocksize=asked.block,
            latency=asked.latency, callback=on_block, finished_callback=over.set,
        )  # fmt: skip
        stream.start()
    except sd.PortAudioError as error:
        text, code = str(error.args[0]), int(error.args[1]) if len(error.args) > 1 else 0
        taken, pulse_source = _rates_taken(sd, device, channels), os.environ.get("PULSE_SOURCE", "")
        raise explain_refusal(device, rate, channels, code, text, taken, pulse_source) from error
    ring.tell(ChildState.RUNNING, device.full_name)
    _silence_stderr()
    while not over.wait(_LOOK_S) and stream.active:
        pass
    reason = f" ({broken[0]})" if broken else ""
    raise DeviceError(f"the stream of {device.full_name!r} ended: device or sound server gone{reason}")


def _load_portaudio() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except OSError as error:
        raise DeviceError(
            f"PortAudio cannot be loaded: {error}",
            "install it: `apt install libportaudio2` (Debian, Ubuntu), `dnf install portaudio` (Fedora), "
            "`brew install portaudio` (macOS)",
        ) from error
    except ImportError as error:
        raise DeviceError(f"sounddevice cannot be imported: {error}", "pip install sounddevice") from error
    except Exception as error:
        raise DeviceError(f"PortAudio does not start: {error}", "see whether the sound server runs") from error


def _input_devices(sd: Any) -> list[InputDevice]:
    hostapis = sd.query_hostapis()
    try:
        default = int(sd.query_devices(kind="input")["index"])
    except (sd.PortAudioError, ValueError):
        default = -1
    return [
        InputDevice(
            index=int(d["index"]),
            name=str(d["name"]),
            hostapi=str(hostapis[d["hostapi"]]["name"]),
            max_input_channels=int(d["max_input_channels"]),
            default_samplerate=float(d["default_samplerate"]),
            is_default=d["index"] == default,
        )
        for d in sd.query_devices()
        if d["max_input_channels"] > 0
    ]


def _rates_taken(sd: Any, device: InputDevice, channels: int) -> tuple[int, ...]:
    taken = []
    for rate in _STANDARD_RATES:
        with suppress(sd.PortAudioError):
            sd.check_input_settings(device=device.index, channels=channels, dtype="float32", samplerate=rate)
            taken.append(rate)
    return tuple(taken)


def _die_with_parent() -> None:
    """Leave when the parent goes: its end of our stdin closes; on Linux the kernel kills us besides."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait_for_eof() -> None:
        with suppress(OSError):
            while os.read(0, 64):
                pass
        _leave(0)

    threading.Thread(target=wait_for_eof, name="parent-watch", daemon=True).start()


def _silence_stderr() -> None:
    """Sound libraries may write for weeks; what matters was written while opening."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _leave(code: int) -> NoReturn:
    os._exit(code)


if __name__ == "__main__":
    main()
