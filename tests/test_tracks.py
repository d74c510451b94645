"""Tracks one after another through the pipeline, with a model that does as the level of the sound tells it."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from rtgenre import app, tracks
from rtgenre.config import Settings
from rtgenre.errors import CheckpointError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.hearing import KNOWN_S
from rtgenre.model.architecture import IMPRINT
from rtgenre.pipeline import Pipeline, PipelineState
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.smoothing import probabilities
from rtgenre.records import Posterior, State, TrackReason
from rtgenre.tracks import SAME_CUT_S, SETTLING_S
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.evaluation.listen import Listener, Task
from rtgenre.training.evaluation.streams import detection
from tests import signals
from tests.corpus import SPECTRA, needs_spectra

if TYPE_CHECKING:
    from rtgenre.labels.stage import OwnState
    from rtgenre.model.interface import Runtime
    from rtgenre.model.same_track import SameTrack

SPEC = FrontendSpec(features=("mfcc", "rms"), running_s=(2.5,))
LABELS = ("blues", "disco", "metal")
HOPS_PER_S = SPEC.sample_rate / SPEC.hop
LEVELS_DB = {"blues": -10.0, "disco": -16.0, "metal": -22.0, "speech": -28.0}
NAMES = tuple(LEVELS_DB)
ASK = 11  # hops from one question whether another track has begun to the next
LEAST = 8  # hops of another track before anything is said of it
CATCH_UP = 8  # hops that a young state hears again at each, until it has had the word
SAME_CUT = 2  # hops
LATE = 1  # hops after it was asked in which a young state has heard again what is ``ASK`` hops old
SURE = 12.0  # log odds


@pytest.fixture(autouse=True)
def _catch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So slowly that what began a question ago is not heard again at once."""
    monkeypatch.setattr(tracks, "CATCH_UP", CATCH_UP)


@dataclass(slots=True)
class Heard:
    """The model's memory: what it has heard since it was fresh, and the frames themselves."""

    names: list[str] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)

    def copy(self) -> Heard:
        return copy.deepcopy(self)


class Scripted:
    """A runtime that names the genre by the frame's level; of a change of track it says nothing."""

    labels, n_features, n_outputs, device = LABELS, SPEC.n_features, len(LABELS) + 2, "script"
    latency_samples, receptive_field = 0, None

    def __init__(self) -> None:
        self.steps = 0

    def init_state(self, batch: int = 1) -> Heard:
        assert batch == 1
        return Heard()

    def forget(self, state: Heard, row: int | None = None) -> Heard:
        assert row is None
        state.names.clear()
        state.frames.clear()
        return state

    def flush(self, state: Heard) -> tuple[np.ndarray, Heard]:
        return np.empty((0, 1, self.n_outputs), np.float32), state

    def warm(self) -> None:
        pass

    def step_each(self, xs: list[np.ndarray], states: list[Heard], outs: list[np.ndarray]) -> None:
        for x, state, out in zip(xs, states, outs, strict=True):
            self.step(x, state, out)

    def step(self, x: np.ndarray, state: Heard, out: np.ndarray | None = None) -> tuple[np.ndarray, Heard]:
        assert out is not None
        self.steps += 1
        level_db = 20 * np.log10(float(x[0, SPEC.n_mfcc]) + 1e-9)
        name = min(NAMES, key=lambda name: abs(LEVELS_DB[name] - level_db))
        if level_db < -40.0 and state.names:  # a pause: nothing new
            name = state.names[-1]
        state.names.append(name)
        state.frames.append(x[0].copy())
        out[:] = 0.0
        if name in LABELS:
            out[0, LABELS.index(name)] = 4.0
        out[0, -2] = -5.0 if name == "speech" else 5.0
        return out, state


class Levels:
    """Tells tracks apart by the running mean of their level, of which it is sure; a cut by the level of the frames.

    Where a louder track is followed by the next softer one, a state that knows much of both is taken for neither.
    """

    n_traits = IMPRINT + 1

    def traits(self, frame: np.ndarray, out: np.ndarray) -> None:
        out[:] = 0.0
        out[0] = 20 * np.log10(float(frame[SPEC.n_frame_features + SPEC.n_mfcc]) + 1e-9)
        out[IMPRINT] = 20 * np.log10(float(frame[SPEC.n_mfcc]) + 1e-9) / 6.0

    def another(self, before: np.ndarray, now: np.ndarray, heard: int) -> float:
        assert heard >= LEAST
        if now[IMPRINT] < -40.0 / 6.0:  # a pause: nothing new
            return -SURE
        return SURE if abs(float(before[0] - now[0])) > 4.5 else -SURE

    def warm(self) -> None:
        pass


