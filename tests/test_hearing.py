"""What is kept of the last seconds, and what is asked of it."""

from __future__ import annotations

import numpy as np
import pytest

from rtgenre.frontend.stream import Frontend
from rtgenre.hearing import KNOWN_S, ChangeWindow, Ear, Hearing
from rtgenre.model import same_track
from rtgenre.model.architecture import IMPRINT
from rtgenre.model.runtime import open_runtime
from rtgenre.model.same_track import SameTrack
from rtgenre.pipeline import Pipeline
from rtgenre.posterior import split
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.split import best_split
from tests import signals
from tests.model.small import checkpoint

MODEL = checkpoint(same_track=True)
HOPS_PER_S = MODEL.hops_per_s
SETTINGS = PolicySettings(change_window_s=4.0, change_least_s=0.7, change_gain=0.0)
WINDOW, LEAST, KNOWN = 46, 8, round(KNOWN_S * HOPS_PER_S)
FRONTEND, RUNTIME = Frontend(MODEL.spec), open_runtime(MODEL, "cpu")


def ear_of(same: SameTrack | None) -> Ear:
    return Ear(FRONTEND, RUNTIME, Calibration.of(MODEL), SETTINGS, None, same)


@pytest.fixture(scope="module")
def ear() -> Ear:
    return ear_of(SameTrack.of(MODEL))


