"""Features stay what they were: a checkpoint trained on them depends on it."""

from __future__ import annotations

import numpy as np
import pytest

from rtgenre.frontend.stream import Frontend
from tests.golden.make_frontend import GOLDEN, SPECS


@pytest.mark.parametrize("name", SPECS)
def test_features_are_those_of_the_golden_file(name: str) -> None:
    with np.load(GOLDEN) as golden:
        x = golden["sound"].astype(np.float32) / 32768
        expected = golden[name]
    frames = Frontend(SPECS[name]).offline(x)
    assert frames.shape == expected.shape
    # Another processor sums in vectors of another length: float32 rounding, in dB where it shows most.
    np.testing.assert_allclose(frames, expected, rtol=1e-5, atol=5e-3)
