"""Write ``frontend.npz``: a short sound and the frames that the frontend made of it.

Run ``python -m tests.golden.make_frontend`` only when features change on purpose; then raise ``DEFINITION``
in ``rtgenre/frontend/spec.py`` too, because checkpoints trained on the old features no longer fit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtgenre.frontend.spec import FEATURES, FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals

GOLDEN = Path(__file__).with_name("frontend.npz")
SPECS = {
    "default": FrontendSpec(),
    "librosa": FrontendSpec.librosa_default(features=FEATURES, running_s=(0.5,)),
}


def main() -> None:
    """Compute the frames and write the file."""
    # Stored as 16 bits, so that the input does not depend on how a generator draws its numbers.
    sound = np.round(signals.silence_edges(20_000, seed=9) * 32767).astype(np.int16)
    x = sound.astype(np.float32) / 32768
    frames = {name: Frontend(spec).offline(x) for name, spec in SPECS.items()}
    np.savez_compressed(GOLDEN, sound=sound, **frames)


if __name__ == "__main__":
    main()