def open_pipeline(same_track: Levels | None, **settings: float) -> Pipeline:
    # Made-up sound has one value that changes where real sound has forty: no gain of it is like a track's.
    # What is probable counts at once, unless that is what is asked.
    asked = {"change_every_s": ASK / HOPS_PER_S, "change_gain": 0.0, "change_word_s": 0.0}
    ours = {**asked, "margin": 0.08, "dwell_s": 1.0, "change_dwell_s": 0.5}
    policy = PolicySettings(**{**ours, **settings})
    compared = cast("SameTrack | None", same_track)
    return Pipeline(Frontend(SPEC), cast("Runtime", Scripted()), Calibration(), policy, same_track=compared)


def make(**settings: float) -> Pipeline:
    """What the comparison says is believed at once, and nothing else."""
    alone = {"change_adopt_s": 0.0, "cut_bias": 0.0, "cut_another": 1.0, "cut_divergence": 0.0}
    return open_pipeline(Levels(), **{**alone, **settings})


def make_as_shipped(**settings: float) -> Pipeline:
    """It is weighed, as shipped but for what is given."""
    return open_pipeline(Levels(), **settings)


def asks(n: int) -> float:
    """Seconds from one question to the n-th after it: what changes then is asked about when it is ``ASK`` hops old."""
    return n * ASK / HOPS_PER_S


def spectra(*parts: tuple[str | None, float], seed: int = 0) -> np.ndarray:
    """Spectra of noise at each part's level for so many seconds; None is silence."""
    rng = np.random.default_rng(seed)
    state = Frontend(SPEC).init_state()
    Frontend(SPEC).step_power(np.ones(SPEC.n_bins, np.float32), state)
    rows = []
    for name, seconds in parts:
        gain = 0.0 if name is None else 10 ** (LEVELS_DB[name] / 10) / state.level_power
        rows.append(gain * rng.uniform(0.8, 1.2, (round(seconds * HOPS_PER_S), SPEC.n_bins)))
    return np.concatenate(rows).astype(np.float32)


def hear(pipeline: Pipeline, power: np.ndarray, state: PipelineState) -> list[Posterior]:
    return [pipeline.hop_of_power(spectrum, state) for spectrum in power]


def assert_same(ours: list[Posterior], theirs: list[Posterior]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.probs, other.probs)
        assert dataclasses.replace(one, probs=other.probs) == other


def changes(hops: list[Posterior]) -> list[Posterior]:
    return [h for h in hops if h.track_change]


def test_a_change_is_recognised_and_its_cut_is_found() -> None:
    pipeline = make()
    hops = hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(20))), pipeline.init_state())
    [change] = changes(hops)
    assert change.track == 2
    assert change.track_start is not None
    assert change.track_start.reason is TrackReason.CHANGE
    assert change.track_start.hop == 20 * ASK
    assert change.hop == 22 * ASK - 1, "it was asked again, and the answer was the same"
    assert change.track_start.sample == change.track_start.hop * SPEC.hop
    assert change.age_s == pytest.approx((change.hop - change.track_start.hop + 1) / HOPS_PER_S)
    assert {h.track for h in hops[: change.hop]} == {1}
    assert {h.track for h in hops[change.hop :]} == {2}
    assert {h.track_start for h in hops[change.hop :]} == {change.track_start}


@pytest.mark.parametrize("every_s", [0.0, 0.5])
def test_whenever_it_is_asked_a_track_is_dated_to_a_fifth_of_a_second(every_s: float) -> None:
    for early in range(6):
        pipeline = make_as_shipped(change_every_s=every_s)
        cut = 20 * ASK - early
        power = spectra(("disco", cut / HOPS_PER_S), ("metal", 10))
        [change] = changes(hear(pipeline, power, pipeline.init_state()))
        assert change.track_start is not None
        assert abs(change.track_start.hop - cut) <= round(SAME_CUT_S * HOPS_PER_S) == SAME_CUT
        assert cut + LEAST <= change.hop <= cut + 4.0 * HOPS_PER_S


def test_after_a_change_the_state_is_that_of_a_piece_that_began_at_the_cut() -> None:
    pipeline = make()
    power = spectra(("disco", asks(12)), ("metal", asks(10)))
    state, fresh = pipeline.init_state(), pipeline.init_state()
    [change] = changes(hear(pipeline, power, state))
    assert change.track_start is not None
    alone = hear(pipeline, power[change.track_start.hop :], fresh)
    assert state.resets == 1
    assert state.standing.model.names == fresh.standing.model.names == ["metal"] * len(alone)
    np.testing.assert_array_equal(np.stack(state.standing.model.frames), np.stack(fresh.standing.model.frames))
    np.testing.assert_array_equal(state.standing.frontend.memory, fresh.standing.frontend.memory)
    np.testing.assert_array_equal(state.standing.probs, fresh.standing.probs)
    np.testing.assert_array_equal(state.standing.smoother.mean, fresh.standing.smoother.mean)
    np.testing.assert_array_equal(state.standing.music_smoother.mean, fresh.standing.music_smoother.mean)
    np.testing.assert_array_equal(state.standing.traits, fresh.standing.traits)
    assert state.standing.recent.kept == fresh.standing.recent.kept
    ours, theirs = (np.stack([*s.standing.recent.last(s.standing.recent.kept)]) for s in (state, fresh))
    np.testing.assert_array_equal(ours, theirs)
    assert state.decision.heard == fresh.decision.heard


