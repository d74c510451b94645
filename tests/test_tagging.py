"""What ``rtgenre tag`` makes of a file's hops."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.commands import tag
from rtgenre.records import Decision, Posterior, State, TrackReason, TrackStart
from rtgenre.tagging import spans, summarise

if TYPE_CHECKING:
    import pytest

RATE, HOP, N_FFT = 22050, 1920, 2048
LABELS = ("disco", "metal")
FIRST = TrackStart(TrackReason.START, 10, 10 * HOP)
SECOND = TrackStart(TrackReason.CHANGE, 80, 80 * HOP)


def hops(n: int, first: int, state: State, label: str | None, track: int, start: TrackStart | None) -> list[Posterior]:
    decision, probs = Decision(state, label, first), np.array([0.5, 0.5], np.float32)
    return [
        Posterior(k, N_FFT + k * HOP, probs, decision, -20.0, 0, 1.0, 1, 1, track=track, track_start=start)
        for k in range(first, first + n)
    ]


HEARD = [
    *hops(10, 0, State.SILENCE, None, 0, None),
    *hops(90, 10, State.MUSIC, "disco", 1, FIRST),
    *hops(50, 100, State.MUSIC, "disco", 2, SECOND),
    *hops(30, 150, State.NOT_MUSIC, None, 2, SECOND),
]


def test_a_span_ends_where_a_track_is_recognised_even_if_the_genre_stays() -> None:
    found = spans(HEARD, RATE)
    assert [(s.state, s.label, s.track) for s in found] == [
        ("silence", None, 0),
        ("music", "disco", 1),
        ("music", "disco", 2),
        ("not_music", None, 2),
    ]
    assert found[0].start_s == 0.0
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(found))
    assert found[1].end_s == HEARD[99].end_sample / RATE
    assert [s.track_start_s for s in found] == [0.0, 10 * HOP / RATE, 80 * HOP / RATE, 80 * HOP / RATE]


def test_tracks_and_what_is_no_music_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    info = SimpleNamespace(duration_s=15.7, sample_rate=44100, channels=2)
    tagger = SimpleNamespace(info=info, clipped_samples=0, non_finite_samples=0)
    tag._print_summary(Path("mix.wav"), tagger, summarise(HEARD, LABELS, RATE, time.perf_counter()), LABELS)  # type: ignore[arg-type]
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[-5:] == [
        "0:00.0 – 0:00.9  (silence)",
        "0:00.9 – 0:08.7  disco",
        "track 2, from 0:07.0",
        "0:08.7 – 0:13.1  disco",
        "0:13.1 – 0:15.7  (not music)",
    ]
