"""What the screen knows: all messages so far, reduced. No drawing here, and no clock but the messages' own."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

STAGES = ("capture", "frontend", "model", "publish", "total")
LATENCY_WINDOW_S = 60.0
PEAK_HOLD_S = 1.5
PEAK_FALL_DB_PER_S = 20.0
LEVEL_FALL_DB_PER_S = 40.0
STRIP_S = 1800

Heard = tuple[str, str | None]
"""State, and the genre where the state is ``music``."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second of decisions.

    Attributes:
        index: whole seconds of the daemon's monotonic clock.
        heard: what was decided for most of it.
        confidence: mean over the second.
        track: number of the track at its end.
    """

    index: int
    heard: Heard
    confidence: float
    track: int = 0


@dataclass(slots=True)
class Strip:
    """The last half hour of decisions by the second.

    Attributes:
        seconds: finished seconds, oldest first.
        index: the second under way.
        votes: hops of the second under way.
        confidence_sum: over these hops.
        track: of the last of these hops.
    """

    seconds: deque[Second] = field(default_factory=lambda: deque(maxlen=STRIP_S))
    index: int = 0
    votes: Counter[Heard] = field(default_factory=Counter)
    confidence_sum: float = 0.0
    track: int = 0

    def add(self, t_ns: int, heard: Heard, confidence: float, track: int = 0) -> None:
        """Count one hop."""
        index = t_ns // 1_000_000_000
        if index != self.index:
            self.seconds.extend(self._under_way())
            self.index, self.confidence_sum = index, 0.0
            self.votes.clear()
        self.votes[heard] += 1
        self.confidence_sum += confidence
        self.track = track

    def cells(self, n: int, seconds_per_cell: int, now_s: int) -> list[Second | None]:
        """The last ``n`` cells, oldest first; None where nothing was heard.

        Cells lie on multiples of their length, so that they move on without flickering.
        """
        last = now_s // seconds_per_cell
        votes: list[Counter[Heard]] = [Counter() for _ in range(n)]
        sums = [0.0] * n
        tracks = [0] * n
        for second in (*self._under_way(), *reversed(self.seconds)):
            i = n - 1 - (last - second.index // seconds_per_cell)
            if i < 0:
                break
            if i < n:
                votes[i][second.heard] += 1
                sums[i] += second.confidence
                tracks[i] = max(tracks[i], second.track)
        return [
            Second(i, vote.most_common(1)[0][0], total / vote.total(), track) if vote else None
            for i, (vote, total, track) in enumerate(zip(votes, sums, tracks, strict=True))
        ]

    def _under_way(self) -> Iterator[Second]:
        if self.votes:
            confidence = self.confidence_sum / self.votes.total()
            yield Second(self.index, self.votes.most_common(1)[0][0], confidence, self.track)


@dataclass(slots=True)
class LatencyWindow:
    """Latencies of the last minute, in a ring of fixed size.

    Attributes:
        t_ns: (capacity,) int64, when each hop was published.
        ms: (capacity, 5) float32, in the order of ``STAGES``.
        n: hops so far.
        table: (5, 3) float64, p50, p95 and p99 by stage; worked out once a second.
        table_t_ns: when it was worked out.
    """

    t_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(8192, np.int64))
    ms: NDArray[np.float32] = field(default_factory=lambda: np.zeros((8192, len(STAGES)), np.float32))
    n: int = 0
    table: NDArray[np.float64] | None = None
    table_t_ns: int = 0

    def add(self, t_ns: int, latency: wire.Latency) -> None:
        """Remember one hop."""
        i = self.n % self.t_ns.size
        self.t_ns[i] = t_ns
        self.ms[i] = (latency.capture, latency.frontend, latency.model, latency.publish, latency.total)
        self.n += 1
        if self.table is None or t_ns - self.table_t_ns >= 1_000_000_000:
            recent = self.t_ns[: self.n] > t_ns - int(LATENCY_WINDOW_S * 1e9)
            self.table = np.percentile(self.ms[: self.n][recent].astype(np.float64), (50, 95, 99), axis=0).T
            self.table_t_ns = t_ns


@dataclass(slots=True)
class SourceView:
    """What is known of one source.

    Attributes:
        last: its last posterior message.
        report: its last report in a heartbeat.
        decided: the present decision.
        since_ns: when it was taken.
        level_dbfs: level with a soft fall, for the meter.
        peak_dbfs: highest level of late.
        peak_ns: when that was.
        title: what the source itself says it plays; empty where it says nothing.
        missed: posterior messages that never reached this screen.
        strip: decisions over time.
        latency: latencies of the last minute.
    """

    last: wire.PosteriorMessage | None = None
    report: wire.SourceReport | None = None
    decided: Heard | None = None
    since_ns: int = 0
    level_dbfs: float = wire.LEVEL_FLOOR_DBFS
    peak_dbfs: float = wire.LEVEL_FLOOR_DBFS
    peak_ns: int = 0
    title: str = ""
    missed: int = 0
    strip: Strip = field(default_factory=Strip)
    latency: LatencyWindow = field(default_factory=LatencyWindow)

    def on_posterior(self, message: wire.PosteriorMessage) -> None:
        """Take in one hop."""
        last, self.last = self.last, message
        heard = (message.state, message.top)
        now_ns = message.t_publish_ns
        elapsed_s = 0.0
        if last is not None:
            self.missed += max(0, message.seq - last.seq - 1)
            elapsed_s = max(0.0, (now_ns - last.t_publish_ns) / 1e9)
        if self.decided != heard:
            self.decided, self.since_ns = heard, now_ns
        level = message.level_dbfs
        self.level_dbfs = max(level, self.level_dbfs - LEVEL_FALL_DB_PER_S * elapsed_s)
        if now_ns - self.peak_ns > PEAK_HOLD_S * 1e9:
            self.peak_dbfs -= PEAK_FALL_DB_PER_S * elapsed_s
        if level >= self.peak_dbfs:
            self.peak_dbfs, self.peak_ns = level, now_ns
        self.strip.add(now_ns, heard, message.confidence, message.track)
        # Where sound has stopped, the way from its capture is no latency.
        if message.state != "stale":
            self.latency.add(now_ns, message.latency_ms)

    def on_decision(self, message: wire.DecisionMessage) -> None:
        """Learn when a decision was taken; on joining a running feed that was before the first posterior."""
        heard = (message.state, message.top)
        if self.last is None or self.decided is None:
            self.decided, self.since_ns = heard, message.t_publish_ns
        elif self.decided == heard:
            self.since_ns = min(self.since_ns, message.t_publish_ns)


@dataclass(slots=True)
class FeedView:
    """Everything the screen shows.

    Attributes:
        session: run of the daemon; another one starts everything afresh.
        now_ns: latest clock of the daemon seen.
        heartbeat: last one.
        sources: by name, in order of appearance.
        silent_s: how long no heartbeat has come.
    """

    session: str = ""
    now_ns: int = 0
    heartbeat: wire.Heartbeat | None = None
    sources: dict[str, SourceView] = field(default_factory=dict)
    silent_s: float = 0.0

    @property
    def stale(self) -> bool:
        """True where nothing on the screen can be trusted to be the present."""
        return self.silent_s >= wire.STALE_AFTER_S

    def on_message(self, message: wire.Message) -> None:
        """Take in any message; states and the numbers of tracks are contained in the posteriors."""
        if message.session != self.session:
            self.session, self.now_ns, self.heartbeat = message.session, 0, None
            self.sources.clear()
        self.now_ns = max(self.now_ns, message.t_publish_ns)
        if isinstance(message, wire.Heartbeat):
            self.heartbeat = message
            self.silent_s = 0.0
            for name, report in message.sources.items():
                self.sources.setdefault(name, SourceView()).report = report
        elif isinstance(message, wire.PosteriorMessage):
            self.sources.setdefault(message.source, SourceView()).on_posterior(message)
        elif isinstance(message, wire.DecisionMessage):
            self.sources.setdefault(message.source, SourceView()).on_decision(message)
        elif isinstance(message, wire.TrackMessage):
            self.sources.setdefault(message.source, SourceView()).title = message.title