def test_the_same_from_samples() -> None:
    pipeline = make()
    cut = 13 * ASK
    parts = [signals.noise(SPEC.hop * cut, 1, 10 ** (LEVELS_DB[name] / 20)) for name in ("blues", "metal")]
    sound = np.concatenate(parts)
    state = pipeline.init_state()
    hops, state = pipeline.step(sound, state)
    [change] = changes(hops)
    assert change.track_start is not None
    assert abs(change.track_start.hop - cut) <= 1
    fresh = pipeline.init_state()
    pipeline.step(sound[change.track_start.sample :], fresh)
    np.testing.assert_array_equal(np.stack(state.standing.model.frames), np.stack(fresh.standing.model.frames))
    np.testing.assert_array_equal(state.standing.probs, fresh.standing.probs)
    assert [h.end_sample for h in hops] == [SPEC.n_fft + SPEC.hop * k for k in range(len(hops))]


def test_the_old_genre_stands_until_the_new_one_is_decided_and_nothing_flickers() -> None:
    pipeline = make_as_shipped(warmup_s=2.0, margin=0.5, dwell_s=5.0, change_adopt_s=3.0)
    hops = hear(pipeline, spectra(("disco", asks(20)), ("metal", 20)), pipeline.init_state())
    [change] = changes(hops)
    said = [(h.decision.state, h.decision.label) for h in hops if h.age_s > 2.0 or h.track == 2]
    assert [key for key, _ in itertools.groupby(said)] == [(State.MUSIC, "disco"), (State.MUSIC, "metal")]
    told = next(h.hop for h in hops if h.decision.label == "metal")
    # Half a second after it was first asked about the new track; the track itself is told once enough of it was heard.
    asked = 21 * ASK - 1 + LATE
    assert asked < told <= asked + 0.5 * HOPS_PER_S + 1
    assert change.hop > told


def test_long_smoothing_forgets_with_the_track() -> None:
    with_changes = make(smoothing_s=3600.0)
    without = make(smoothing_s=3600.0, cut_bias=-100.0)
    power = spectra(("disco", asks(30)), ("metal", 5))
    *_, last = hear(with_changes, power, with_changes.init_state())
    assert last.probs[LABELS.index("metal")] > 0.9
    *_, last = hear(without, power, without.init_state())
    assert last.probs[LABELS.index("metal")] < 0.1
    assert last.track == 1


def test_what_is_heard_again_is_bounded_and_costs_nothing_otherwise() -> None:
    window_s = 2.0
    pipeline = make(change_window_s=window_s)
    state = pipeline.init_state()
    most, before = round(window_s * HOPS_PER_S) - LEAST, 0
    again_of: dict[bool, list[int]] = {False: [], True: []}
    for k, spectrum in enumerate(spectra(("blues", 10), ("disco", 10), ("metal", 10))):
        with_young, behind, led = bool(state.young.heard and not state.behind), state.behind, state.young_leads
        pipeline.hop_of_power(spectrum, state)
        steps, before = pipeline.runtime.steps - before, pipeline.runtime.steps
        again = steps - 1 - with_young
        again_of[led].append(again)
        assert 0 <= again <= (most if led else CATCH_UP)
        assert state.behind <= (0 if led else most - CATCH_UP)
        assert again == CATCH_UP or not state.behind
        if (k + 1) % ASK and not behind:
            assert again == 0
    assert max(again_of[False]) == CATCH_UP
    assert max(again_of[True]) > CATCH_UP, "what had the word keeps it"
    assert state.resets == 2


@pytest.mark.parametrize("cut", [0.49, 0.5])
def test_a_young_state_has_no_say_before_it_has_caught_up_unless_it_had_been_leading(cut: float) -> None:
    pipeline = make(change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(4))), state)
    # As if it had begun elsewhere: it begins anew.
    state.young.frontend.heard, state.unasked, state.cut = 1, ASK - 1, cut
    said = []
    for spectrum in spectra(("metal", asks(1))):
        hop = pipeline.hop_of_power(spectrum, state)
        said.append((state.behind, state.young.heard))
        assert (state.cut > 0.9) is (state.behind == 0)
        assert len(pipeline.tracks.hearings(state)) == (1 if state.behind else 2)
        if not state.behind:
            np.testing.assert_allclose(hop.probs, state.young.probs, atol=1e-3)
    if cut < 0.5:  # 45 hops, and one more with each that arrives
        assert said[:8] == [(37, 8), (30, 16), (23, 24), (16, 32), (9, 40), (2, 48), (0, 51), (0, 52)]
    else:
        assert said == [(0, heard) for heard in range(45, 45 + ASK)]


