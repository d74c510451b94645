"""The evaluation recordings beside the checkout; they never enter the repository, so tests skip without them."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("RTGENRE_DATA", Path(__file__).parents[2] / "shared" / "data"))
AUDIO = ROOT / "gtzan" / "audio"
SPECTRA = ROOT / "gtzan" / "gtzan_power.npz"

needs_audio = pytest.mark.skipif(
    not AUDIO.is_dir(), reason="no recordings here: set RTGENRE_DATA to the folder that holds gtzan/audio"
)
needs_spectra = pytest.mark.skipif(
    not SPECTRA.is_file(), reason="no spectra here: set RTGENRE_DATA to the folder that holds gtzan/gtzan_power.npz"
)
