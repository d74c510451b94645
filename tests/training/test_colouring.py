from __future__ import annotations

import dataclasses

import numpy as np

from rtgenre.training.colouring import Colouring
from tests.training.corpus import STILL


def test_a_shift_moves_a_line_by_its_factor() -> None:
    line = np.zeros((3, 1025), np.float32)
    line[:, 399:402] = 1.0  # wide enough for no stretch to skip
    shifting = dataclasses.replace(STILL, shift_octaves=0.5)
    moved = [int(shifting.apply(line, 22050, np.random.default_rng(seed))[0].argmax()) for seed in range(40)]
    assert 400 / 2**0.5 - 2 <= min(moved) < 320
    assert 480 < max(moved) <= 400 * 2**0.5 + 2


def test_colouring_keeps_to_its_limits_and_to_its_seed() -> None:
    flat = np.full((30, 1025), 1e-4, np.float32)
    gentle = dataclasses.replace(STILL, gain_db=(-6.0, 3.0))
    for seed in range(20):
        coloured = gentle.apply(flat, 22050, np.random.default_rng(seed))
        gain_db = 10 * np.log10(coloured / flat)
        assert np.ptp(gain_db) < 0.2
        assert -6.1 < gain_db.mean() < 3.1
        np.testing.assert_array_equal(coloured, gentle.apply(flat, 22050, np.random.default_rng(seed)))
    default = [Colouring().apply(flat, 22050, np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.isfinite(c).all() and (c >= 0).all() for c in default)
    assert np.ptp([10 * np.log10(c.mean()) for c in default]) > 3.0
