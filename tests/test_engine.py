"""The real-time thread of a device, without a daemon around it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from rtgenre.audio.file import FileSource
from rtgenre.engine import Engine
from tests.test_pipeline import make

if TYPE_CHECKING:
    from pathlib import Path

RATE = 22050


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_ends_even_where_its_last_word_fails(tmp_path: Path) -> None:
    """Otherwise the daemon would wait for it for ever."""
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, RATE), RATE)
    source = FileSource("mic", path, realtime=False)
    source.start()
    info = source.wait_ready(10.0)
    ended, hops = threading.Event(), list[int]()
    listener = SimpleNamespace(on_hop=lambda posterior, *_: hops.append(posterior.hop), has_room=lambda: True)

    def fail() -> None:
        raise RuntimeError("nothing to say it with")

    engine = Engine(source, info, make(), (), listener, on_end=ended.set, last_word=fail)
    engine.start()
    assert ended.wait(30.0)
    engine.stop(30.0)  # its thread is to have failed within this test
    assert engine.finished
    assert engine.error is None
    assert hops == list(range(len(hops)))
    assert len(hops) > 8
    source.close()
