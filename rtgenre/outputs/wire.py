"""The one message table: what leaves the daemon, and nothing else does.

Every output (feed, terminal, JSON lines …) carries these messages, so they cannot disagree. The JSON Schema in
``docs/feed.schema.json`` is generated from the classes below (``scripts/make_schema.py``). Added fields stay
version 1; a removed or changed one means version 2.

Units are in the names; clocks named ``t_*_ns`` are the daemon's monotonic clock.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from rtgenre.records import Decision, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rtgenre.records import Posterior

SCHEMA_VERSION: Literal[1] = 1
TOPIC_ROOT = "rtgenre.v1"
HEARTBEAT_TOPIC = f"{TOPIC_ROOT}.heartbeat."
LEVEL_FLOOR_DBFS = -160.0
STALE_AFTER_S = 5.0  # without a heartbeat a reader calls the feed stale

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(description="milliseconds")]
OWN_SURE = 0.5  # an own label above it is named by outputs
StateName = Literal["starting", "silence", "not_music", "unknown", "music", "stale"]
ReasonName = Literal["start", "change", "silence", "gap", "reset"]


def topic(source: str, kind: str) -> str:
    """Topic of a source's messages; ends with a dot because ZeroMQ matches prefixes."""
    return f"{TOPIC_ROOT}.{source}.{kind}."


class ModelId(msgspec.Struct, frozen=True):
    """Which model spoke."""

    id: str
    sha256: str


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds a hop spent in each stage, counted from the capture of its last sample.

    ``capture`` is the way from the converter to the frontend (device buffers, ring, resampler), ``publish`` the
    wait for the output's thread; ``total`` is their sum.
    """

    capture: Milliseconds
    frontend: Milliseconds
    model: Milliseconds
    publish: Milliseconds
    total: Milliseconds


class SourceMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Fields that every message about a source carries.

    Attributes:
        schema: version of this table.
        session: UUID of this run of the daemon; a new one means that sequences start again.
        source: name of the source.
        seq: number of this message on its topic, from 0 without a gap.
        hop: index of the hop, lost audio included.
        time_s: position of the hop's end in the source, lost audio included.
        t_audio_ns: when the hop's last sample was captured.
        t_publish_ns: when this output sent the message.
        t_wall: the same, as ISO 8601 in UTC.
        latency_ms: where the time went.
        state: what is heard.
        top: the genre decided for; null unless ``state`` is ``music``.
        confidence: smoothed probability of the most probable genre.
        probs: smoothed posterior, genre → probability.
        entropy: of ``probs``, in bits.
        music: smoothed probability that this is music; in silence the last one, 0.5 before any sound.
        track: number of the track, from 1; in silence the last one, 0 before any sound.
        level_dbfs: level of the hop's window, dB relative to a full-scale sine.
        own: one's own labels → smoothed probability, beside ``probs`` and never part of it; what they lack to 1 is
            "none of these". Empty where there are none, all 0 before enough was heard.
        gap_samples: samples lost directly before this hop, at the model's sample rate.
        age_s: seconds of sound heard since the model's state was last reset; every track begins with a reset.
        model: which model spoke.
    """

    schema: Literal[1] = SCHEMA_VERSION
    session: str
    source: str
    seq: Count
    hop: Count
    time_s: Annotated[float, Meta(ge=0.0)]
    t_audio_ns: int
    t_publish_ns: int
    t_wall: str
    latency_ms: Latency
    state: StateName
    top: str | None
    confidence: Probability
    probs: dict[str, Probability]
    entropy: Annotated[float, Meta(ge=0.0)]
    music: Probability = 0.5
    track: Count = 0
    own: dict[str, Probability] = {}
    level_dbfs: float
    gap_samples: Count
    age_s: Annotated[float, Meta(ge=0.0)]
    model: ModelId

    @property
    def own_top(self) -> str | None:
        """The label of one's own that is more probable than everything else together; none where no music is heard."""
        if not self.own or self.state not in {"music", "unknown"}:
            return None
        best = max(self.own, key=self.own.__getitem__)
        return best if self.own[best] > OWN_SURE else None


class PosteriorMessage(SourceMessage, frozen=True, kw_only=True, tag="posterior"):
    """One a hop."""


class DecisionMessage(SourceMessage, frozen=True, kw_only=True, tag="decision"):
    """When the genre decided for changes (``top``), music or not."""


class StateMessage(SourceMessage, frozen=True, kw_only=True, tag="state"):
    """When ``state`` changes."""


