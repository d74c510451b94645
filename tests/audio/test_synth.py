"""The demo: the same for ever, at any block size, clean, and as varied as its names say."""

from __future__ import annotations

import time
from functools import cache
from itertools import groupby, islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.audio import synth
from rtgenre.audio.source import EndOfSource, Source
from rtgenre.audio.studio.band import Room
from rtgenre.audio.studio.instruments import DRUM, INSTRUMENTS, Orchestra
from rtgenre.audio.studio.styles import STYLES
from rtgenre.audio.synth import PAUSE_S, PIECE_S, DemoSource, Passage, medley, render_medley
from rtgenre.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.records import Block

RATE = 22050


@cache
def first_round() -> list[tuple[str, np.ndarray]]:
    """Every style once, with the pauses between: (style, samples)."""
    beats = []
    for passage in medley(0, RATE):
        beats.append(passage)
        if sum(1 for _ in groupby(beats, key=lambda p: p.style)) > 15:
            break
    pieces = [(style, np.concatenate([p.samples for p in run])) for style, run in groupby(beats, lambda p: p.style)]
    return pieces[:-1]


def blocks_of(source: DemoSource) -> Iterator[Block]:
    source.start()
    while True:
        try:
            block = source.read(0.0)
        except EndOfSource:
            return
        assert block is not None
        yield block


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 30_000), st.floats(0.01, 3.0), st.integers(0, 3))
def test_the_block_size_changes_nothing(block_samples: int, duration_s: float, seed: int) -> None:
    source = DemoSource(seed=seed, sample_rate=8000, realtime=False, block_samples=block_samples, duration_s=duration_s)
    whole = render_medley(seed, duration_s, 8000)
    assert whole.size == round(duration_s * 8000)
    blocks = [block.samples for block in blocks_of(source)]
    assert {(block.dtype, block.shape[1]) for block in blocks} == {(np.dtype(np.float32), 1)}
    assert np.array_equal(np.concatenate(blocks)[:, 0], whole)


def test_the_same_seed_gives_the_same_samples_and_another_one_others() -> None:
    assert np.array_equal(render_medley(3, 5, RATE), render_medley(3, 5, RATE))
    assert not np.array_equal(render_medley(3, 5, RATE), render_medley(4, 5, RATE))


def test_every_style_comes_in_turn_for_its_time_with_silence_between() -> None:
    pieces = first_round()
    assert [style for style, _ in pieces if style] == list(STYLES)
    for style, samples in pieces:
        assert samples.size == round((PIECE_S if style else PAUSE_S) * RATE)
        assert bool(samples.any()) == bool(style)


def test_later_rounds_have_all_styles_again_but_not_the_same_music() -> None:
    starts = []
    for style, run in groupby(medley(0, 8000), key=lambda p: p.style):
        if style:
            starts.append((style, next(run).samples))
        if len(starts) == 2 * len(STYLES):
            break
    one, two = dict(starts[: len(STYLES)]), dict(starts[len(STYLES) :])
    assert set(one) == set(two) == set(STYLES)
    assert all(not np.array_equal(one[style], two[style]) for style in STYLES)


def test_levels_are_those_of_music_and_nothing_clips() -> None:
    for style, samples in first_round():
        if style:
            rms_dbfs = 20 * np.log10(np.sqrt(np.mean(samples**2)))
            assert -24 < rms_dbfs < -12, style
            assert np.abs(samples).max() < 0.9, style
            assert abs(samples.mean()) < 0.01, style


