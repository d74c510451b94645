"""When a recorded hop was heard."""

from __future__ import annotations

import msgspec
import pytest

from rtgenre.outputs import wire
from rtgenre.recording.timeline import Timeline
from tests.recording.evening import BEGAN, HOP_S, Part, messages

PARTS = [Part("disco", 20.0)]


def posteriors(pace: float = 1.0) -> list[wire.PosteriorMessage]:
    return [m for m in messages(PARTS, pace=pace) if isinstance(m, wire.PosteriorMessage)]


def test_a_hop_is_dated_by_when_its_sound_was_captured() -> None:
    timeline = Timeline()
    places = [timeline.place(m) for m in posteriors()]
    assert places == pytest.approx([BEGAN + HOP_S * (k + 1) - 0.04 for k in range(len(places))], abs=0.002)


def test_a_file_tagged_faster_than_it_sounds_takes_its_own_time() -> None:
    timeline = Timeline()
    places = [timeline.place(m) for m in posteriors(pace=50.0)]
    assert places[-1] - places[0] == pytest.approx(20.0 - HOP_S, abs=0.002)


def test_a_pause_in_which_no_sound_came_counts() -> None:
    found = posteriors()
    an_hour_on = "2026-11-21T21:00:30.000Z"
    found[-1] = msgspec.structs.replace(found[-1], t_wall=an_hour_on)
    timeline = Timeline()
    places = [timeline.place(m) for m in found]
    assert places[-1] - BEGAN == pytest.approx(3630 - 0.04, abs=0.002)


def test_time_never_goes_back_and_nonsense_does_not_stop_it() -> None:
    found = posteriors()
    found[50] = msgspec.structs.replace(found[50], t_wall="soon")
    found[60] = msgspec.structs.replace(found[60], time_s=0.0, t_wall="2026-11-21T19:00:00.000Z")
    timeline = Timeline()
    places = [timeline.place(m) for m in found]
    assert places == sorted(places)
