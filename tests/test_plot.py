"""The picture of a file's posterior."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from rtgenre import plot
from rtgenre.errors import OutputError, UsageError
from rtgenre.palette import FAMILIAR
from rtgenre.plot import check_drawable, posterior_picture

LABELS = ("jazz", "metal", "reggae")
SPANS = [(0.0, 1.0, "silence", None), (1.0, 6.0, "music", "jazz"), (6.0, 10.0, "music", "metal")]


def posterior(n: int) -> tuple[np.ndarray, np.ndarray]:
    probs = np.random.default_rng(1).dirichlet([1, 1, 1], n).astype(np.float32)
    return np.linspace(0.02, 10, n), probs


def test_a_picture_shows_the_colours_of_its_genres(tmp_path: Path) -> None:
    out = tmp_path / "p.png"
    posterior_picture(*posterior(400), LABELS, SPANS, out, "song.wav")
    pixels = (imread(out)[..., :3] * 255).round().astype(int).reshape(-1, 3)
    assert pixels.shape[0] == 1320 * 552
    seen = {tuple(p) for p in np.unique(pixels, axis=0)}
    for label in LABELS:
        colour = FAMILIAR[label]
        assert tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) in seen
    assert (pixels == 255).all(axis=1).mean() < 0.6


def test_an_svg_of_the_same_posterior_is_the_same(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        posterior_picture(*posterior(50), LABELS, SPANS, tmp_path / name, "song")
    a, b = ((tmp_path / name).read_text() for name in ("a.svg", "b.svg"))
    without_date = [[line for line in text.splitlines() if "dc:date" not in line] for text in (a, b)]
    assert without_date[0] == without_date[1]
    assert FAMILIAR["jazz"] in a


def test_a_name_with_dollars_is_no_formula(tmp_path: Path) -> None:
    name = "A$AP x^$ _{ Ke$ha"
    posterior_picture(*posterior(50), LABELS, SPANS, tmp_path / "a.svg", name)
    assert f"<!-- {name} -->" in (tmp_path / "a.svg").read_text()


def test_an_hour_is_drawn_as_its_means(tmp_path: Path) -> None:
    out = tmp_path / "hour.svg"
    times_s, probs = np.arange(1, 150_001) / 43, np.tile(np.float32([0.5, 0.25, 0.25]), (150_000, 1))
    posterior_picture(times_s, probs, LABELS, [(0, 3488, "music", "jazz")], out, "hour")
    assert out.stat().st_size < 500_000
    thin_t, thin_p = plot._thinned(times_s, probs.astype(np.float64))
    assert thin_t.size <= plot.MOST_COLUMNS
    np.testing.assert_allclose(thin_p, np.tile([0.5, 0.25, 0.25], (thin_t.size, 1)), atol=1e-9)
    assert np.diff(thin_t).min() > 0


def test_a_single_hop_can_be_drawn(tmp_path: Path) -> None:
    posterior_picture(*posterior(1), LABELS, [], tmp_path / "one.png", "short")
    assert (tmp_path / "one.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["p.gif", "p", "nowhere/p.png"])
def test_what_cannot_be_written_is_refused_early(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_drawable(tmp_path / name)
    assert caught.value.remedy


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to draw"):
        posterior_picture(np.zeros(0), np.zeros((0, 3)), LABELS, [], tmp_path / "p.png", "")
    with pytest.raises(UsageError, match="2 labels"):
        posterior_picture(*posterior(5), ("a", "b"), [], tmp_path / "p.png", "")


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        posterior_picture(*posterior(5), LABELS, SPANS, tmp_path / "taken.png", "")


def test_a_missing_matplotlib_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "matplotlib" else sys)
    with pytest.raises(UsageError) as caught:
        check_drawable(Path("p.png"))
    assert "rtgenre[plot]" in caught.value.remedy
