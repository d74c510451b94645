"""A JACK client beside rtgenre: prints every MIDI event as hex digits, sends those that come as lines on stdin."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading

import jack

OUT, IN = "rtgenre:rtgenre", "rtgenre-in:in"


class Stage:
    """One port in, one out, connected to rtgenre's as soon as they are there."""

    def __init__(self) -> None:
        self.client = jack.Client("stage", no_start_server=True)
        self.ear = self.client.midi_inports.register("ear")
        self.hand = self.client.midi_outports.register("hand")
        self.heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.to_send: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.connected: set[str] = set()
        self.client.set_process_callback(self.pass_on)
        self.client.set_shutdown_callback(lambda _status, _reason: os._exit(0))

    def pass_on(self, _n_frames: int) -> None:
        for _offset, event in self.ear.incoming_midi_events():
            self.heard.put(bytes(event).hex())
        self.hand.clear_buffer()
        while not self.to_send.empty():
            self.hand.write_midi_event(0, self.to_send.get())

    def connect(self) -> None:
        there = {port.name for port in self.client.get_ports(is_midi=True)} & {OUT, IN}
        for name in there - self.connected:
            self.client.connect(*((OUT, self.ear) if name == OUT else (self.hand, IN)))
            print("connected" if name == OUT else "can press", flush=True)
        for name in self.connected - there:
            print("gone" if name == OUT else "cannot press", flush=True)
        self.connected = there

    def press(self) -> None:
        for line in sys.stdin:
            self.to_send.put(bytes.fromhex(line.strip()))
        os._exit(0)

    def run(self) -> None:
        with self.client:
            threading.Thread(target=self.press, daemon=True).start()
            while True:
                self.connect()
                with contextlib.suppress(queue.Empty):
                    while True:
                        print(self.heard.get(timeout=0.02), flush=True)


if __name__ == "__main__":
    Stage().run()
