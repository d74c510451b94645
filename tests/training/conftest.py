from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.training.corpus import write_corpus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "made_up.npz")
