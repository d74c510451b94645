from types import SimpleNamespace

import numpy as np
import pytest

from rtgenre.training.material import Material

# Two genres; the first has an artist with four clips and two with one.
MUSIC = SimpleNamespace(
    names=list("abcdefgh"),
    label=np.array([0, 0, 0, 0, 0, 0, 1, 1]),
    artist=np.array([7, 7, 7, 7, 8, 9, 7, 10]),
    split=np.full(8, "train"),
)
LEARN = np.ones(8, bool)


def material() -> Material:
    return Material(MUSIC, None, np.zeros(8, np.int64), np.array([True, False]))


def test_an_artist_with_many_clips_is_heard_less_of() -> None:
    weights = material().importance(LEARN, 0.5)
    assert weights[0] == pytest.approx(weights[4] / 2)
    np.testing.assert_allclose(weights[6:], 1.0)  # the same artist has one clip in the other genre; then no music


def test_genres_keep_their_share() -> None:
    weights = material().importance(LEARN, 1.0)
    assert weights[:6].sum() == pytest.approx(6.0)
    assert weights[:4].sum() == pytest.approx(weights[4])


def test_only_clips_that_teach_are_counted() -> None:
    learn = LEARN.copy()
    learn[1:4] = False
    np.testing.assert_allclose(material().importance(learn, 0.5), 1.0)


def test_without_balance_all_clips_count_the_same() -> None:
    np.testing.assert_array_equal(material().importance(LEARN, 0.0), np.ones(10))