def test_whoever_believes_everything_waits_until_something_is_known() -> None:
    pipeline = make(change_adopt=0.0, cut_bias=-5.0)
    state = pipeline.init_state()
    for spectrum in spectra(("disco", 60)):
        before = state.resets
        hop = pipeline.hop_of_power(spectrum, state)
        if state.resets > before:
            assert hop.track_start is not None
            assert state.behind == 0
            assert state.standing.heard == hop.hop - hop.track_start.hop + 1 == len(state.standing.model.names) >= LEAST
    assert state.resets > 5


def begin_young(hops: int, state: PipelineState) -> None:
    """Have the young state hear the last hops anew, whatever would be answered to where a track began."""
    state.young = make().init_state().young
    state.behind, state.before = hops, next(state.standing.recent.last(hops + 1)).copy()


@pytest.mark.parametrize("names", [("blues", "metal"), ("disco", "metal")])
@pytest.mark.parametrize("early", range(6))
def test_what_began_elsewhere_than_the_answer_is_not_adopted(names: tuple[str, str], early: int) -> None:
    pipeline = make()
    state, cut = pipeline.init_state(), 20 * ASK
    power = spectra((names[0], asks(20)), (names[1], asks(3)))
    hear(pipeline, power[: cut + 1], state)
    begin_young(early + 1, state)
    adoptable = []
    for k, spectrum in enumerate(power[cut + 1 :], cut + 1):
        if (k + 1) % ASK == 0:
            leading = state.young_leads
        hop = pipeline.hop_of_power(spectrum, state)
        if hop.track_change:
            break
        adoptable.append(state.cut >= pipeline.policy.settings.change_adopt)
    assert hop.track_start is not None
    assert abs(hop.track_start.hop - cut) <= SAME_CUT
    assert hop.track_start.hop == (cut - early if early <= SAME_CUT else cut)
    # At the first question where it is agreed, or it is heard again at once; else at the next one.
    assert leading or names[0] == "disco"
    assert hop.hop == cut + (1 if early <= SAME_CUT or names[0] == "blues" else 2) * ASK - 1
    assert state.unasked == 0
    assert any(adoptable), "sure before it was asked, and yet it waited"


def test_no_track_begins_between_two_questions() -> None:
    for late in range(ASK):
        pipeline = make(change_adopt_s=0.0)
        cut = 20 * ASK + late
        power = spectra(("disco", cut / HOPS_PER_S), ("metal", asks(6)))
        state, sure = pipeline.init_state(), 0
        for spectrum in power:
            hop = pipeline.hop_of_power(spectrum, state)
            sure += state.cut >= pipeline.policy.settings.change_adopt
            if hop.track_change:
                break
        assert hop.track_start is not None
        assert (hop.hop + 1) % ASK == 0
        assert abs(hop.track_start.hop - cut) <= SAME_CUT
        # But for these it is sure before it is asked again. These are heard again at once, and the comparison is sure.
        assert (sure == 0) is (late in (3, 4))


@pytest.mark.parametrize("leading", [False, True])
def test_an_answer_from_before_a_gap_is_not_where_the_young_state_began(leading: bool) -> None:
    """That began after the gap since no more could be heard again: it is not taken for what was meant."""
    pipeline = make(change_adopt_s=3600.0 if leading else 0.0)
    state, before_gap = pipeline.init_state(), 4
    power = spectra(("blues", asks(20)), ("metal", asks(2)))
    hear(pipeline, power[: 20 * ASK + before_gap], state)
    pipeline.gap(1000, state)
    hear(pipeline, power[20 * ASK + before_gap : -1], state)
    kept = 2 * ASK - before_gap
    assert (state.lookback.kept, state.young.heard, state.behind) == (kept - 1, kept - 1, 0)
    assert state.young_leads
    if not leading:
        state.cut = 0.0
    steps = pipeline.runtime.steps
    pipeline.hop_of_power(power[-1], state)
    again = kept if leading else CATCH_UP
    assert pipeline.runtime.steps == steps + 2 + again
    assert (state.young.heard, state.behind) == (again, kept - again)
    assert state.resets == 0
    assert state.young_leads is leading


