"""Which pairs are drawn, and that they teach to tell one recording from another."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rtgenre.frontend.spec import AGE_NAMES, FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.model.architecture import SAME_TRACK, same_track_shapes
from rtgenre.model.same_track import SameTrack
from rtgenre.training.fit_same_track import PairSource, SameTrackNet, SameTrackSettings, fit_same_track
from rtgenre.training.pairs import Heard, PairSettings, make_copy
from rtgenre.training.segments import frames_of
from tests.model.small import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SETTINGS = PairSettings(starts=3, window=24, least=6, ages=(4, 8, 14), first=10, every=5, longest=40)
TIMES = SETTINGS.times
# A frame of three values says who heard it: the clip, hops heard by the standing state or begun by the young, and age.
TELLING = FrontendSpec(features=("rms",), running_s=(2.5,))
CLIPS, CHANNELS, LABELS = 60, 4, 3


def telling(seed: int = 0, clips: int = CLIPS) -> Heard:
    rng = np.random.default_rng(seed)
    standing = np.zeros((clips, len(TIMES), 3), np.float16)
    standing[:, :, 0], standing[:, :, 1] = np.arange(clips)[:, None], TIMES
    begun = rng.integers(0, 40, (clips, SETTINGS.starts))
    young = np.zeros((clips, SETTINGS.starts, len(SETTINGS.ages), 3), np.float16)
    young[..., 0], young[..., 1] = np.arange(clips)[:, None, None], begun[:, :, None]
    young[..., 2] = SETTINGS.ages
    hops = np.broadcast_to(np.array(SETTINGS.ages), young.shape[:3]).copy()
    return Heard(
        standing,
        np.broadcast_to(TIMES, standing.shape[:2]).copy(),
        young,
        begun,
        hops,
        rng.integers(0, CHANNELS, clips),
    )


LABEL = np.arange(CLIPS) % LABELS


def source_of(
    *heard: Heard, clips: NDArray[np.int64] | None = None, spec: FrontendSpec = TELLING, clip_at: float = 1e9
) -> PairSource:
    normal = np.stack((np.zeros(spec.n_features), np.ones(spec.n_features))).astype(np.float32)
    chosen = np.arange(CLIPS) if clips is None else clips
    return PairSource(heard, dataclasses.replace(SETTINGS, clip=clip_at), chosen, LABEL, normal, spec)


def test_of_one_clip_the_standing_state_is_from_before_the_young_one() -> None:
    heard = telling()
    pairs = source_of(heard).draw(20_000, np.random.default_rng(1))
    same = pairs.another == 0.0
    assert 0.3 < same.mean() < 0.7
    np.testing.assert_array_equal(pairs.before[same, 0], pairs.now[same, 0])
    np.testing.assert_array_equal(pairs.now[:, 0], pairs.clip)
    assert (pairs.before[same, 1] <= pairs.now[same, 1]).all(), "it had heard no more when the young one began"
    np.testing.assert_array_equal(pairs.now[:, 2], pairs.hops)
    assert set(pairs.hops.tolist()) == set(SETTINGS.ages)
    # Half the time from just before it, else from any time.
    latest = np.array([TIMES[begun >= TIMES][-1] for begun in pairs.now[same, 1]])
    just_before = pairs.before[same, 1] == latest
    assert 0.5 < just_before.mean() < 0.9
    assert set(pairs.before[same, 1].tolist()) == set(TIMES[TIMES < 40].tolist())


def test_of_two_clips_the_other_is_another_at_any_time() -> None:
    pairs = source_of(telling()).draw(20_000, np.random.default_rng(1))
    other = pairs.another == 1.0
    assert (pairs.before[other, 0] != pairs.now[other, 0]).all()
    assert set(pairs.before[other, 1].tolist()) == set(TIMES.tolist())
    assert len(np.unique(pairs.before[other, 0])) == CLIPS


@pytest.mark.parametrize(("same_channel", "same_label"), [(0.75, 0.3), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_shares_of_channels_and_labels_are_kept_to(same_channel: float, same_label: float) -> None:
    heard = telling()
    fit = SameTrackSettings(same_channel=same_channel, same_label=same_label)
    pairs = source_of(heard).draw(40_000, np.random.default_rng(2), fit)
    other = pairs.another == 1.0
    one, two = pairs.now[other, 0].astype(int), pairs.before[other, 0].astype(int)
    by_chance = [(keys[:, None] == keys[None]).mean() for keys in (heard.channel, LABEL)]
    for keys, share, chance in zip((heard.channel, LABEL), (same_channel, same_label), by_chance, strict=True):
        # A clip that was drawn beside itself is left out: the few of its channel and label are drawn less often.
        assert (keys[one] == keys[two]).mean() == pytest.approx(share + (1.0 - share) * chance, abs=0.05)


def test_only_the_given_clips_are_drawn() -> None:
    chosen = np.arange(0, CLIPS, 7)
    pairs = source_of(telling(), clips=chosen).draw(5000, np.random.default_rng(3))
    assert set(pairs.clip.tolist()) == set(chosen.tolist())
    assert set(pairs.before[:, 0].astype(int).tolist()) == set(chosen.tolist())


def test_what_was_too_short_is_left_out() -> None:
    heard = telling()
    heard.young_hops[:, :, 2] = 0
    heard.standing_hops[:, 4:] = 0
    heard.young_hops[5] = 0
    heard.standing_hops[6] = 0
    pairs = source_of(heard).draw(20_000, np.random.default_rng(4))
    assert set(pairs.hops.tolist()) == set(SETTINGS.ages[:2])
    assert pairs.before[:, 1].max() == TIMES[3]
    assert 5 not in pairs.clip
    assert 6 not in pairs.before[:, 0]
    assert 6 in pairs.clip, "beside another it is as good as any"


def test_draws_follow_from_their_generator_and_come_from_every_copy() -> None:
    one, two = telling(0), telling(0)
    two.standing[:, :, 2] = two.young[..., 2] = 1.0
    source = source_of(one, two)
    first, again = (source.draw(100, np.random.default_rng(5)) for _ in range(2))
    for mine, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    rng = np.random.default_rng(6)
    copies = [source.draw(50, rng).before[:, 2] for _ in range(20)]
    assert all(len(set(of.tolist())) == 1 for of in copies), "both of a pair are of one copy"
    assert {float(of[0]) for of in copies} == {0.0, 1.0}
    assert (source.draw(50, rng, copy=1).before[:, 2] == 1.0).all()


def test_features_are_normalised_and_clipped_and_ages_left_out() -> None:
    spec = FrontendSpec(features=("rms",), running_s=(2.5,), age=True)
    heard = telling()
    wide = {
        name: np.concatenate(
            (value := getattr(heard, name), np.ones((*value.shape[:-1], len(AGE_NAMES)), np.float16)), -1
        )
        for name in ("standing", "young")
    }
    normal = np.stack((np.full(5, 2.0), np.full(5, 4.0))).astype(np.float32)
    source = PairSource([dataclasses.replace(heard, **wide)], SETTINGS, np.arange(CLIPS), LABEL, normal, spec)
    pairs = source.draw(500, np.random.default_rng(7))
    np.testing.assert_allclose(pairs.now[:, 0], np.clip((pairs.clip - 2.0) / 4.0, -5.0, 5.0))
    assert not pairs.now[:, 3:].any()
    assert not pairs.before[:, 3:].any()


class Tones:
    """Made clips: each has a spectrum of its own, and noise."""

    def __init__(self, clips: int, hops: int = 40) -> None:
        self.labels = ("one", "two")
        self.names = np.array([f"clip.{k}" for k in range(clips)])
        self.label = np.arange(clips) % 2
        self.n_frames = np.full(clips, hops)
        self.sha256 = "tones"

    def power(self, clip: int, spec: FrontendSpec, rng: np.random.Generator | None = None) -> np.ndarray:
        own = np.random.default_rng(clip)
        knots = own.uniform(-70.0, -20.0, 12)
        db = np.interp(np.linspace(0, 11, spec.n_bins), np.arange(12), knots)
        noise = (rng or own).exponential(size=(self.n_frames[clip], spec.n_bins))
        return (10 ** (db / 10) * (noise + 1e-3)).astype(np.float32)


SPEC = FrontendSpec(features=("mfcc", "rms"), running_s=(2.5,), age=True)
FIT = SameTrackSettings(steps=120, batch=128, input_dropout=0.2, dropout=0.2, averaging=0.95, report_every=40)


def tones_of(copies: int, settings: PairSettings = SETTINGS, clips: int = 48) -> tuple[list[Heard], np.ndarray]:
    data: Any = Tones(clips)
    frontend = Frontend(SPEC)
    frames = np.concatenate([frames_of(data.power(k, SPEC), frontend) for k in range(clips)])
    normal = np.stack((frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-4))).astype(np.float32)
    return [make_copy((data,), SPEC, settings, normal, copy) for copy in range(copies)], normal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As a run does: threads that wait for one another take ten times as long where others compute, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tones() -> tuple[list[Heard], np.ndarray]:
    return tones_of(2)


def source_of_tones(tones: tuple[list[Heard], np.ndarray], clips: np.ndarray) -> PairSource:
    heard, normal = tones
    return PairSource(heard, SETTINGS, clips, np.arange(len(heard[0].begun)) % 2, normal, SPEC)


def area(scores: np.ndarray, truth: np.ndarray) -> float:
    """Under the ROC curve: how often one of two clips scores above one of a single clip."""
    yes, no = scores[truth > 0.5], scores[truth < 0.5]
    return float((yes[:, None] > no[None]).mean() + 0.5 * (yes[:, None] == no[None]).mean())


def test_it_learns_to_tell_recordings_apart_that_it_never_heard(tones: tuple[list[Heard], np.ndarray]) -> None:
    learned, held_out = np.arange(32), np.arange(32, 48)
    told: list[dict[str, Any]] = []
    tensors = fit_same_track(source_of_tones(tones, learned), SPEC, FIT, 0, told.append)
    shapes = {SAME_TRACK + name: shape for name, shape in same_track_shapes(SPEC.n_features).items()}
    assert {name: value.shape for name, value in tensors.items()} == shapes
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in tensors.values())
    assert [figures["step"] for figures in told] == [40, 80, 120]
    assert told[-1]["loss"] < 0.7 * told[0]["loss"]

    net = SameTrackNet(SPEC.n_features)
    net.load_state_dict({name.removeprefix(SAME_TRACK): torch.from_numpy(value) for name, value in tensors.items()})
    pairs = source_of_tones(tones, held_out).draw(2000, np.random.default_rng(1))
    age = torch.from_numpy(np.log(pairs.hops / SPEC.hops_per_s).astype(np.float32))
    with torch.inference_mode():
        odds = net(torch.from_numpy(pairs.before), torch.from_numpy(pairs.now), age).numpy()
    assert area(odds, pairs.another) > 0.9
    assert not set(pairs.clip.tolist()) & set(learned.tolist())


def test_what_was_fitted_is_what_a_checkpoint_computes(tones: tuple[list[Heard], np.ndarray]) -> None:
    """Of frames as the frontend makes them, in a stream: the same odds as the fit's of normalised ones."""
    heard, normal = tones
    quick = dataclasses.replace(FIT, steps=30, report_every=30)
    tensors = fit_same_track(source_of_tones(tones, np.arange(32)), SPEC, quick, 0, lambda _: None)
    model = checkpoint(spec=SPEC, same_track=True)
    model = dataclasses.replace(model, mean=normal[0], std=normal[1], tensors={**model.tensors, **tensors})
    same = SameTrack.of(model)
    assert same is not None
    net = SameTrackNet(SPEC.n_features)
    net.load_state_dict({name.removeprefix(SAME_TRACK): torch.from_numpy(value) for name, value in tensors.items()})
    source = source_of_tones(tones, np.arange(32))
    for clip, other in ((40, 40), (40, 41)):
        frames = np.stack((heard[0].standing[other, 0], heard[0].young[clip, 0, 1]))
        z = torch.from_numpy(source._normalised(frames))
        with torch.inference_mode():
            expected = float(net(z[:1], z[1:], torch.tensor([np.log(8 / SPEC.hops_per_s)], dtype=torch.float32)))
        traits = np.zeros((2, same.n_traits), np.float32)
        for frame, out in zip(frames.astype(np.float32), traits, strict=True):
            same.traits(frame, out)
        assert same.another(*traits, 8) == pytest.approx(expected, abs=1e-4)


