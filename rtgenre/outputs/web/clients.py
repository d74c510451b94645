"""Browsers that listen over WebSocket; each has a short queue of its own, so that a slow one delays nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

if TYPE_CHECKING:
    from rtgenre.outputs.web.hub import Hub

QUEUE_MESSAGES = 64  # about five seconds of one source
PING_S = 20.0
CLOSE_S = 1.0  # a browser that does not answer a goodbye is left


class Client:
    """One browser."""

    def __init__(self) -> None:
        self.socket = web.WebSocketResponse(
            heartbeat=PING_S, timeout=CLOSE_S, max_msg_size=1024, compress=False, writer_limit=16 * 1024
        )
        self.queue: deque[bytes] = deque()
        self.wake = asyncio.Event()


class Clients:
    """All of them; the web output's thread.

    Args:
        hub: gives a new one the full state.
        most: connections allowed at once.

    Attributes:
        dropped: messages that some browser was too slow for.
        refused: connections turned away because there were too many.
    """

    def __init__(self, hub: Hub, most: int) -> None:
        self.dropped = 0
        self.refused = 0
        self._hub = hub
        self._most = most
        self._all: set[Client] = set()

    def __len__(self) -> int:
        return len(self._all)

    def send(self, body: bytes) -> None:
        """Leave a message for every browser; the oldest goes first where one is too slow."""
        for client in self._all:
            if len(client.queue) >= QUEUE_MESSAGES:
                client.queue.popleft()
                self.dropped += 1
            client.queue.append(body)
            client.wake.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer ``/ws``: the full state, and then every message."""
        if len(self._all) >= self._most:
            self.refused += 1
            return web.Response(status=503, text=f"rtgenre: {self._most} browsers listen already (web.max_clients)\n")
        client = Client()
        self._all.add(client)
        try:
            await client.socket.prepare(request)
            client.queue.appendleft(self._hub.welcome())
            client.wake.set()
            writer = asyncio.create_task(self._write(client))
            try:
                async for _ in client.socket:
                    pass  # nothing is expected from a browser; reading notices that it leaves
            finally:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer
        finally:
            self._all.discard(client)
        return client.socket

    async def close(self) -> None:
        """Say goodbye to all of them."""
        goodbyes = [c.socket.close(code=WSCloseCode.GOING_AWAY, message=b"rtgenre ends") for c in list(self._all)]
        await asyncio.gather(*goodbyes, return_exceptions=True)

    async def _write(self, client: Client) -> None:
        with contextlib.suppress(ConnectionError):  # the browser has left, which the reader sees, too
            while True:
                await client.wake.wait()
                client.wake.clear()
                while client.queue:
                    await client.socket.send_frame(client.queue.popleft(), WSMsgType.TEXT)