@pytest.mark.parametrize("dwell", [1, 6, 22, 23, 24, 30])
def test_after_a_change_no_margin_is_needed_until_it_has_settled(dwell: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "CATCH_UP", ASK)  # a track begins at the first question, before its genre is named
    settling = round(SETTLING_S * HOPS_PER_S)
    assert settling == 23
    pipeline = make(margin=1.0, change_dwell_s=dwell / HOPS_PER_S)
    state = pipeline.init_state()
    power = spectra(("disco", asks(20)), ("metal", asks(20)))
    said, changing = [], []
    for spectrum in power:
        hop = pipeline.hop_of_power(spectrum, state)
        said.append(hop.decision.label)
        changing.append(state.changing)
        if hop.track_change:
            adopted, snapshot = hop.hop, state.copy()
            assert state.settling == settling
            assert state.cut == 0.0
    assert adopted == 21 * ASK - 1
    assert state.resets == 1
    assert not any(changing[:adopted])
    assert changing[adopted:] == [True] * settling + [False] * (len(power) - adopted - settling)
    told = adopted + dwell - 1
    if dwell <= settling:
        assert set(said[told - ASK : told]) == {"disco"}
        assert set(said[told:]) == {"metal"}
    else:
        assert set(said[adopted:]) == {"disco"}, "no genre leads by such a margin"
    rest = [hop.decision.label for hop in hear(pipeline, power[adopted + 1 :], snapshot)]
    assert rest == said[adopted + 1 :], "a snapshot settles too"


def test_who_has_the_word_has_it_on_ones_own_labels() -> None:
    state = make().init_state()
    state.standing.own, state.young.own = (cast("OwnState", name) for name in ("standing", "young"))
    for cut, settling, own, changing in (
        (0.0, 0, "standing", False),
        (0.49, 0, "standing", False),
        (0.5, 0, "young", True),
        (0.0, 5, "standing", True),
    ):
        state.cut, state.settling = cut, settling
        assert (state.own, state.changing) == (own, changing)


def test_what_can_no_longer_be_heard_again_is_given_up() -> None:
    pipeline = make(change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(1))), state)
    assert state.behind > 0
    pipeline.gap(1000, state)
    hear(pipeline, spectra(("metal", 1))[:2], state)
    assert (state.behind, state.young.heard, state.cut) == (0, 0, 0.0)


def test_no_track_is_found_before_the_window() -> None:
    pipeline = make(change_window_s=1.5, change_every_s=5.0)
    hops = hear(pipeline, spectra(("disco", 9), ("metal", 10)), pipeline.init_state())
    for change in changes(hops):
        assert change.track_start is not None
        assert change.hop - change.track_start.hop < 1.5 * HOPS_PER_S + 1


def test_nothing_before_a_pause_or_a_gap_is_heard_again() -> None:
    pipeline = make(silence_reset_s=60.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", 10), (None, 1)), state)
    assert state.lookback.kept == 0
    hear(pipeline, spectra(("disco", 1)), state)
    assert state.lookback.kept == round(HOPS_PER_S)
    state = pipeline.gap(1000, state)
    hear(pipeline, spectra(("disco", 1))[:2], state)
    assert state.lookback.kept == 2


def test_a_track_after_a_short_pause_begins_no_sooner_than_its_sound() -> None:
    pipeline = make(silence_reset_s=60.0)
    power = spectra(("blues", 10), (None, 1), ("metal", 10))
    hops = hear(pipeline, power, state := pipeline.init_state())
    begins = round(10 * HOPS_PER_S) + round(HOPS_PER_S)
    [change] = changes(hops)
    assert change.track_start is not None
    assert begins <= change.track_start.hop <= begins + 1
    assert set(state.standing.model.names) == {"metal"}


def test_tracks_are_counted_with_why_they_began() -> None:
    pipeline = make()
    state = pipeline.init_state()
    hops = hear(pipeline, spectra((None, 1), ("disco", asks(10)), ("metal", asks(10)), (None, 5), ("metal", 6)), state)
    state = pipeline.gap(SPEC.sample_rate * 3, state)
    hops += hear(pipeline, spectra(("blues", 6)), state)
    state = pipeline.reset(state)
    hops += hear(pipeline, spectra((None, 5), ("blues", 6)), state)
    starts = [key for key, _ in itertools.groupby(h.track_start for h in hops)]
    assert starts[0] is None
    reasons = [start.reason.value for start in starts[1:] if start is not None]
    assert reasons == ["start", "change", "silence", "gap", "reset"]
    assert [key for key, _ in itertools.groupby(h.track for h in hops)] == [0, 1, 2, 3, 4, 5]
    # The first track follows none; each other is announced on one hop.
    assert [h.track for h in changes(hops)] == [2, 3, 4, 5]
    # Silence belongs to the track before it.
    silent = [h for h in hops if h.decision.state is State.SILENCE and h.hop > 100]
    assert {h.track for h in silent} == {2, 4}


def test_a_reset_leaves_nothing_to_compare_with() -> None:
    pipeline = make(change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(10)), ("metal", asks(2))), state)
    assert state.young.heard == 2 * ASK
    assert state.cut > 0.9
    assert state.before is not None
    state.settling = 5
    pipeline.reset(state)
    assert (state.young.heard, state.behind, state.cut, state.before, state.unasked) == (0, 0, 0.0, None, 0)
    assert (state.cuts, state.word, state.former.heard) == ((), 0.0, 0)
    assert (state.settling, state.changing) == (0, False)
    hops = hear(pipeline, spectra(("metal", 2.6)), state)
    assert state.young.heard == 0, "too little is known of the standing one"
    assert {h.track for h in hops} == {2}


