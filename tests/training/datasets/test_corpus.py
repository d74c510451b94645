from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import SourceError, UsageError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.training.datasets.corpus import read_corpus
from tests.training.corpus import BINS, GENRES, HOPS

if TYPE_CHECKING:
    from pathlib import Path


def test_levels_are_decoded_and_missing_bins_scatter_around_their_neighbours(corpus_file: Path) -> None:
    corpus = read_corpus(corpus_file)
    power = corpus.power(0, FrontendSpec())
    assert power.shape == (HOPS, 1025)
    assert power.dtype == np.float32
    np.testing.assert_allclose(power[:, BINS].T, 10 ** ((corpus.power_db[0] * 1.5 - 160.0) / 10), rtol=1e-5)
    missing = np.setdiff1d(np.arange(1025), BINS)
    neighbours = (power[:, missing - 1] + power[:, missing + 1]) / 2
    assert (power[:, missing] / neighbours).mean() == pytest.approx(1.0, abs=0.02)
    assert np.std(power[:, missing] / neighbours) == pytest.approx(1.5**-0.5, abs=0.03)
    np.testing.assert_array_equal(power, corpus.power(0, FrontendSpec()))
    assert not np.array_equal(power, corpus.power(0, FrontendSpec(), np.random.default_rng(1)))


def test_zero_means_nothing_and_short_clips_end_early(corpus_file: Path) -> None:
    corpus = read_corpus(corpus_file)
    corpus.power_db[0, :, 5] = 0
    assert not corpus.power(0, FrontendSpec())[5].any()
    assert len(corpus.power(len(corpus.names) - 1, FrontendSpec())) == HOPS - 1


def test_a_spectrum_too_small_for_the_corpus_is_refused(corpus_file: Path) -> None:
    with pytest.raises(UsageError, match="bin 1024"):
        read_corpus(corpus_file).power(0, FrontendSpec(n_fft=1024, hop=512, n_mels=32))


def test_parts_labels_and_artists(corpus_file: Path) -> None:
    corpus = read_corpus(corpus_file)
    assert corpus.labels == GENRES
    train, valid = corpus.part("train"), corpus.part("valid")
    assert len(train) == len(valid) == 18
    assert not set(corpus.artist[train]) & set(corpus.artist[valid])
    with pytest.raises(UsageError, match=r'"test"') as caught:
        corpus.part("test")
    assert "train, valid" in caught.value.remedy
    with pytest.raises(UsageError, match="the model knows"):
        corpus.require_labels(("low", "high"))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read"):
        read_corpus(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04 truncated"])
def test_a_file_of_another_kind_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SourceError, match="not a corpus"):
        read_corpus(tmp_path / "x.npz")


def test_a_file_without_the_arrays_is_a_clear_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", power_db=np.zeros(3))
    with pytest.raises(SourceError, match="fft_bins"):
        read_corpus(tmp_path / "x.npz")
