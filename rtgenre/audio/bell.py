"""A bell between two processes: the capture child rings, the daemon wakes up.

A pipe that nobody ever waits on to write: when it is full, the bell has been rung already. One way for all
POSIX systems (eventfd would do the same on Linux alone), and a pipe also tells at once that the child is gone.
Where a child cannot inherit a pipe end that can be waited on (Windows), waiting is a short sleep.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

_SLEEP_S = 0.004
_HAS_POLL = hasattr(select, "poll")


class Bell:
    """The waiting side. One thread at a time.

    Attributes:
        fd_for_child: the end that rings, to be inherited by the child (``pass_fds``); -1 where there is none.
    """

    def __init__(self) -> None:
        self.fd_for_child = -1
        self._read_fd = -1
        if _HAS_POLL:
            self._read_fd, self.fd_for_child = os.pipe()
            os.set_blocking(self._read_fd, False)
            os.set_blocking(self.fd_for_child, False)
            self._poll = select.poll()
            self._poll.register(self._read_fd, select.POLLIN)

    def forget_child_end(self) -> None:
        """Close our copy of the child's end, so that the child's death is seen. Call it after the spawn."""
        if self.fd_for_child >= 0:
            os.close(self.fd_for_child)
            self.fd_for_child = -1

    def wait(self, timeout_s: float) -> None:
        """Sleep until the bell rings, the child is gone or the time is over; may return early."""
        if timeout_s <= 0:
            return
        if self._read_fd < 0:
            time.sleep(min(timeout_s, _SLEEP_S))
            return
        if self._poll.poll(max(1, round(timeout_s * 1000))):
            self.clear()

    def clear(self) -> None:
        """Forget that it has rung. Look into the ring afterwards, before waiting: then nothing is missed."""
        if self._read_fd >= 0:
            with contextlib.suppress(BlockingIOError):
                if not os.read(self._read_fd, 4096):
                    self._close_read_end()  # the child is gone: further waits are short sleeps

    def close(self) -> None:
        """Close both ends; may be called twice."""
        self.forget_child_end()
        self._close_read_end()

    def _close_read_end(self) -> None:
        if self._read_fd >= 0:
            self._poll.unregister(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1


class Ringer:
    """The ringing side, in the capture child; safe in a real-time callback.

    Args:
        fd: the inherited end of the pipe; -1 makes ``ring`` do nothing.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ring(self) -> None:
        """Wake the daemon; never blocks, never raises."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # full: rung already; broken: the daemon is gone
                os.write(self._fd, b"\0")