def test_the_young_state_counts_as_much_as_a_cut_is_probable() -> None:
    pipeline = make_as_shipped(smoothing_s=3600.0, change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20))), state)
    cuts = []
    for spectrum in spectra(("metal", 4)):
        hop = pipeline.hop_of_power(spectrum, state)
        mixed = state.standing.probs ** (1.0 - state.cut) * state.young.probs**state.cut
        np.testing.assert_allclose(hop.probs, mixed / mixed.sum(), atol=1e-6)
        assert hop.music == pytest.approx((1.0 - state.cut) * state.standing.music + state.cut * state.young.music)
        cuts.append(state.cut)
    assert cuts[0] < 0.1
    assert cuts[-1] > 0.9
    assert hop.track == 1, "a track is reported once it is sure"
    assert hop.decision.label == "metal", "but said at once"


def test_a_suspicion_counts_as_far_as_it_has_lasted() -> None:
    pipeline = make(change_word_s=6 / HOPS_PER_S, change_adopt_s=3600.0, smoothing_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20))), state)
    words, cuts = [], []
    for spectrum in spectra(("metal", asks(2))):
        hop = pipeline.hop_of_power(spectrum, state)
        cuts.append(state.cut)
        words.append(state.word)
        mixed = state.standing.probs ** (1.0 - state.word) * state.young.probs**state.word
        np.testing.assert_allclose(hop.probs, mixed / mixed.sum(), atol=1e-6)
    probable = next(i for i, cut in enumerate(cuts) if cut > 0.5)
    assert max(cuts[:probable]) < 0.01
    assert min(cuts[probable:]) > 0.99
    rising = [k / 6 for k in range(1, 7)]
    np.testing.assert_allclose(words[: probable + 6], [0.0] * probable + rising, atol=0.01)
    assert min(words[probable + 6 :]) > 0.99


def test_no_track_begins_on_a_suspicion_that_has_not_lasted() -> None:
    power = spectra(("disco", asks(20)), ("metal", asks(6)))
    reported = {}
    for lasts in (1, 2 * ASK, 3 * ASK):
        pipeline = make(change_word_s=lasts / HOPS_PER_S, change_adopt_s=0.0)
        [change] = changes(hear(pipeline, power, pipeline.init_state()))
        reported[lasts] = change.hop // ASK
    assert reported == {1: 21, 2 * ASK: 22, 3 * ASK: 23}, "of the questions, which"


class Mistaken(Levels):
    """Takes what it has heard little of for another track, and knows better later."""

    knows_after = 4 * ASK

    def another(self, before: np.ndarray, now: np.ndarray, heard: int) -> float:
        said = super().another(before, now, heard)
        return said if heard < self.knows_after else -SURE


def test_a_change_that_was_none_is_taken_back() -> None:
    pipeline = open_pipeline(Mistaken(), smoothing_onset_s=0.0, cut_divergence=0.0)
    state = pipeline.init_state()
    hops = hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(12))), state)
    [change] = changes(hops)
    told = [h.decision.label for h in hops]
    known = 20 * ASK + Mistaken.knows_after
    assert told[change.hop + ASK : known - 1] == ["metal"] * (known - 1 - change.hop - ASK)
    assert state.former.heard == 20 * ASK + 2 * ASK
    joined = state.former.joined(state.standing.smoother.mean, state.standing.heard, 20.0 * HOPS_PER_S)
    np.testing.assert_allclose(hops[-1].probs, probabilities(joined), atol=1e-4)
    assert told[-1] == "disco", "much more was heard of it, and it is one track"
    assert hops[-1].track == 2, "what was announced stands"
    assert hops[known - 2].probs[LABELS.index("disco")] < 0.1
    assert hops[known].probs[LABELS.index("disco")] > 0.8


def test_a_change_that_was_one_leaves_nothing_of_the_track_before() -> None:
    pipeline, alone = make(), make()
    power = spectra(("disco", asks(20)), ("metal", asks(20)))
    hops = hear(pipeline, power, state := pipeline.init_state())
    [change] = changes(hops)
    assert change.track_start is not None
    assert state.former.heard
    theirs = hear(alone, power[change.track_start.hop :], alone.init_state())[change.hop - change.track_start.hop :]
    np.testing.assert_allclose([h.probs for h in hops[change.hop :]], [h.probs for h in theirs], atol=1e-3)


