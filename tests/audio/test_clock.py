"""The audio clock, against simulated arrivals."""

from __future__ import annotations

import numpy as np
import pytest

from rtgenre.audio.clock import AudioClock, PaceMeter
from rtgenre.errors import DeviceError

_S = 1_000_000_000
_BLOCK = 1024


def _arrivals(rate, seconds, *, burst_s=0.09, ppm=0.0, jitter_s=0.002, seed=1):
    """When blocks arrive: (capture times of their last samples, arrival times), ns. Blocks come in bursts."""
    n = np.arange(1, int(seconds * rate / _BLOCK) + 1)
    captured = n * _BLOCK / (rate * (1 + ppm * 1e-6))
    rng = np.random.default_rng(seed)
    handed_over = np.ceil(captured / burst_s) * burst_s + 0.01
    arrival = handed_over + rng.exponential(jitter_s, len(n))
    arrival = np.maximum.accumulate(arrival)
    return (captured * _S).astype(np.int64), (arrival * _S).astype(np.int64)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("ppm", [-300, 0, 300])
def test_bursts_and_drift_are_no_loss_and_capture_time_is_followed(rate, ppm):
    captured, arrival = _arrivals(rate, 300, ppm=ppm)
    clock = AudioClock(rate)
    errors_ms = []
    for c, a in zip(captured, arrival, strict=True):
        assert clock.tell(_BLOCK, int(a)) == 0
        assert clock.t_last_ns <= a
        errors_ms.append((clock.t_last_ns - c) / 1e6)
    late = np.array(errors_ms[len(errors_ms) // 10 :])
    # 10 ms of delay that nobody can see, and what the envelope lags behind.
    assert np.abs(late - 10).max() < 15, (late.min(), late.max())


def test_a_stall_of_16_s_that_lost_5_2_s_is_found():
    rate = 48000
    captured, arrival = _arrivals(rate, 60)
    lost_from, lost_to, resumed = int(30.8 * _S), int(36 * _S), int(36 * _S)
    clock = AudioClock(rate)
    found, found_at = 0, None
    for c, a in zip(captured, arrival, strict=True):
        if lost_from < c <= lost_to:
            continue  # what did not fit the server's buffer
        late = max(int(a), resumed) if c > 20 * _S else int(a)
        gap = clock.tell(_BLOCK, late)
        if gap:
            found, found_at = found + gap, c / _S
    assert found == pytest.approx(5.2 * rate, abs=0.08 * rate)
    assert 36 < found_at < 39


def test_a_stall_without_loss_is_no_gap():
    captured, arrival = _arrivals(44100, 30)
    clock = AudioClock(44100)
    for c, a in zip(captured, arrival, strict=True):
        late = max(int(a), 14 * _S) if c > 10 * _S else int(a)
        assert clock.tell(_BLOCK, late) == 0


def test_small_losses_add_up_and_none_is_found_twice():
    rate, lost = 44100, 0
    captured, arrival = _arrivals(rate, 120)
    clock, found = AudioClock(rate), 0
    for i, (_, a) in enumerate(zip(captured, arrival, strict=True)):
        if i and i % 500 < 6:  # six blocks, 139 ms, every 11.6 s
            lost += _BLOCK
            continue
        found += clock.tell(_BLOCK, int(a))
    assert found == pytest.approx(lost, rel=0.1)


def test_known_losses_are_not_found_again():
    captured, arrival = _arrivals(48000, 30)
    clock = AudioClock(48000)
    skipped = 0
    for c, a in zip(captured, arrival, strict=True):
        if 10 * _S < c < 12 * _S:
            skipped += _BLOCK
            continue
        assert clock.tell(_BLOCK, int(a), lost_samples=skipped) == 0
        skipped = 0


@pytest.mark.parametrize(
    ("said", "true"), [(48000, 44100), (44100, 48000), (44100, 22050), (22050, 44100), (48000, 47000)]
)
def test_a_rate_that_is_not_true_is_refused_and_named(said, true):
    _, arrival = _arrivals(true, 20)
    clock = AudioClock(said)
    with pytest.raises(DeviceError, match=f"says {said} Hz") as caught:
        _tell_all(clock, arrival)
    nearest = 48000 if true == 47000 else true
    assert f"{nearest} Hz" in caught.value.remedy


def _tell_all(clock, arrival):
    for a in arrival:
        clock.tell(_BLOCK, int(a))


def test_pace_is_judged_only_when_steady():
    meter = PaceMeter(48000)
    rng = np.random.default_rng(3)
    t = 0.0
    for _ in range(2000):  # a program that writes when it likes
        t += rng.choice([0.0, 0.01, 0.3])
        assert meter.tell(_BLOCK, int(t * _S)) is None


def test_pace_names_the_rate_it_measured():
    _, arrival = _arrivals(44100, 10)
    meter = PaceMeter(22050)
    measured = [m for a in arrival if (m := meter.tell(_BLOCK, int(a))) is not None]
    assert measured[0] == pytest.approx(44100, rel=0.005)