class TrackMessage(SourceMessage, frozen=True, kw_only=True, tag="track"):
    """When a track is recognised to have begun; its number is ``track``.

    Sent again, with the same number, where the source itself says that it plays another title: a station may do so
    some seconds before or after the music changes.

    Attributes:
        reason: how that is known: the first sound, a change that the model heard, sound after a long silence or
            after much lost audio, or a reset that was asked for.
        since_hop: index of the track's first hop. With ``change`` it is estimated, and earlier than ``hop``: from
            there on the sound was heard again, from a fresh state.
        since_s: position of that hop's beginning in the source.
        title: what the source itself says it plays now, such as "artist - title"; empty where it says nothing.
    """

    reason: ReasonName
    since_hop: Count
    since_s: Annotated[float, Meta(ge=0.0)]
    title: str = ""


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A source's counters since the daemon started.

    Attributes:
        description: device or file.
        sample_rate: Hz, as captured.
        channels: as captured.
        state: what is heard.
        hops: hops classified.
        late_hops: hops finished more than one hop after their sound: the real-time deadline missed.
        xruns: overflows that the sound system flagged.
        dropped_samples: lost because our own ring was full.
        gap_samples: all samples known to be lost, whoever lost them.
        clipped_samples: at or above full scale.
        non_finite_samples: NaN or infinite, replaced by zero.
        capture_restarts: times the capture process was replaced.
        resets: times the model's state was reset.
        notice: last thing worth telling a person.
    """

    description: str
    sample_rate: Count
    channels: Count
    state: StateName
    hops: Count
    late_hops: Count
    xruns: Count
    dropped_samples: Count
    gap_samples: Count
    clipped_samples: Count
    non_finite_samples: Count
    capture_restarts: Count
    resets: Count
    notice: str


class OutputReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an output could not pass on, since the daemon started.

    Attributes:
        dropped: messages that it, or who reads it, was too slow for.
        unsent: messages that passed while its counterpart was away, or after it had failed for good.
        lost_samples: of a recording with sound: samples of each channel that are missing in it, or zeros instead,
            whoever lost them.
    """

    dropped: Count = 0
    unsent: Count = 0
    lost_samples: Count = 0


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="heartbeat"):
    """Once a second, whatever happens; a reader calls the feed stale after 5 s without one.

    Attributes:
        schema: version of this table.
        session: UUID of this run of the daemon.
        seq: number of this heartbeat.
        t_publish_ns: when it was sent.
        t_wall: the same, as ISO 8601 in UTC.
        version: of rtgenre.
        uptime_s: since the daemon started.
        device: what computes the model.
        model: which model is loaded.
        sources: report of each source by name.
        subscribers: connections to the feed.
        feed_dropped: messages that the feed itself had to drop: none of its subscribers was sent them.
        feed_overruns: times that some subscriber was too slow and began to lose messages.
        refused_connections: to the feed's ports, that came to nothing: too many, no allowed key, a foreign protocol.
        refused_requests: answered with an error on the control port.
        own_labels: one's own labels, beside the model's.
        outputs: what each output could not pass on: ``feed``, ``lines`` (on stdout), ``web``, ``midi``, ``osc``,
            ``mqtt``, ``text``, ``record``; those that run.
    """

    schema: Literal[1] = SCHEMA_VERSION
    session: str
    seq: Count
    t_publish_ns: int
    t_wall: str
    version: str
    uptime_s: float
    device: str
    model: ModelId
    sources: dict[str, SourceReport]
    subscribers: Count
    feed_dropped: Count
    feed_overruns: Count = 0
    refused_connections: Count = 0
    refused_requests: Count = 0
    own_labels: tuple[str, ...] = ()
    outputs: dict[str, OutputReport] = {}


Message = PosteriorMessage | DecisionMessage | StateMessage | TrackMessage | Heartbeat


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way to the outputs.

    Attributes:
        topic: where it goes.
        message: all but the publishing clocks.
        t_ready_ns: monotonic clock when the engine was done with it.
        body: of a message that comes from a feed: it is stamped already, and is passed on as it came.
    """

    topic: str
    message: Message
    t_ready_ns: int
    body: bytes | None = None


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def publish(envelope: Envelope) -> bytes:
    """Stamp the publishing clocks and encode; called by each output's own thread at the moment it sends.

    Returns:
        UTF-8 JSON, one line.
    """
    return _encoder.encode(stamped(envelope)) if envelope.body is None else envelope.body


def stamped(envelope: Envelope) -> Message:
    """The message with the publishing clocks of now; one that comes from a feed has them already."""
    message = envelope.message
    if envelope.body is not None:
        return message
    now_ns = time.monotonic_ns()
    if isinstance(message, Heartbeat):
        return msgspec.structs.replace(message, t_publish_ns=now_ns, t_wall=wall_clock())
    wait_ms = _ms(now_ns - envelope.t_ready_ns)
    spent = message.latency_ms
    latency = msgspec.structs.replace(spent, publish=wait_ms, total=round(spent.total + wait_ms, 4))
    return msgspec.structs.replace(message, t_publish_ns=now_ns, t_wall=wall_clock(), latency_ms=latency)


def decode(body: bytes) -> Message:
    """Read one message back.

    Raises:
        msgspec.ValidationError: the body is JSON but not of this table.
        msgspec.DecodeError: the body is not JSON.
    """
    return _decoder.decode(body)


def wall_clock() -> str:
    """Now as ISO 8601 in UTC with milliseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_schema() -> dict[str, object]:
    """The contract as JSON Schema (draft 2020-12)."""
    (root,), definitions = msgspec.json.schema_components([Message], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rtgenre feed message, version 1",
        **root,
        "$defs": definitions,
    }


