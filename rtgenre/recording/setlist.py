"""What was played when, by genre: runs of decisions, with the short ones merged into their neighbours."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtgenre.outputs import wire
from rtgenre.recording.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

BREAK_S = 5.0  # without a hop for this long nothing was heard: runs end there, as with a feed that is stale


@dataclass(slots=True)
class Run:
    """A stretch of one source with one decision, or mostly one.

    Attributes:
        source: its name.
        begin_s: Unix time.
        end_s: Unix time.
        shares: decision (a genre, or the state where there is none) → (seconds, sum of confidence × seconds).
        tracks: (session, number) of every track heard in it.
        titles: what the source itself said it played, in order.
        follows: True where it goes on directly from the run before.
    """

    source: str
    begin_s: float
    end_s: float
    shares: dict[str, tuple[float, float]]
    tracks: set[tuple[str, int]] = field(default_factory=set)
    titles: list[str] = field(default_factory=list)
    follows: bool = False

    @property
    def decision(self) -> str:
        """What was decided for longest: a genre, or a state where there is none."""
        return max(self.shares, key=lambda name: self.shares[name][0])

    @property
    def is_music(self) -> bool:
        """Whether that is a genre."""
        return self.decision not in wire.StateName.__args__  # type: ignore[attr-defined]

    @property
    def length_s(self) -> float:
        """Its length."""
        return self.end_s - self.begin_s

    @property
    def confidence(self) -> float:
        """Mean confidence while it was decided so."""
        seconds, weighted = self.shares[self.decision]
        return weighted / seconds if seconds else 0.0


class Runs:
    """Collects runs from messages, in the order in which they were kept.

    Attributes:
        found: runs so far by source, oldest first.
    """

    def __init__(self) -> None:
        self.found: dict[str, list[Run]] = {}
        self._timeline = Timeline()

    def add(self, message: wire.Message) -> float | None:
        """Take a message in.

        Returns:
            Unix time at which its hop was heard, s; None for what is no posterior.
        """
        if isinstance(message, wire.TrackMessage) and message.title:
            runs = self.found.get(message.source)
            if runs and message.title not in runs[-1].titles:
                runs[-1].titles.append(message.title)
        if not isinstance(message, wire.PosteriorMessage):
            return None
        now_s = self._timeline.place(message)
        if message.state != "stale":  # nothing is heard then
            self._hear(message, now_s)
        return now_s

    def _hear(self, message: wire.PosteriorMessage, now_s: float) -> None:
        decision = message.top or message.state
        runs = self.found.setdefault(message.source, [])
        last = runs[-1] if runs else None
        follows = last is not None and 0.0 <= now_s - last.end_s <= BREAK_S
        begin_s = last.end_s if last is not None and follows else now_s
        if last is None or not follows or decision != last.decision:
            last = Run(message.source, begin_s, now_s, {decision: (0.0, 0.0)}, follows=follows)
            runs.append(last)
        seconds, weighted = last.shares[decision]
        passed_s = now_s - begin_s
        last.shares[decision] = (seconds + passed_s, weighted + passed_s * message.confidence)
        last.end_s = now_s
        if message.track and message.state not in {"silence", "not_music"}:
            last.tracks.add((message.session, message.track))


def collect(messages: Iterable[wire.Message]) -> dict[str, list[Run]]:
    """Runs of a recording by source, nothing merged."""
    runs = Runs()
    for message in messages:
        runs.add(message)
    return runs.found


def merge(runs: list[Run], min_s: float) -> list[Run]:
    """Runs of at least ``min_s``, as far as there is something to merge with.

    The shortest goes first, into its shorter neighbour: so a passage that changes its mind every few seconds becomes
    a run of its own, called after what it was for longest, and does not lengthen what was clear before it.

    Args:
        runs: of one source, oldest first.
        min_s: what lasts less is merged.
    """
    merged = _coalesced(runs)
    while (k := _shortest(merged, min_s)) is not None:
        before = merged[k - 1] if merged[k].follows and k else None
        after = merged[k + 1] if k + 1 < len(merged) and merged[k + 1].follows else None
        first = k - 1 if after is None or (before is not None and before.length_s <= after.length_s) else k
        merged[first : first + 2] = [_absorbed(merged[first], merged[first + 1])]
        merged = _coalesced(merged)
    return merged


def _shortest(runs: list[Run], min_s: float) -> int | None:
    """Index of the shortest run under ``min_s`` that has a neighbour to go to."""
    followed = [b.follows for b in runs[1:]] + [False]
    short = [(run.length_s, k) for k, run in enumerate(runs) if run.length_s < min_s and (run.follows or followed[k])]
    return min(short)[1] if short else None


def _coalesced(runs: list[Run]) -> list[Run]:
    """The same with neighbours that are called the same as one."""
    found: list[Run] = []
    for run in runs:
        if found and run.follows and run.decision == found[-1].decision:
            found[-1] = _absorbed(found[-1], run)
        else:
            found.append(run)
    return found


def _absorbed(one: Run, other: Run) -> Run:
    """Two neighbours as one."""
    shares = dict(one.shares)
    for name, (seconds, weighted) in other.shares.items():
        before = shares.get(name, (0.0, 0.0))
        shares[name] = (before[0] + seconds, before[1] + weighted)
    titles = list(dict.fromkeys(itertools.chain(one.titles, other.titles)))
    return Run(one.source, one.begin_s, other.end_s, shares, one.tracks | other.tracks, titles, one.follows)
