"""A web output that runs, and a daemon that talks to it: what the tests of this folder share."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import msgspec

from rtgenre.outputs import wire
from rtgenre.outputs.settings import WebSettings
from rtgenre.outputs.web import WebOutput
from tests.outputs import story

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"  # noqa: S105 - opens nothing
RATE_HZ = 20


@contextmanager
def started(**settings: object) -> Iterator[WebOutput]:
    output = WebOutput(WebSettings(**({"port": 0} | settings)))  # type: ignore[arg-type]
    output.start()
    try:
        yield output
    finally:
        output.close()


class Talker:
    """Says what a daemon would, twenty hops and five heartbeats a second, until it is told otherwise."""

    def __init__(self, output: WebOutput, *sources: str) -> None:
        self.session = str(uuid.uuid4())
        self.playing: dict[str, str | None] = dict.fromkeys(sources or ("demo",), "jazz")
        self.own: dict[str, float] = {}  # probabilities of one's own labels
        self._output = output
        self._seq: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.hop(heartbeat=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def hop(self, *, heartbeat: bool) -> None:
        """One hop of every source."""
        if heartbeat:
            reports = {name: story.report(state="music" if g else "silence") for name, g in self.playing.items()}
            self._put(wire.HEARTBEAT_TOPIC, story.heartbeat(session=self.session, **reports))
        for source, genre in self.playing.items():
            probs = dict.fromkeys(story.LABELS, 0.02)
            probs[genre or "pop"] = 0.7
            probs["rock"] += 0.1
            state: wire.StateName = "music" if genre else "silence"
            message = story.posterior(0, 0, probs, state=state, source=source, session=self.session)
            self._put(wire.topic(source, "posterior"), msgspec.structs.replace(message, own=self.own))

    def _put(self, topic: str, message: wire.Message) -> None:
        seq = self._seq[topic] = self._seq.get(topic, -1) + 1
        numbered = msgspec.structs.replace(message, seq=seq)
        self._output.mailbox.put(wire.Envelope(topic, numbered, time.monotonic_ns()))

    def _run(self) -> None:
        k = 0
        while not self._stop.wait(1 / RATE_HZ):
            k += 1
            self.hop(heartbeat=k % 4 == 0)


def get(output: WebOutput, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(output.address + path, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def get_json(output: WebOutput, path: str) -> dict[str, object]:
    return json.loads(get(output, path)[1])
