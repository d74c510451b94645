"""A recording on the feed again, at its pace or another, with sessions, numbers and clocks of its own.

Overlays and programs cannot tell it from a daemon, but for the word "replay" in the description of its sources.
"""

from __future__ import annotations

import math
import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from rtgenre import __version__
from rtgenre.outputs import wire
from rtgenre.recording.timeline import Timeline

if TYPE_CHECKING:
    import threading

    from rtgenre.outputs.zmq_feed import ZmqFeed
    from rtgenre.recording.reader import Recording

Spoken = wire.PosteriorMessage | wire.DecisionMessage | wire.StateMessage | wire.TrackMessage

HEARTBEAT_S = 1.0
ROOM = 1024  # messages waiting for the feed at which we wait for it


class Replay:
    """Gives the messages of a recording to a feed when they are due; one thread, but for the answers.

    Args:
        recording: what to play.
        speed: 1 for its own pace, 10 for ten times as fast.
        stop: set to end early; ends a wait, too.

    Attributes:
        session: of this replay; another one for each session of the recording, and each time it is played.
        sent: messages so far, heartbeats not counted.
        labels: genres.
    """

    def __init__(
        self,
        recording: Recording,
        speed: float,
        stop: threading.Event,
    ) -> None:
        self.session = str(uuid.uuid4())
        self.sent = 0
        self.labels: tuple[str, ...] = ()
        self._recording = recording
        self._speed = speed
        self._stop = stop
        self._feed: ZmqFeed | None = None
        self._recorded_session = ""
        self._seq: dict[str, int] = {}
        self._t_start = time.monotonic()
        self._t_beat = -math.inf
        self._model = wire.ModelId("", "")
        self._sources: dict[str, wire.SourceReport] = {}
        self._own_labels: tuple[str, ...] = ()
        self._device = "replay"
        self._began: tuple[float, float] | None = None  # monotonic clock and place in the recording, s

    def play(self, feed: ZmqFeed) -> None:
        """Play it once, from its beginning.

        Args:
            feed: where; its ``hello``, ``stats`` and ``reset`` are answered by the methods below.

        Raises:
            FeedError: there is no message in it.
        """
        self._feed = feed
        self._recorded_session = ""
        timeline = Timeline()
        for message in self._recording.messages():
            if self._stop.is_set():
                return
            if message.session != self._recorded_session:
                self._begin(message.session)
            if isinstance(message, wire.Heartbeat):
                self._learn(message)
                continue
            if isinstance(message, wire.PosteriorMessage):
                self.labels, self._model = tuple(message.probs), message.model
                self._sources.setdefault(message.source, _report(message))
                self._wait_for(timeline.place(message), feed)
            self._send(message, feed)
        self._beat(feed)

    # Answers to requests, in the feed's thread.

    def hello(self, _rest: str) -> dict[str, object]:
        """Who speaks here."""
        return {
            "version": __version__,
            "schema": wire.SCHEMA_VERSION,
            "session": self.session,
            "sources": list(self._sources),
            "labels": list(self.labels),
            "own_labels": list(self._own_labels),
            "model": self._model,
            "replay": self._recording.path.name,
        }

    def stats(self, _rest: str) -> dict[str, object]:
        """The present heartbeat."""
        return {"stats": self._heartbeat()}

    def reset(self, _rest: str) -> dict[str, object]:
        """Nothing listens here.

        Raises:
            ValueError: always.
        """
        raise ValueError("this is the replay of a recording: there is no model to reset")

    # Playing.

    def _begin(self, recorded_session: str) -> None:
        """A daemon was started anew there, so it is here; how long nothing was running is left out."""
        if self._seq:
            self.session = str(uuid.uuid4())
        self._recorded_session = recorded_session
        self._seq.clear()
        self._sources = {}
        self._began = None

    def _learn(self, recorded: wire.Heartbeat) -> None:
        """Remember what a heartbeat says; ours beat by our own clock."""
        self._model, self._own_labels, self._device = recorded.model, recorded.own_labels, recorded.device
        self._sources = {name: _marked(report) for name, report in recorded.sources.items()}

    def _wait_for(self, place_s: float, feed: ZmqFeed) -> None:
        """Sleep until a place in the recording is due, with heartbeats meanwhile."""
        now = time.monotonic()
        if self._began is None:
            self._began = now, place_s
        due = self._began[0] + (place_s - self._began[1]) / self._speed
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= self._t_beat + HEARTBEAT_S:
                self._beat(feed)
            if now >= due and len(feed.mailbox) < ROOM:
                return
            self._stop.wait(min(max(due - now, 0.001), max(0.001, self._t_beat + HEARTBEAT_S - now)))

    def _send(self, message: Spoken, feed: ZmqFeed) -> None:
        topic = wire.topic(message.source, str(message.__struct_config__.tag))
        now_ns = time.monotonic_ns()
        spent = message.latency_ms
        before_ms = spent.total - spent.publish
        fresh = msgspec.structs.replace(
            message,
            session=self.session,
            seq=self._next(topic),
            # As old as it was then, by the clock of this machine.
            t_audio_ns=now_ns - round(before_ms * 1e6),
            latency_ms=msgspec.structs.replace(spent, publish=0.0, total=round(before_ms, 4)),
        )
        feed.mailbox.put(wire.Envelope(topic, fresh, now_ns))
        self.sent += 1

    def _next(self, topic: str) -> int:
        self._seq[topic] = seq = self._seq.get(topic, -1) + 1
        return seq

    def _beat(self, feed: ZmqFeed) -> None:
        self._t_beat = time.monotonic()
        heartbeat = msgspec.structs.replace(self._heartbeat(), seq=self._next(wire.HEARTBEAT_TOPIC))
        feed.mailbox.put(wire.Envelope(wire.HEARTBEAT_TOPIC, heartbeat, time.monotonic_ns()))

    def _heartbeat(self) -> wire.Heartbeat:
        return wire.Heartbeat(
            session=self.session,
            seq=max(0, self._seq.get(wire.HEARTBEAT_TOPIC, 0)),
            t_publish_ns=time.monotonic_ns(),
            t_wall=wire.wall_clock(),
            version=__version__,
            uptime_s=round(time.monotonic() - self._t_start, 3),
            device=self._device,
            model=self._model,
            sources=self._sources,
            subscribers=self._feed.subscribers if self._feed else 0,
            feed_dropped=self._feed.dropped if self._feed else 0,
            own_labels=self._own_labels,
        )


def _marked(report: wire.SourceReport) -> wire.SourceReport:
    return msgspec.structs.replace(report, description=f"{report.description} (replay)")


def _report(message: wire.PosteriorMessage) -> wire.SourceReport:
    """What is known of a source before the recording's first heartbeat."""
    counters = dict.fromkeys(set(wire.SourceReport.__struct_fields__) - {"description", "state", "notice"}, 0)
    return wire.SourceReport(description=f"{message.source} (replay)", state=message.state, notice="", **counters)
