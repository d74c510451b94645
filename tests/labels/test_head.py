from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import CheckpointError
from rtgenre.labels.background import BACKGROUND_FILE, Background
from rtgenre.labels.head import NOT_TAKEN, learn
from tests.labels.made import background, examples

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 24


def centres(n: int, seed: int = 5) -> np.ndarray:
    return 3.0 * np.random.default_rng(seed).standard_normal((n, WIDTH))


def windows_around(centre: np.ndarray, n: int, seed: int) -> np.ndarray:
    return (centre + np.random.default_rng(seed).standard_normal((n, WIDTH))).astype(np.float32)


def test_labels_are_told_from_one_another_and_from_what_is_none_of_them() -> None:
    places = centres(3)
    labels = [examples(f"label {k}", place, seed=k) for k, place in enumerate(places)]
    head, judged = learn(labels, background())
    assert np.trace(judged.confusion) == judged.confusion.sum() == 18
    for k, place in enumerate(places):
        said = np.exp(head.log_posterior(windows_around(place, 200, seed=50 + k)))
        np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-9)
        assert (said.argmax(axis=1) == k).mean() > 0.95
    known = background().centres @ np.linalg.pinv(background().projection) + background().mean
    others = np.concatenate([windows_around(place, 40, seed=70 + k) for k, place in enumerate(known)])
    assert (head.log_posterior(others).argmax(axis=1) == 3).mean() > 0.95


def test_a_single_label_is_told_from_everything_else() -> None:
    (place,) = centres(1)
    head, judged = learn([examples("only", place)], background())
    assert judged.confusion.tolist() == [[6, 0]]
    assert (head.log_posterior(windows_around(place, 100, seed=3)).argmax(axis=1) == 0).mean() > 0.95
    elsewhere = windows_around(-place, 100, seed=4)
    assert (head.log_posterior(elsewhere).argmax(axis=1) == 1).mean() > 0.95


def test_a_label_that_is_a_group_of_the_background_takes_it_over() -> None:
    """Few files know the centre worse than the background does: without taking over, the group would win."""
    known = background(groups=8)
    place = known.centres @ np.linalg.pinv(known.projection) + known.mean
    head, judged = learn([examples("mine", place[2], files=3)], known)
    assert head.taken_by.tolist() == [0 if group == 2 else NOT_TAKEN for group in range(9)]
    assert judged.confusion.tolist() == [[3, 0]]
    assert (head.log_posterior(windows_around(place[2], 200, seed=1)).argmax(axis=1) == 0).mean() > 0.95
    assert (head.log_posterior(windows_around(place[3], 200, seed=1)).argmax(axis=1) == 1).mean() > 0.95


def test_noise_and_labels_of_their_own_take_nothing_over() -> None:
    known = background(groups=8)
    place = known.centres @ np.linalg.pinv(known.projection) + known.mean
    labels = [examples("room", place[2], noise=True), examples("new", centres(1)[0], seed=1)]
    assert (learn(labels, known)[0].taken_by == NOT_TAKEN).all()


def test_a_group_goes_to_the_label_that_is_most_like_it_and_is_still_there_for_the_others() -> None:
    known = background(groups=8)
    place = known.centres @ np.linalg.pinv(known.projection) + known.mean
    half = examples("half", place[2], files=4, seed=1)
    half.windows[half.file > 1] += (centres(1)[0] - place[2]).astype(np.float32)
    labels = [half, examples("whole", place[2], files=4, seed=2)]
    taken = learn(labels, known)[0].taken_by
    assert taken[2] == 1
    assert (np.delete(taken, 2) == NOT_TAKEN).all()


def test_a_file_is_judged_without_having_been_heard() -> None:
    """Files of one label that have nothing in common: only a head that had heard them could know them."""
    rng = np.random.default_rng(0)
    label = examples("anything", np.zeros(WIDTH), files=4)
    far = 8.0 * rng.standard_normal((4, WIDTH))
    label.windows[:] += far[label.file].astype(np.float32)
    _, judged = learn([label, examples("calm", centres(1)[0], seed=1)], background())
    assert judged.confusion[0, 0] <= 1
    assert judged.confusion[1].tolist() == [0, 6, 0]


