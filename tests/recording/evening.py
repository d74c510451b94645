"""A made-up evening as messages, with clocks of its own: what the tests of recordings read."""

from __future__ import annotations

import datetime as dt
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rtgenre.outputs import wire
from rtgenre.records import Decision, Posterior, State, TrackReason, TrackStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

LABELS = ("blues", "disco", "metal")
MODEL = wire.ModelId("test", "ab" * 32)
HOP_S = 0.1
BEGAN = dt.datetime(2026, 11, 21, 20, 0, 0, tzinfo=dt.UTC).timestamp()


@dataclass(frozen=True)
class Part:
    """So long of one decision; a part of the same ``track`` as the one before is not announced."""

    says: str
    seconds: float
    track: int = 1
    title: str = ""


def posterior(k: int, part: Part) -> Posterior:
    genre = part.says if part.says in LABELS else None
    probs = np.array([0.8 if label == genre else 0.1 for label in LABELS], np.float32)
    state = State.MUSIC if genre else State(part.says)
    start = TrackStart(TrackReason.START if part.track == 1 else TrackReason.CHANGE, k, k * 2205)
    decision = Decision(state, genre, 0)
    return Posterior(
        *(k, 2205 * (k + 1), probs / probs.sum(), decision, -20.0, 0, 1.0, 6000, 12000),
        track=part.track,
        track_start=start,
    )


def messages(
    parts: Sequence[Part], *, source: str = "mic", session: str = "one", began_s: float = BEGAN, pace: float = 1.0
) -> list[wire.Message]:
    """What a daemon would have said from ``began_s`` on, ``pace`` times as fast as it sounds."""
    table = wire.Composer(session, source, MODEL, LABELS, 22050)
    found: list[wire.Message] = []
    k = 0
    for part in parts:
        table.on_title(part.title)
        for _ in range(round(part.seconds / HOP_S)):
            after_s = (k + 1) * HOP_S / pace
            t_ns = round(after_s * 1e9)
            composed = table.compose(posterior(k, part), t_ns - 40_000_000, t_ns - 1_000_000, t_ns)
            found += [stamped(envelope.message, began_s + after_s, t_ns) for envelope in composed]
            if k % 10 == 0:
                found.append(heartbeat(k // 10, session, began_s + after_s, t_ns, source))
            k += 1
    return found


def stamped(message: wire.Message, t_s: float, t_ns: int) -> wire.Message:
    wall = dt.datetime.fromtimestamp(t_s, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.structs.replace(message, t_publish_ns=t_ns, t_wall=wall)


def heartbeat(seq: int, session: str, t_s: float, t_ns: int, source: str) -> wire.Message:
    counters = dict.fromkeys(set(wire.SourceReport.__struct_fields__) - {"description", "state", "notice"}, 0)
    report = wire.SourceReport(description="a mixer", state="music", notice="", **counters)
    beat = wire.Heartbeat(
        session=session,
        seq=seq,
        t_publish_ns=0,
        t_wall="",
        version="0",
        uptime_s=0.0,
        device="cpu",
        model=MODEL,
        sources={source: report},
        subscribers=0,
        feed_dropped=0,
    )
    return stamped(beat, t_s, t_ns)


def lines(found: Iterable[wire.Message]) -> bytes:
    return b"".join(msgspec.json.encode(message) + b"\n" for message in found)


def kept(folder: Path, *sessions: Sequence[wire.Message]) -> Path:
    """A folder with a file for each session."""
    folder.mkdir(exist_ok=True)
    for number, found in enumerate(sessions):
        (folder / f"feed-20261121T20000{number}.000Z.jsonl.gz").write_bytes(gzip.compress(lines(found)))
    return folder