def test_what_is_kept_of_a_track_is_what_was_said_of_it() -> None:
    """Also where that was itself a change taken back."""
    pipeline = open_pipeline(Mistaken(), smoothing_onset_s=0.0, cut_divergence=0.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(6))), state)
    assert state.former.heard
    hops = hear(pipeline, spectra(("blues", asks(3))), state)
    [change] = changes(hops)
    assert state.former.probs.argmax() == LABELS.index("disco")
    assert change.track == 3


def test_nothing_is_said_of_a_young_state_that_has_heard_less_than_the_least() -> None:
    pipeline = make(silence_reset_s=60.0, change_every_s=0.0, change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("blues", 10), (None, 1)), state)
    for spectrum in spectra(("metal", 3)):  # the lookback begins with it, and so does the young state
        pipeline.hop_of_power(spectrum, state)
        assert state.cut == 0.0 or state.young.heard >= LEAST
    assert state.cut > 0.9


def test_a_young_state_that_is_soon_of_the_same_opinion_is_not_adopted() -> None:
    pipeline = make_as_shipped(change_every_s=0.5, change_adopt_s=5.0)
    power = spectra(("disco", 21), ("metal", 1.5), ("disco", 20))
    hops = hear(pipeline, power, state := pipeline.init_state())
    assert changes(hops) == []
    assert state.resets == 0
    assert len(state.standing.model.names) == len(power)
    assert hops[-1].decision.label == "disco"


def test_what_the_young_state_agrees_with_changes_nothing() -> None:
    pipeline, alone = make_as_shipped(), open_pipeline(None)
    power = spectra(("disco", 60))
    ours = hear(pipeline, power, state := pipeline.init_state())
    theirs = hear(alone, power, alone.init_state())
    assert state.young.heard
    assert [h.decision for h in ours] == [h.decision for h in theirs]
    assert changes(ours) == []
    np.testing.assert_allclose([h.probs for h in ours], [h.probs for h in theirs], atol=1e-3)


def test_something_else_for_half_a_second_costs_the_state_nothing() -> None:
    """Then all is as before, and the standing state goes on."""
    pipeline = make_as_shipped(change_every_s=0.5, silence_reset_s=60.0)
    power = spectra(("disco", 20), ("metal", 0.5), ("disco", 20))
    state = pipeline.init_state()
    hops = hear(pipeline, power, state)
    assert changes(hops) == []
    assert hops[-1].age_s == pytest.approx(len(power) / HOPS_PER_S)
    assert state.resets == 0
    assert len(state.standing.model.names) == len(power)
    assert hops[-1].decision.label == "disco"
    assert hops[-1].probs[LABELS.index("disco")] > 0.9


def test_a_young_state_that_began_at_the_cut_need_not_begin_anew() -> None:
    pipeline = make(change_adopt_s=3600.0)
    state = pipeline.init_state()
    hear(pipeline, spectra(("disco", asks(20)), ("metal", asks(2))), state)
    assert (state.young.heard, state.behind) == (2 * ASK, 0)
    before = pipeline.runtime.steps
    power = spectra(("metal", asks(3)))
    hear(pipeline, power, state)
    assert state.young.heard == 5 * ASK
    assert pipeline.runtime.steps == before + 2 * len(power)