def test_pieces_begin_and_end_at_rest() -> None:
    pieces = [samples for style, samples in first_round() if style]
    for samples in pieces:
        assert np.abs(samples[-RATE // 200 :]).max() < 1e-3
        assert np.abs(samples[:2]).max() < 0.05


def test_beats_join_without_clicks() -> None:
    """A step at a join would be louder, above 6 kHz, than anything in quiet music; listen to the strings."""
    beats = [p.samples for p in islice(medley(0, RATE), 400) if p.style == "classical"]
    whole = np.concatenate(beats)
    joins = np.cumsum([b.size for b in beats])[:-1]
    bend = np.abs(np.diff(whole, 2))
    at_joins = np.array([bend[j - 3 : j + 1].max() for j in joins])
    assert at_joins.max() <= np.quantile(bend, 0.9999)


def test_styles_differ_in_brightness_and_in_rhythm() -> None:
    centroid, onsets = {}, {}
    for style, samples in first_round():
        if style:
            frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::512] * np.hanning(1024)
            spectrum = np.abs(np.fft.rfft(frames))
            hz = np.fft.rfftfreq(1024, 1 / RATE)
            centroid[style] = float(np.mean((spectrum @ hz) / (spectrum.sum(axis=1) + 1e-9)))
            onsets[style] = float(np.maximum(np.diff(np.log1p(20 * spectrum), axis=0), 0).mean())
    assert centroid["metal"] > 1.5 * centroid["classical"]
    assert onsets["metal"] > 1.6 * onsets["classical"]
    assert onsets["disco"] > 1.3 * onsets["classical"]
    # No two styles are alike in both.
    points = np.array([[np.log2(centroid[s]), np.log2(onsets[s])] for s in STYLES])
    apart = np.abs(points[:, None] - points[None]).max(axis=-1)[np.triu_indices(len(points), 1)]
    assert apart.min() > 0.02


@pytest.mark.parametrize("instrument", sorted(INSTRUMENTS))
@pytest.mark.parametrize("rate", [8000, 48000])
def test_every_instrument_sounds_and_comes_to_rest(instrument: str, rate: int) -> None:
    note = Orchestra(rate).play(instrument, 57, 400)
    assert note.dtype == np.float32
    assert np.isfinite(note).all()
    assert 0.3 < np.abs(note).max() <= 1.0
    assert note[0] == note[-1] == 0.0
    assert not note.flags.writeable


@pytest.mark.parametrize("instrument", ["piano", "strings", "nylon", "electric_bass", "organ", "voice"])
def test_instruments_are_in_tune(instrument: str) -> None:
    note = Orchestra(48000).play(instrument, 57, 1500)
    spectrum = np.abs(np.fft.rfft(note[4800:52800] * np.hanning(48000)))
    lines = [spectrum[round(220 * k) - 6 : round(220 * k) + 7].argmax() - 6 for k in (1, 2)]
    assert abs(lines[0]) <= 4  # a third of a semitone
    assert spectrum[214:227].max() > 5 * np.median(spectrum[100:2000])


def test_a_note_does_not_depend_on_what_was_played_before() -> None:
    one, two = Orchestra(RATE), Orchestra(RATE)
    two.play("voice", 60, 300)
    two.play("crash", DRUM, DRUM)
    assert np.array_equal(one.play("nylon", 57, 400), two.play("nylon", 57, 400))


def test_memory_stays_bounded_over_many_pieces() -> None:
    orchestra = Orchestra(8000)
    for midi in range(40, 80):
        orchestra.play("organ", midi, 100)
    orchestra.play("kick", DRUM, DRUM)
    orchestra.forget()
    assert list(orchestra._remembered) == [("kick", DRUM, DRUM)]


def test_the_room_does_not_care_how_its_sound_is_cut() -> None:
    x = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    whole = Room(8000, 0.5).step(x)
    room = Room(8000, 0.5)
    cut = np.concatenate([room.step(part) for part in np.split(x, [1, 17, 400, 3000, 3001])])
    np.testing.assert_array_equal(cut, whole)
    assert np.abs(whole).max() < 10


# As a source.


def test_it_is_a_source() -> None:
    source: Source = DemoSource("stage", duration_s=2.0)
    info = source.wait_ready(0)
    assert (info.name, info.sample_rate, info.channels, info.live, info.duration_s) == ("stage", 44100, 1, True, 2.0)
    source.close()
    source.close()


def test_it_says_what_it_plays() -> None:
    source = DemoSource(sample_rate=8000, realtime=False, block_samples=4000)
    source.start()
    notices = []
    for _ in range(int(64 / 0.5)):
        source.read(0)
        notices.append(source.stats.notice)
    assert [notice for notice, _ in groupby(notices)] == [
        "demo: synthesised disco",
        "demo: synthesised classical",
        "demo: pause",
        "demo: synthesised metal",
        "demo: synthesised reggae",
    ]
    assert notices.index("demo: synthesised classical") == 40


def test_in_real_time_blocks_come_at_the_pace_of_the_clock() -> None:
    source = DemoSource(block_samples=1024)
    source.start()
    blocks = [source.read(5.0) for _ in range(30)]
    assert all(block is not None for block in blocks)
    stamps = np.array([block.t_last_ns for block in blocks if block is not None])
    np.testing.assert_allclose(np.diff(stamps), 1024e9 / 44100, atol=2)
    # A block never comes before its time.
    assert time.monotonic_ns() >= stamps[-1]


def test_in_real_time_nothing_comes_early() -> None:
    source = DemoSource(block_samples=44100)
    source.start()
    assert source.read(0.0) is None
    assert source.read(0.01) is None


def test_a_reader_that_was_away_finds_the_medley_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = [10**12]
    monkeypatch.setattr(synth.time, "monotonic_ns", lambda: now_ns[0])

    def sleep(seconds: float) -> None:
        now_ns[0] += round(seconds * 1e9)

    monkeypatch.setattr(synth.time, "sleep", sleep)
    source = DemoSource(sample_rate=8000, block_samples=800)
    source.start()
    first, second = source.read(1), source.read(1)
    assert first is not None
    assert second is not None
    now_ns[0] += 60 * 10**9
    third, fourth = source.read(1), source.read(1)
    assert third is not None
    assert fourth is not None
    assert third.t_last_ns - second.t_last_ns == pytest.approx(60e9, abs=1e6)
    assert fourth.t_last_ns - third.t_last_ns == 10**8
    together = np.concatenate([b.samples[:, 0] for b in (first, second, third, fourth)])
    assert np.array_equal(together, render_medley(0, 0.4, 8000))
    assert third.gap_samples == 0


@pytest.mark.parametrize("wrong", [{"sample_rate": 4000}, {"sample_rate": 400_000}, {"block_samples": 0}])
def test_impossible_arguments_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SourceError) as caught:
        DemoSource(**wrong)  # type: ignore[arg-type]
    assert caught.value.remedy


def test_passages_are_short_enough_to_render_ahead() -> None:
    passages: list[Passage] = list(islice(medley(0, 8000), 300))
    assert max(p.samples.size for p in passages) <= 1.5 * 8000
