"""What is told of sources: counters for the heartbeat, and a line in the log where something was lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rtgenre.errors import printable
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from rtgenre.engine import Engine
    from rtgenre.errors import RtgenreError
    from rtgenre.sources import SourceSettings
    from rtgenre.stream import Stream

log = logging.getLogger(__name__)


def tell_losses(engine: Engine, told: tuple[str, int, int]) -> tuple[str, int, int]:
    """Log what the counters and the notice of a device say, where they have changed: nothing is lost silently.

    Args:
        engine: the device's.
        told: notice, lost samples and samples that were no numbers, as logged last.

    Returns:
        The same, as logged now.
    """
    stats, name = engine.source.stats, engine.info.name
    non_finite = sum(stream.stats.non_finite_samples for stream in engine.streams)
    now = (stats.notice, stats.gap_samples, non_finite)
    if now[0] != told[0]:
        log.log(logging.DEBUG if stats.notices_are_routine else logging.WARNING, "%s: %s", name, printable(now[0]))
    if now[1] > told[1]:
        log.warning("%s: %.2f s of sound lost", name, (now[1] - told[1]) / engine.info.sample_rate)
    if now[2] and not told[2]:
        log.warning("%s: samples that are no numbers: is the format right? They count as silence", name)
    return now


def report_of(engine: Engine, stream: Stream) -> wire.SourceReport:
    """All counters of one source; any thread. Those of its device are the same for all its decks."""
    source, stats = engine.source.stats, stream.stats
    return wire.SourceReport(
        description=stream.info.description,
        sample_rate=stream.info.sample_rate,
        channels=stream.info.channels,
        state=stats.state.value,
        hops=stats.hops,
        late_hops=stats.late_hops,
        xruns=source.xruns,
        dropped_samples=source.dropped_samples,
        gap_samples=source.gap_samples,
        clipped_samples=stats.clipped_samples,
        non_finite_samples=stats.non_finite_samples,
        capture_restarts=source.capture_restarts,
        resets=stats.resets,
        notice=source.notice,
    )


def missing_report(member: SourceSettings, why: RtgenreError | None) -> wire.SourceReport:
    """Of a source whose device is not there: nothing heard, and why."""
    zeros = dict.fromkeys(
        ("hops", "late_hops", "xruns", "dropped_samples", "gap_samples", "clipped_samples", "non_finite_samples",
         "capture_restarts", "resets", "sample_rate", "channels"), 0
    )  # fmt: skip
    notice = "" if why is None else why.message
    return wire.SourceReport(description=member.use, state="stale", notice=notice, **zeros)
