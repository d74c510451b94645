"""What both subscribers have in common: everything but the waiting."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rtgenre.client.connection import DEFAULT_PUBLISH, REFUSALS, Connection, credentials
from rtgenre.client.tally import Received, Tally
from rtgenre.errors import FeedError
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import zmq

    from rtgenre.keys import KeyPair


class Reader:
    """Receives a feed.

    Survives a restart of the daemon and a network that comes and goes: it connects again by itself, and what it
    missed meanwhile is fetched from what the daemon keeps (the last 1024 messages of each topic). Only what can't
    be had any more counts as missed.

    Args:
        publish: address of the feed.
        control: address of its control port; None means the next port.
        topics: prefixes to subscribe to; all by default.
        server_key: public key of the daemon, where it lets in only clients with allowed keys.
        key: this client's own pair, or its file; None takes what ``rtgenre keys make client`` made.
        recover: fetch what was missed; without it, holes are only counted.

    Raises:
        FeedError: an address is not one.
        UsageError: ``server_key`` is no key.
        ConfigError: there is no key of one's own.
    """

    def __init__(
        self,
        publish: str = DEFAULT_PUBLISH,
        control: str | None = None,
        topics: Sequence[str] = (wire.TOPIC_ROOT,),
        *,
        server_key: str | None = None,
        key: KeyPair | Path | None = None,
        recover: bool = True,
    ) -> None:
        self._connection = Connection(publish, control, credentials(server_key, key))
        self.publish, self.control = publish, self._connection.control
        self.recover = recover
        self._tally = Tally(publish, topics)
        self._early: deque[list[bytes]] = deque()  # came while joining
        self._ready: deque[Received] = deque()
        self._context = self._open_context()
        try:
            # zmq's sockets or zmq.asyncio's: the same names, but what the latter return is awaited.
            self._socket: Any = self._connection.subscriber(self._context, topics)
            self._monitor: Any = self._socket.get_monitor_socket(REFUSALS)
            self._connection.connect(self._socket)
        except FeedError:
            self.close()
            raise

    def _open_context(self) -> zmq.Context[Any]:
        raise NotImplementedError

    def close(self) -> None:
        """Give the sockets back; more than once is fine."""
        self._context.destroy(linger=0)

    @property
    def missed(self) -> int:
        """Messages lost for good so far, over all topics."""
        return self._tally.missed

    @property
    def restarts(self) -> int:
        """How often another run of the daemon went on with the feed."""
        return self._tally.restarts

    @property
    def stale(self) -> bool:
        """True when nothing has come for 5 s, not even a heartbeat; asked after ``receive`` found nothing."""
        return self._tally.silent_s > wire.STALE_AFTER_S
