"""A JACK client that plays a file, from its beginning, at each line on stdin: ``jack_player.py WAV NAME``."""

from __future__ import annotations

import sys
import threading

import jack
import soundfile


def main() -> None:
    sound, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
    client = jack.Client(sys.argv[2], no_start_server=True)
    assert client.samplerate == rate
    ports = [client.outports.register(f"out_{c + 1}") for c in range(sound.shape[1])]
    begin = threading.Event()
    position = len(sound)

    @client.set_process_callback
    def fill(n_frames: int) -> None:
        nonlocal position
        if begin.is_set():
            begin.clear()
            position = 0
        part = sound[position : position + n_frames]
        position += len(part)
        for c, port in enumerate(ports):
            out = port.get_array()
            out[:] = 0
            out[: len(part)] = part[:, c]

    with client:
        print("ready", flush=True)
        for _ in sys.stdin:
            begin.set()


if __name__ == "__main__":
    main()
