from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtgenre.training.literature.clips import Clips, open_clips
from rtgenre.training.literature.pieces import Maker
from tests.training.literature.made import write_gtzan
from tests.training.teacher_file import write_teacher

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def gtzan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Spectra, folder of sound, table."""
    return write_gtzan(tmp_path_factory.mktemp("gtzan"))


@pytest.fixture(scope="session")
def fma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("fma") / "fma.npz", clips=40)


@pytest.fixture(scope="session")
def clips(gtzan: tuple[Path, Path, Path]) -> Clips:
    return open_clips(gtzan[0], None)


@pytest.fixture(scope="session")
def maker(clips: Clips, gtzan: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(clips, gtzan[2], tmp_path_factory.mktemp("kept"))
