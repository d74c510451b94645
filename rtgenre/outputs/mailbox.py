"""A bounded queue between the engine and one output: the oldest goes first when it is full, and is counted."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Many writers, one reader; a writer never waits for the reader.

    A socket pair wakes the reader, because a socket can be polled beside others (ZeroMQ's among them) on every
    operating system.

    Args:
        capacity: items kept; one more drops the oldest.

    Attributes:
        dropped: items that the reader was too slow for.
        ignored: items that came after the reader had ended.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lock = threading.Lock()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._closed = False
        self.dropped = 0
        self.ignored = 0

    def put(self, item: T) -> None:
        """Leave an item; any thread. Never blocks. An item put after ``close`` is ignored."""
        with self._lock:
            if self._closed:
                self.ignored += 1
                return
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            # A full socket means that a wake-up is already under way.
            with contextlib.suppress(BlockingIOError):
                self._writer.send(b"\0")

    def __len__(self) -> int:
        """Items waiting; any thread."""
        return len(self._items)

    def drain(self) -> list[T]:
        """Take everything there is, oldest first; the reader's thread only."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                while len(self._reader.recv(4096)) == 4096:
                    pass
            items = list(self._items)
            self._items.clear()
        return items

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something is put, the mailbox is closed or the time is over; the reader's thread only."""
        return bool(select.select([self._reader], [], [], timeout_s)[0])

    def fileno(self) -> int:
        """Descriptor that is readable when there is something to take."""
        return self._reader.fileno()

    @property
    def socket(self) -> socket.socket:
        """The reading end, for pollers that want a socket."""
        return self._reader

    @property
    def closed(self) -> bool:
        """True once nothing more will come."""
        return self._closed

    def close(self) -> None:
        """Say that nothing more will come and wake the reader; any thread, more than once is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._writer.close()

    def end(self, reader: threading.Thread, timeout_s: float) -> bool:
        """Say that nothing more will come and wait for its reader, which releases it; any other thread.

        Args:
            reader: one that was never started cannot release it, so it is done here.
            timeout_s: how long to wait.

        Returns:
            False where the time was over before the reader had ended.
        """
        self.close()
        if reader.ident is None:
            self.release()
        else:
            reader.join(timeout_s)
        return not reader.is_alive()

    def release(self) -> None:
        """Give the reading end back; the reader calls it last."""
        self.close()
        self._reader.close()
