"""Seeded messages that tell a story: pieces of several genres with silence between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
MODEL = wire.ModelId("gtzan-lstm", "ab" * 32)
T0_NS = 10**12
PLAN = ("disco", "classical", None, "metal", "reggae", None, "hiphop", "country", None, "jazz")
PIECE_S = 15


def report(**changed: object) -> wire.SourceReport:
    fields: dict[str, object] = dict.fromkeys(wire.SourceReport.__struct_fields__, 0)
    fields |= {"description": "synthesised medley", "sample_rate": 44100, "channels": 1, "state": "music"}
    fields |= {"notice": "demo: synthesised jazz"}
    return wire.SourceReport(**(fields | changed))  # type: ignore[arg-type]


def heartbeat(seq: int = 0, t_ns: int = T0_NS, session: str = "s1", **sources: wire.SourceReport) -> wire.Heartbeat:
    return wire.Heartbeat(
        session=session,
        seq=seq,
        t_publish_ns=t_ns,
        t_wall="2026-11-20T20:00:00.000Z",
        version="0.1.0",
        uptime_s=float(seq),
        device="cpu",
        model=MODEL,
        sources=sources or {"demo": report(hops=seq)},
        subscribers=1,
        feed_dropped=0,
    )


def posterior(
    seq: int,
    t_ns: int,
    probs: dict[str, float],
    *,
    state: wire.StateName = "music",
    source: str = "demo",
    session: str = "s1",
    level_dbfs: float = -18.0,
    total_ms: float = 50.0,
    own: dict[str, float] | None = None,
) -> wire.PosteriorMessage:
    top = max(probs, key=lambda label: probs[label])
    return wire.PosteriorMessage(
        session=session,
        source=source,
        seq=seq,
        hop=seq,
        time_s=seq / 10,
        t_audio_ns=t_ns,
        t_publish_ns=t_ns,
        t_wall="2026-11-20T20:00:00.000Z",
        latency_ms=wire.Latency(total_ms - 0.4, 0.02, 0.03, 0.35, total_ms),
        own=own or {},
        state=state,
        top=top if state == "music" else None,
        confidence=probs[top],
        probs=probs,
        entropy=1.0,
        level_dbfs=level_dbfs,
        gap_samples=0,
        age_s=seq / 10,
        model=MODEL,
    )


def decision(message: wire.PosteriorMessage, t_ns: int) -> wire.DecisionMessage:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return wire.DecisionMessage(**(fields | {"t_publish_ns": t_ns}))


def track(message: wire.PosteriorMessage, title: str) -> wire.TrackMessage:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return wire.TrackMessage(**fields, reason="start", since_hop=0, since_s=0.0, title=title)


def story(seconds: float, *, hops_per_s: int = 10, source: str = "demo", seed: int = 0) -> Iterator[wire.Message]:
    rng = np.random.default_rng(seed)
    probs = np.full(len(LABELS), 1 / len(LABELS))
    for k in range(int(seconds * hops_per_s)):
        t_ns = T0_NS + k * 1_000_000_000 // hops_per_s
        genre = PLAN[k // (PIECE_S * hops_per_s) % len(PLAN)]
        if k % hops_per_s == 0:
            yield heartbeat(k // hops_per_s, t_ns, **{source: report(hops=k)})
        wanted = 0.02 + 0.03 * rng.random(len(LABELS))
        if genre is not None:
            wanted[LABELS.index(genre)] += 1.5
        probs = 0.93 * probs + 0.07 * wanted / wanted.sum()
        state: wire.StateName = "silence" if genre is None else "music" if probs.max() > 0.4 else "unknown"
        yield posterior(
            k,
            t_ns,
            dict(zip(LABELS, map(float, probs / probs.sum()), strict=True)),
            state=state,
            source=source,
            level_dbfs=-90.0 if genre is None else float(-18 + rng.standard_normal()),
            total_ms=float(45 + 10 * rng.random()),
        )
