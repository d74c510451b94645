"""A reader of the web output as overlays and monitors are: over its WebSocket, and looking at its metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_S = 0.1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Overlay:
    """What came so far.

    Attributes:
        messages: in the order of their coming, those of the welcome first.
        metrics: (name, source, genre) → value, of the last page that told of decisions.
        decided: of the first source, at each look: what the metrics say is decided for.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.metrics: dict[tuple[str, str, str], float] = {}
        self.decided: list[str | None] = []

    async def read(self, port: int) -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await asyncio.gather(self._listen(http), self._look(http))

    async def _listen(self, http: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.ws_connect("/ws", max_msg_size=0) as feed:
                    async for message in feed:
                        said = json.loads(message.data)
                        self.messages += said["messages"] if said["kind"] == "welcome" else [said]
            await asyncio.sleep(LOOK_S)

    async def _look(self, http: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get("/metrics") as answer:
                    samples = [
                        s for family in text_string_to_metric_families(await answer.text()) for s in family.samples
                    ]
                found = {(s.name, s.labels.get("source", ""), s.labels.get("genre", "")): s.value for s in samples}
                if any(name == "rtgenre_decision_changes_total" for name, _, _ in found):
                    self.metrics = found
                    now = [genre for (name, _, genre), value in found.items() if name == "rtgenre_decision" and value]
                    self.decided.append(now[0] if now else None)
            await asyncio.sleep(LOOK_S)


@contextmanager
def overlay(port: int) -> Iterator[Overlay]:
    """Reads from now on, whether the output is there already or not."""
    it, loop = Overlay(), asyncio.new_event_loop()
    reading = loop.create_task(it.read(port))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(reading)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield it
    finally:
        loop.call_soon_threadsafe(reading.cancel)
        thread.join()
        loop.close()