def test_labels_that_overlap_are_not_called_sure() -> None:
    place = centres(1)[0]
    twins = [examples("one", place, seed=1), examples("two", place, seed=2)]
    head, _ = learn(twins, background())
    said = np.exp(head.log_posterior(windows_around(place, 200, seed=9)))
    assert said[:, :2].max(axis=1).mean() < 0.8
    apart, _ = learn([twins[0], examples("two", -place, seed=2)], background())
    assert np.exp(apart.log_posterior(windows_around(place, 200, seed=9)))[:, 0].mean() > 0.95


def test_the_same_examples_give_the_same_head_whatever_their_length() -> None:
    places = centres(2)
    labels = [examples("a", places[0]), examples("b", places[1], seed=1)]
    one, other = learn(labels, background())[0], learn(labels, background())[0]
    np.testing.assert_array_equal(one.centres, other.centres)
    assert one.temperature == other.temperature
    # A file heard for twice as long is still one file.
    a = labels[0]
    longer = type(a)(
        a.name, a.noise, a.files, a.sha256,
        np.concatenate([a.windows, a.windows[a.file == 0]]), np.concatenate([a.file, a.file[a.file == 0]]),
    )  # fmt: skip
    np.testing.assert_allclose(learn([longer, labels[1]], background())[0].centres, one.centres, atol=1e-5)


def test_labels_with_few_and_with_many_files_live_together() -> None:
    places = centres(2)
    labels = [examples("few", places[0], files=2), examples("many", places[1], files=30, seed=1)]
    _, judged = learn(labels, background())
    assert judged.confusion.sum(axis=1).tolist() == [2, 30]
    assert np.trace(judged.confusion) >= 30


@pytest.mark.parametrize("n", [1, 3])
def test_without_a_background_what_is_far_from_all_examples_is_none_of_them(n: int) -> None:
    places = centres(n)
    labels = [examples(f"label {k}", place, seed=k) for k, place in enumerate(places)]
    group = np.concatenate([np.full(len(e.windows), k) for k, e in enumerate(labels)])
    guessed = Background.guessed(np.concatenate([e.windows for e in labels]), group)
    head, _ = learn(labels, guessed)
    assert (head.log_posterior(windows_around(-5.0 * places[0], 50, seed=8)).argmax(axis=1) == n).all()
    assert (head.log_posterior(labels[0].windows).argmax(axis=1) == 0).all()


def test_what_is_only_guessed_is_not_taken_over() -> None:
    """Files that have nothing in common sound more like anything wide than like one another."""
    label = examples("anything", np.zeros(WIDTH), files=4)
    label.windows[:] += (8.0 * np.random.default_rng(0).standard_normal((4, WIDTH)))[label.file].astype(np.float32)
    head, _ = learn([label], Background.guessed(label.windows, np.zeros(len(label.windows), np.int64)))
    assert (head.taken_by == NOT_TAKEN).all()


def test_where_all_groups_are_taken_over_the_rest_is_still_told() -> None:
    known = background(groups=1)
    place = known.centres @ np.linalg.pinv(known.projection) + known.mean
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head, judged = learn([examples("mine", place[0])], known)
    assert head.taken_by.tolist() == [0, NOT_TAKEN]
    assert judged.confusion.tolist() == [[6, 0]]


def test_embeddings_that_never_vary_are_no_disaster() -> None:
    still = examples("still", np.zeros(WIDTH))
    still.windows[:] = 1.0
    guessed = Background.guessed(still.windows, np.zeros(len(still.windows), np.int64))
    head, judged = learn([still], guessed)
    assert np.isfinite(head.log_posterior(still.windows)).all()
    assert judged.confusion.sum() == 6


def test_the_background_is_kept_beside_the_model(tmp_path: Path) -> None:
    made = background()
    assert Background.load(tmp_path, "ab" * 32, WIDTH) is None
    made.save(tmp_path, "ab" * 32)
    back = Background.load(tmp_path, "ab" * 32, WIDTH)
    assert back is not None
    np.testing.assert_allclose(back.centres, made.centres, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [BACKGROUND_FILE]
    with pytest.raises(CheckpointError, match="belongs to weights abab"):
        Background.load(tmp_path, "cd" * 32, WIDTH)
    with pytest.raises(CheckpointError, match="does not fit"):
        Background.load(tmp_path, "ab" * 32, WIDTH + 1)
    (tmp_path / BACKGROUND_FILE).write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        Background.load(tmp_path, "ab" * 32, WIDTH)