def spectra(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (1e-4 * rng.exponential(size=(n, MODEL.spec.n_bins))).astype(np.float32)


def hear(ear: Ear, power: np.ndarray, hearing: Hearing) -> list[np.ndarray]:
    """As the pipeline does; returns what each hop is compared by."""
    traits = []
    for spectrum in power:
        hearing.frame[0], hearing.frontend = FRONTEND.step_power(spectrum, hearing.frontend)
        RUNTIME.step(hearing.frame, hearing.model, hearing.outputs)
        ear.understand(hearing)
        traits.append(hearing.traits.copy())
    return traits


def frames(n: int, after: int) -> np.ndarray:
    """Of which the last ``after`` differ from those before."""
    made = np.random.default_rng(0).normal(0.0, 0.3, (n, 5))
    made[n - after :] += 2.0
    return made.astype(np.float32)


def test_a_window_has_its_hops_and_finds_the_cut_in_them() -> None:
    window = ChangeWindow(SETTINGS, HOPS_PER_S)
    assert (window.hops, window.least) == (WINDOW, LEAST)
    assert window.split(frames(WINDOW, 20), 1000) == 20
    assert window.split(frames(WINDOW, 3), 1000) == LEAST
    assert window.split(frames(WINDOW, WINDOW - 3), 1000) == WINDOW - LEAST


@pytest.mark.parametrize("heard", [0, 1, LEAST, KNOWN, KNOWN + LEAST - 1])
def test_before_enough_was_heard_there_is_nothing_to_split(heard: int) -> None:
    assert ChangeWindow(SETTINGS, HOPS_PER_S).split(frames(min(heard, WINDOW), heard // 2), heard) == 0


@pytest.mark.parametrize("heard", [KNOWN + LEAST, KNOWN + LEAST + 5, WINDOW, WINDOW + 10, 10_000])
def test_of_the_track_before_enough_must_be_known(heard: int) -> None:
    n = min(heard, WINDOW)
    for after in range(1, n):
        new = ChangeWindow(SETTINGS, HOPS_PER_S).split(frames(n, after), heard)
        assert LEAST <= new <= min(heard - KNOWN, n - LEAST)
        if LEAST <= after <= min(heard - KNOWN, n - LEAST):
            assert new == after


def test_where_two_describe_it_hardly_better_than_one_nothing_is_split() -> None:
    window = ChangeWindow(PolicySettings(change_window_s=4.0, change_gain=18.0), HOPS_PER_S)
    assert window.split(frames(WINDOW, 20), 1000) == 20
    assert window.split(frames(WINDOW, 0), 1000) == 0


@pytest.mark.parametrize("heard", [KNOWN + LEAST, WINDOW, WINDOW + 1, 3 * WINDOW + 7])
def test_what_is_split_are_the_frames_of_the_last_hops(ear: Ear, heard: int) -> None:
    hearing = ear.init_state()
    traits = hear(ear, spectra(heard), hearing)
    assert hearing.heard == heard
    last = np.ascontiguousarray(np.stack(traits[-WINDOW:])[:, IMPRINT:])
    assert ear.window == WINDOW
    assert ear.split(hearing) == best_split(last, max(LEAST, KNOWN - (heard - len(last))), LEAST) > 0


def test_what_a_young_state_is_compared_with_is_from_before_it(ear: Ear) -> None:
    hearing = ear.init_state()
    assert ear.before(1, hearing) is None
    traits = hear(ear, spectra(3 * WINDOW), hearing)
    for hops in (1, 8, WINDOW):
        before = ear.before(hops, hearing)
        assert before is not None
        np.testing.assert_array_equal(before, traits[-1 - hops])
        assert not np.shares_memory(before, hearing.recent.rows)
    assert ear.before(WINDOW + 1, hearing) is None
    assert ear.before(0, hearing) is None


def test_a_young_state_is_compared_once_it_has_heard_the_least(ear: Ear) -> None:
    standing, young = ear.init_state(), ear.init_state()
    hear(ear, spectra(60), standing)
    before = ear.before(1, standing)
    for k, spectrum in enumerate(spectra(20, seed=1)):
        hear(ear, spectrum[None], young)
        assert (ear.another(before, young) is None) is (k + 1 < LEAST)
    same = SameTrack.of(MODEL)
    assert same is not None
    assert before is not None
    assert ear.another(before, young) == same.another(before, young.traits, 20)
    assert ear.another(None, young) is None


def test_without_a_comparison_nothing_is_kept_and_nothing_said() -> None:
    deaf = ear_of(None)
    deaf.warm()
    standing, young = deaf.init_state(), deaf.init_state()
    hear(deaf, spectra(80), standing)
    hear(deaf, spectra(20), young)
    assert deaf.split(standing) == 0
    assert deaf.another(deaf.before(20, standing), young) is None


def test_what_is_forgotten_is_not_split(ear: Ear) -> None:
    hearing = ear.init_state()
    hear(ear, spectra(80), hearing)
    assert ear.split(hearing) > 0
    ear.forget(hearing)
    assert ear.split(hearing) == 0
    assert ear.before(1, hearing) is None
    hear(ear, spectra(KNOWN), hearing)
    assert ear.split(hearing) == 0


def test_who_takes_over_goes_on_with_the_others_memory(ear: Ear) -> None:
    standing, young, alone = ear.init_state(), ear.init_state(), ear.init_state()
    hear(ear, spectra(80), standing)
    power = spectra(50, seed=1)
    for heard in (young, alone):
        hear(ear, power[:20], heard)
    ear.take_over(young, standing)
    assert (standing.heard, young.heard, young.recent.kept) == (20, 0, 0)
    hear(ear, power[20:], standing)
    hear(ear, power[20:], alone)
    np.testing.assert_array_equal(standing.traits, alone.traits)
    assert ear.split(standing) == ear.split(alone) > 0
    hear(ear, power[:20], young)
    hear(ear, power[:20], fresh := ear.init_state())
    np.testing.assert_array_equal(young.traits, fresh.traits)
    assert ear.split(standing) == ear.split(alone), "they share nothing"


def test_a_copy_shares_nothing(ear: Ear) -> None:
    hearing = ear.init_state()
    hear(ear, spectra(60), hearing)
    snapshot = hearing.copy()
    before = ear.split(snapshot), ear.before(3, snapshot), snapshot.traits.copy()
    hear(ear, spectra(40, seed=2), hearing)
    assert ear.split(snapshot) == before[0]
    np.testing.assert_array_equal(ear.before(3, snapshot), before[1])
    np.testing.assert_array_equal(snapshot.traits, before[2])


def test_once_warm_nothing_is_compiled_any_more() -> None:
    policy = PolicySettings(cut_bias=10.0, silence_reset_s=60.0)
    pipeline = Pipeline(FRONTEND, RUNTIME, Calibration.of(MODEL), policy, same_track=SameTrack.of(MODEL))
    pipeline.warm()
    kernels = (split.best_split, same_track._traits, same_track._compare)
    compiled = [list(kernel.signatures) for kernel in kernels]
    assert all(compiled)
    state = pipeline.init_state()
    hops, state = pipeline.step(np.concatenate([signals.music(22050 * 5, seed=k) for k in range(3)]), state)
    assert any(hop.track_change for hop in hops)
    assert [list(kernel.signatures) for kernel in kernels] == compiled
