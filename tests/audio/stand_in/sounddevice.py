"""Stands in for sounddevice in the capture child, for faults that no sound server can be made to show.

``STAND_IN`` says which: ``busy``, ``lying`` (delivers 44100 frames a second whatever it is asked for),
``overflowing`` (each tenth block is flagged), ``stopping`` (ends after ten blocks).
"""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace

_FAULT = os.environ["STAND_IN"]
_DEVICE = {"index": 0, "name": "stand-in", "hostapi": 0, "max_input_channels": 2, "default_samplerate": 48000.0}


class PortAudioError(Exception):
    pass


def query_hostapis():
    return ({"name": "Test", "default_input_device": 0},)


def query_devices(kind=None):
    return _DEVICE if kind == "input" else [_DEVICE]


def check_input_settings(**_settings):
    pass


class RawInputStream:
    def __init__(self, samplerate, channels, blocksize, callback, finished_callback, **_other):
        if _FAULT == "busy":
            raise PortAudioError("Error opening RawInputStream: Device unavailable [PaErrorCode -9985]", -9985)
        self.active = True
        self._rate = 44100 if _FAULT == "lying" else samplerate
        self._block = bytearray(b"\0\0\0\x3f" * channels * blocksize)  # 0.5
        self._frames = blocksize
        self._callback = callback
        self._finished = finished_callback

    def start(self):
        threading.Thread(target=self._deliver, daemon=True).start()

    def _deliver(self):
        began = time.monotonic()
        for i in range(1, 11 if _FAULT == "stopping" else 1_000_000):
            time.sleep(max(0.0, began + i * self._frames / self._rate - time.monotonic()))
            status = SimpleNamespace(input_overflow=_FAULT == "overflowing" and i % 10 == 0)
            self._callback(self._block, self._frames, None, status)
        self.active = False
        self._finished()