def test_a_track_is_reported_late_but_dated_as_it_would_have_been_at_once() -> None:
    pipeline, at_once = make(change_adopt_s=3.0), make()
    power = spectra(("disco", asks(25)), ("metal", asks(20)))
    state, other = pipeline.init_state(), at_once.init_state()
    hops, theirs = hear(pipeline, power, state), hear(at_once, power, other)
    [change], [sooner] = changes(hops), changes(theirs)
    assert change.track_start == sooner.track_start
    assert change.track_start is not None
    assert change.track_start.hop == 25 * ASK
    assert sooner.hop == 27 * ASK - 1, "at the second question"
    questions = -(-round(3.0 * HOPS_PER_S) // ASK)  # until it has heard as much
    assert change.hop == (25 + questions) * ASK - 1 == 29 * ASK - 1
    assert state.resets == other.resets == 1
    assert state.standing.model.names == other.standing.model.names


def test_two_tracks_are_further_apart_than_what_must_be_known_of_one() -> None:
    pipeline = make(change_every_s=0.0)
    names = ("blues", "metal") * 12
    hops = hear(pipeline, spectra(*((name, 1.7) for name in names)), pipeline.init_state())
    starts = [h.track_start.hop for h in changes(hops) if h.track_start is not None]
    assert len(starts) > 3
    assert (np.diff([0, *starts]) >= round(KNOWN_S * HOPS_PER_S)).all()


def test_where_no_change_is_believed_all_is_as_if_none_were_looked_for() -> None:
    deaf, never = open_pipeline(None), make(cut_bias=-100.0)
    power = spectra(("disco", 15), ("metal", 0.5), ("blues", 10), (None, 1), ("speech", 5), ("metal", 5))
    ours, theirs = (hear(pipeline, power, pipeline.init_state()) for pipeline in (deaf, never))
    assert_same(ours, theirs)
    assert {h.track for h in ours} == {1}
    assert deaf.runtime.steps == sum(h.decision.state is not State.SILENCE for h in ours)
    assert never.runtime.steps > deaf.runtime.steps


def test_speech_is_not_music_and_music_after_it_is() -> None:
    pipeline = make(cut_bias=-100.0)
    hops = hear(pipeline, spectra(("disco", 10), ("speech", 15), ("disco", 10)), pipeline.init_state())
    said = [key for key, _ in itertools.groupby(h.decision.state for h in hops)]
    assert said == [State.STARTING, State.MUSIC, State.NOT_MUSIC, State.MUSIC]
    assert all(h.decision.label is None for h in hops if h.decision.state is State.NOT_MUSIC)
    music = np.array([h.music for h in hops])
    assert music[round(9 * HOPS_PER_S)] > 0.99
    assert music[round(24 * HOPS_PER_S)] < 0.02


def test_in_silence_the_last_word_on_music_stands() -> None:
    pipeline = make()
    hops = hear(pipeline, spectra((None, 1), ("speech", 5), (None, 6)), pipeline.init_state())
    assert hops[0].music == 0.5
    before = hops[round(6 * HOPS_PER_S) - 1].music
    assert before < 0.05
    assert {h.music for h in hops[-20:]} == {hops[-1].music}
    assert hops[-1].music <= before


@pytest.mark.parametrize("into", [-30, 2, ASK, ASK + 5])  # hops after the cut; at the third it has yet to catch up
def test_two_runs_are_equal_and_a_snapshot_taken_before_a_change_hears_it_too(into: int) -> None:
    pipeline = make(change_adopt_s=2.0)
    power = spectra(("blues", asks(12)), ("disco", asks(10)), ("metal", asks(10)))
    whole = hear(pipeline, power, pipeline.init_state())
    assert len(changes(whole)) == 2
    state = pipeline.init_state()
    cut = 12 * ASK + into
    first = hear(pipeline, power[:cut], state)
    snapshot = state.copy()
    assert snapshot.young.heard
    assert snapshot.behind or into != ASK
    assert not changes(first)
    assert_same(first + hear(pipeline, power[cut:], state), whole)
    assert_same(hear(pipeline, power[cut:], snapshot), whole[cut:])


def test_the_evaluation_reads_the_real_fields() -> None:
    class Clips:
        labels = LABELS

        def power(self, clip: int, _spec: FrontendSpec) -> np.ndarray:
            return spectra((NAMES[clip], 10), seed=clip)

    pipeline = make()
    trace = Listener(pipeline, Clips(), 30.0).hear(Task((0, 1, 2), silence_s=3.0))  # type: ignore[arg-type]
    assert trace.music is not None
    assert trace.changed is not None
    assert trace.changed.sum() == 2
    figures = detection([trace], SPEC.sample_rate)
    assert figures is not None
    assert figures["false_alarms_per_minute"] == 0.0


@pytest.mark.data
@needs_spectra
def test_the_shipped_model_hears_tracks_of_real_music_one_after_another() -> None:
    settings = Settings()
    try:
        checkpoint = app.load_checkpoint(settings.model)
    except CheckpointError as error:
        pytest.skip(f"the shipped model cannot be loaded: {error}")
    pipeline = app.open_pipeline(settings, checkpoint)
    corpus = read_corpus(SPECTRA)
    state, hops = pipeline.init_state(), []
    for clip in corpus.part("valid")[:60:15]:
        hops += hear(pipeline, corpus.power(clip, checkpoint.spec), state)
    assert all(0.0 <= h.music <= 1.0 for h in hops)
    steps = np.diff([0, *(h.track for h in hops)])
    assert set(steps.tolist()) <= {0, 1}
    assert [h.track for h in changes(hops)] == list(range(2, hops[-1].track + 1))
    assert changes(hops), "of four clips of several genres none was recognised"
    starts = np.diff([h.track_start.hop for h in changes(hops) if h.track_start is not None])
    assert (starts >= round(KNOWN_S * pipeline.hops_per_s)).all()
    assert all(h.track_start is not None and 0 <= h.track_start.hop <= h.hop for h in hops)