class Composer:
    """Turns one source's posteriors into messages with their sequence numbers.

    Owned by the engine's thread. It is here, and not in an output, that numbers are given: what an output
    drops is then visible to its readers as a hole.

    Args:
        session: UUID of this run.
        source: name of the source.
        model: which model speaks.
        labels: genres in the order of ``Posterior.probs``.
        sample_rate: of the frontend, Hz.
        own_labels: one's own, in the order of ``Posterior.own``.
    """

    def __init__(
        self,
        session: str,
        source: str,
        model: ModelId,
        labels: Sequence[str],
        sample_rate: int,
        own_labels: Sequence[str] = (),
    ) -> None:
        self._session = session
        self._source = source
        self._model = model
        self._labels = tuple(labels)
        self._own_labels = tuple(own_labels)
        self._sample_rate = sample_rate
        self._seq: dict[str, int] = {}
        self._last: tuple[str, str | None] | None = None
        self._track = 0
        self._title, self._told_title = "", ""

    def on_title(self, title: str) -> None:
        """The source itself says what it plays from the next hop on."""
        self._title = title

    def compose(self, posterior: Posterior, t_audio_ns: int, t_start_ns: int, t_ready_ns: int) -> list[Envelope]:
        """Messages of one hop: always a posterior first, and a decision, a state or a track where it changed.

        Args:
            posterior: the hop's answer.
            t_audio_ns: monotonic capture time of its last sample.
            t_start_ns: monotonic time at which its computation began.
            t_ready_ns: monotonic time at which it ended.
        """
        decision = posterior.decision
        now = (decision.state.value, decision.label)
        last, self._last = self._last, now
        kinds: list[type[SourceMessage]] = [PosteriorMessage]
        if last is None or last[1] != now[1]:
            kinds.append(DecisionMessage)
        if last is None or last[0] != now[0]:
            kinds.append(StateMessage)
        probs = [float(p) for p in posterior.probs]
        capture_ms = _ms(t_start_ns - t_audio_ns)
        frontend_ms = _ms(posterior.frontend_ns)
        model_ms = _ms(posterior.model_ns)
        fields = {
            "session": self._session,
            "source": self._source,
            "hop": posterior.hop,
            "time_s": round(posterior.end_sample / self._sample_rate, 6),
            "t_audio_ns": t_audio_ns,
            "t_publish_ns": t_ready_ns,
            "t_wall": "",
            "latency_ms": Latency(
                capture=capture_ms,
                frontend=frontend_ms,
                model=model_ms,
                publish=0.0,
                total=round(capture_ms + frontend_ms + model_ms, 4),
            ),
            "state": decision.state.value,
            "top": decision.label,
            "confidence": round(max(probs), 6),
            "probs": _rounded(self._labels, probs),
            "entropy": round(-sum(p * math.log2(p) for p in probs if p > 0.0) + 0.0, 5),
            "music": round(posterior.music, 6),
            "track": posterior.track,
            "own": {} if posterior.own is None else _rounded(self._own_labels, posterior.own),
            "level_dbfs": round(max(posterior.level_dbfs, LEVEL_FLOOR_DBFS), 2),
            "gap_samples": posterior.gap_samples,
            "age_s": round(posterior.age_s, 3),
            "model": self._model,
        }
        envelopes = [self._envelope(kind, fields, t_ready_ns) for kind in kinds]
        start, is_new = posterior.track_start, (posterior.track, self._title) != (self._track, self._told_title)
        if start is not None and is_new:
            self._track, self._told_title = posterior.track, self._title
            begun = {
                "reason": start.reason.value,
                "since_hop": start.hop,
                "since_s": round(start.sample / self._sample_rate, 6),
                "title": self._title,
            }
            envelopes.append(self._envelope(TrackMessage, fields | begun, t_ready_ns))
        return envelopes

    def stale(self, last: Posterior, t_audio_ns: int) -> list[Envelope]:
        """Messages that say that sound has stopped arriving: the last posterior, marked stale, no genre.

        Args:
            last: the last hop that was heard.
            t_audio_ns: when its last sample was captured.
        """
        now_ns = time.monotonic_ns()
        nothing = Decision(State.STALE, None, last.hop)
        return self.compose(dataclasses.replace(last, decision=nothing), t_audio_ns, now_ns, now_ns)

    def _envelope(self, kind: type[SourceMessage], fields: Mapping[str, object], t_ready_ns: int) -> Envelope:
        name = topic(self._source, str(kind.__struct_config__.tag))
        seq = self._seq.get(name, 0)
        self._seq[name] = seq + 1
        message = kind(seq=seq, **fields)  # type: ignore[arg-type]
        return Envelope(name, message, t_ready_ns)  # type: ignore[arg-type]


def _rounded(labels: Sequence[str], probs: Iterable[float]) -> dict[str, float]:
    return {label: round(float(p), 6) for label, p in zip(labels, probs, strict=True)}


def _ms(ns: int) -> float:
    return round(ns / 1e6, 4)
