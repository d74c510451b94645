"""The control port: requests in, answers out; whatever comes is answered, and nothing that comes can hurt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
import zmq

from rtgenre.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 16 << 20  # up to here a request that is too long gets an answer; beyond, its connection is cut

Answer = dict[str, object]


class Control:
    """Answers on a ROUTER socket; belongs to the feed's thread.

    Args:
        socket: bound.
        requests: word → function of the rest of the request, giving the answer's fields. A raised ``ValueError``
            becomes an error reply.
        hear: given a frame of each request, for its connection.

    Attributes:
        refused: requests answered with an error, and answers that nobody took.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        requests: Mapping[str, Callable[[str], Answer]],
        hear: Callable[[zmq.Frame], object],
    ) -> None:
        self.refused = 0
        self._hear = hear
        self._socket = socket
        self._requests = dict(requests)

    def answer(self) -> None:
        """Take one request and answer it."""
        frames = self._socket.recv_multipart(copy=False)
        self._hear(frames[-1])
        # REQ puts an empty frame between identity and body, and so does every proxy on the way; DEALER need not.
        ends = [at for at, frame in enumerate(frames[:-1]) if at and not len(frame)]
        head = 1 + (ends[0] if ends else 0)
        reply = self._reply(frames[head:])
        self.refused += not reply["ok"]
        try:
            envelope = [frame.bytes for frame in frames[:head]]
            self._socket.send_multipart((*envelope, msgspec.json.encode(reply)), zmq.NOBLOCK)
        except zmq.ZMQError as error:  # gone, or asks without ever reading
            self.refused += 1
            log.debug("an answer on the control port was lost: %s", error)

    def _reply(self, frames: list[zmq.Frame]) -> Answer:
        word = ""
        try:
            word, rest = _words(frames, self._requests)
            return {"ok": True, "request": word, **self._requests[word](rest)}
        except ValueError as error:
            return {"ok": False, "request": word[:40], "error": str(error)}
        except Exception:  # a defect of ours must not silence the feed
            log.exception("the request %r failed", word)
            return {"ok": False, "request": word, "error": "the daemon failed to answer; its log says why"}


def _words(frames: list[zmq.Frame], known: Collection[str]) -> tuple[str, str]:
    """The first word of a request, which must be a known one, and the rest of it."""
    size = sum(map(len, frames))
    if len(frames) != 1:
        raise ValueError(f"a request is one frame, this has {len(frames)}; for example: hello")
    if size > MAX_REQUEST_BYTES:
        raise ValueError(f"a request has at most {MAX_REQUEST_BYTES} bytes, this has {size}")
    try:
        word, _, rest = frames[0].bytes.decode().strip().partition(" ")
    except UnicodeDecodeError:
        raise ValueError("a request is UTF-8 text, for example: hello") from None
    if word not in known:
        raise ValueError(f"unknown request {word[:40]!r}: {nearest(word[:40], known)}")
    return word, rest.strip()
