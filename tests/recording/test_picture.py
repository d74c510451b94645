"""A night as a picture."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from matplotlib.image import imread

from rtgenre.errors import UsageError
from rtgenre.palette import FAMILIAR
from rtgenre.recording import picture
from rtgenre.recording.picture import night_picture, read_night
from tests.recording.evening import BEGAN, Part, messages

if TYPE_CHECKING:
    from pathlib import Path

PARTS = [Part("disco", 60.0), Part("silence", 60.0), Part("metal", 60.0, 2), Part("metal", 60.0, 3, "a title")]


def test_what_was_heard_is_read_once() -> None:
    night = read_night(messages(PARTS))
    source = night.sources["mic"]
    assert night.end_s - night.begin_s == pytest.approx(240, abs=0.2)
    assert len(source.times_s) == 1800  # no silence
    assert [run.decision for run in source.runs] == ["disco", "silence", "metal"]
    assert [round(t - BEGAN) for t in source.tracks_s] == [120, 180]
    _, means = picture._columns(source, night)
    assert len(means) in {1199, 1200}
    silent = np.isnan(means[:, 0])
    assert silent.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(means[~silent].sum(axis=1), 1.0, atol=1e-5)


def test_a_title_alone_is_no_other_track() -> None:
    parts = [Part("disco", 10.0, 1), Part("disco", 10.0, 2, "one"), Part("disco", 10.0, 2, "two")]
    drawn = read_night(messages(parts)).sources["mic"].tracks_s
    assert len(drawn) <= 2


def test_the_picture_shows_the_genres_of_two_sources(tmp_path: Path) -> None:
    both = [*messages(PARTS, source="a"), *messages([Part("blues", 100.0)], source="b", session="two")]
    out = tmp_path / "night.png"
    night_picture(read_night(both), out, "a night", dt.UTC)
    pixels = (imread(out)[..., :3] * 255).round().astype(int).reshape(-1, 3)
    seen, counts = np.unique(pixels, axis=0, return_counts=True)
    shares = {tuple(p): n / len(pixels) for p, n in zip(seen.tolist(), counts, strict=True)}
    for label in ("disco", "metal", "blues"):
        assert shares[tuple(int(FAMILIAR[label][i : i + 2], 16) for i in (1, 3, 5))] > 0.02


def test_an_svg_says_its_words(tmp_path: Path) -> None:
    out = tmp_path / "night.svg"
    night_picture(read_night(messages(PARTS)), out, "At the Anchor", dt.UTC)
    text = out.read_text()
    assert all(f"<!-- {word} -->" in text for word in ("At the Anchor", "silence", "20:02"))


def test_a_title_with_dollars_is_no_formula(tmp_path: Path) -> None:
    out = tmp_path / "night.svg"
    night_picture(read_night(messages(PARTS)), out, "A $x^$ _{ night", dt.UTC)
    assert "<!-- A $x^$ _{ night -->" in out.read_text()


def test_nothing_heard_is_nothing_to_draw() -> None:
    beats = [m for m in messages(PARTS) if not hasattr(m, "source")]
    with pytest.raises(UsageError, match="nothing to draw"):
        read_night(beats)


def test_hops_of_another_model_are_counted() -> None:
    one = messages([Part("disco", 10.0)])

    other = [msgspec.structs.replace(m, probs={"x": 1.0}) if hasattr(m, "probs") else m for m in one]
    night = read_night([*one, *(msgspec.structs.replace(m, session="two") for m in other)])
    assert night.other_labels == 100