def test_one_seed_gives_one_comparison(tones: tuple[list[Heard], np.ndarray]) -> None:
    quick = dataclasses.replace(FIT, steps=5, report_every=5)

    def fitted(seed: int) -> dict[str, np.ndarray]:
        return fit_same_track(source_of_tones(tones, np.arange(32)), SPEC, quick, seed, lambda _: None)

    one, again, other = fitted(1), fitted(1), fitted(2)
    for name, value in one.items():
        np.testing.assert_array_equal(value, again[name])
        assert not np.array_equal(value, other[name])


@pytest.mark.parametrize("clips", [np.arange(3), np.arange(1)])
def test_without_any_pair_there_is_a_comparison_that_knows_nothing(clips: np.ndarray) -> None:
    settings = dataclasses.replace(SETTINGS, ages=(50, 60), first=50, longest=60)  # than any clip
    heard, normal = tones_of(1, settings, clips=3)
    source = PairSource(heard, settings, clips, np.zeros(3, np.int64), normal, SPEC)
    assert len(source.draw(100, np.random.default_rng(0)).hops) == 0
    tensors = fit_same_track(source, SPEC, dataclasses.replace(FIT, steps=5, report_every=5), 0, lambda _: None)
    assert all(np.isfinite(value).all() for value in tensors.values())


def test_of_a_single_clip_all_pairs_are_of_one(tones: tuple[list[Heard], np.ndarray]) -> None:
    source = source_of_tones(tones, np.array([3]))
    pairs = source.draw(100, np.random.default_rng(0))
    assert len(pairs.hops) > 10
    assert not pairs.another.any()
    quick = dataclasses.replace(FIT, steps=5, report_every=5)
    tensors = fit_same_track(source, SPEC, quick, 0, lambda _: None)
    assert all(np.isfinite(value).all() for value in tensors.values())
