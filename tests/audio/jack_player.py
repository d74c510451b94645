"""A JACK client that plays a file when a line arrives on stdin: ``jack_player.py WAV NAME``."""

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
    playing = threading.Event()
    position = 0

    @client.set_process_callback
    def fill(n_frames: int) -> None:
        nonlocal position
        part = sound[position : position + n_frames] if playing.is_set() else sound[:0]
        position += len(part)
        for c, port in enumerate(ports):
            out = port.get_array()
            out[:] = 0
            out[: len(part)] = part[:, c]

    with client:
        print("ready", flush=True)
        for _ in sys.stdin:
            playing.set()


if __name__ == "__main__":
    main()
