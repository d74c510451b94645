"""The same subscriber for asyncio: servers, bridges, anything with an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import msgspec
import zmq
import zmq.asyncio

from rtgenre.client.reader import Reader
from rtgenre.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rtgenre.client.tally import Received


class AsyncSubscriber(Reader):
    """Receives a feed within an event loop. Arguments and what it does: see ``Reader``.

    One task at a time may wait in ``receive``; ``request`` may be called beside it.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()

    def _open_context(self) -> zmq.Context[Any]:
        return zmq.asyncio.Context()

    async def receive(self, timeout_s: float) -> Received | None:
        """The next message, None when none came in time.

        Raises:
            FeedError: what came is not a message of this version, or the daemon refuses this client; trying goes on.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not self._ready:
            frames = self._early.popleft() if self._early else await self._next_frames(deadline)
            if frames is None:
                return None
            await self._arrived(frames)
        return self._ready.popleft()

    async def __aiter__(self) -> AsyncIterator[Received]:
        """Messages for ever; ends when the subscriber is closed."""
        while not self._socket.closed:
            received = await self.receive(1.0)
            if received is not None:
                yield received

    async def join(self, timeout_s: float = 2.0) -> list[Received]:
        """The present state of all topics, after which ``receive`` goes on without a hole (Clone pattern).

        Waits until something comes, which shows that the subscription works, keeps that, asks for a snapshot, and
        drops later what is not newer.

        Raises:
            FeedError: nobody is there, or this client is refused.
        """
        frames = await self._next_frames(asyncio.get_running_loop().time() + timeout_s)
        if frames is not None:
            self._early.append(frames)
        found = await self.snapshot()
        self._tally.joined()
        return found

    async def snapshot(self) -> list[Received]:
        """The last message of every topic, counted as received: what the feed sends later is newer.

        Raises:
            FeedError: nobody answers.
        """
        return self._tally.take_all(self._tally.read_answer(await self._ask("snapshot")))

    async def request(self, text: str, timeout_s: float = 2.0) -> dict[str, object]:
        """Ask the control port: ``hello``, ``snapshot``, ``stats``, ``reset SOURCE`` or ``since TOPIC SEQ``.

        Raises:
            FeedError: nobody answers, or the answer is an error.
        """
        return msgspec.json.decode(await self._ask(text, timeout_s), type=dict[str, object])

    async def _ask(self, text: str, timeout_s: float = 2.0) -> bytes:
        socket = self._connection.requester(self._context)
        try:
            await socket.send_string(text)
            if not await socket.poll(round(timeout_s * 1000)):
                raise self._connection.no_answer()
            return self._connection.checked(text, await socket.recv())
        finally:
            socket.close()

    async def _next_frames(self, deadline: float) -> list[bytes] | None:
        poller = zmq.asyncio.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        ready = dict(await poller.poll(max(0, round((deadline - asyncio.get_running_loop().time()) * 1000))))
        if self._socket in ready:
            frames: list[bytes] = await self._socket.recv_multipart()
            return frames
        if self._monitor in ready:
            raise self._connection.refusal(await self._monitor.recv_multipart())
        return None

    async def _arrived(self, frames: list[bytes]) -> None:
        message = self._tally.read(frames)
        recovery = self._tally.recovery(message) if self.recover else None
        while recovery and recovery.question:
            try:
                recovery.add(self._tally.read_answer(await self._ask(recovery.question, 1.0)))
            except FeedError:
                break  # it cannot be asked: what is missing is lost
        self._ready.extend(self._tally.take_all([*(recovery.found if recovery else []), message]))
