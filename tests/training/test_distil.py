from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rtgenre.errors import SourceError
from rtgenre.model.network import GenreNet
from rtgenre.training.distil import DistilSettings, Student, cached_distil
from rtgenre.training.recipe import SPEC
from rtgenre.training.teacher import read_teacher
from tests.training.teacher_file import write_teacher
from tests.training.test_train import SMALL

if TYPE_CHECKING:
    from pathlib import Path


def test_an_encoder_learns_what_its_teacher_hears(tmp_path: Path) -> None:
    taught = read_teacher(write_teacher(tmp_path / "teacher.npz"), SPEC)
    assert taught.mfcc.shape == (420, 130, SPEC.n_mfcc)
    assert taught.phases == 4
    assert (taught.embedding[~taught.has_embedding] == 0.0).all()
    settings = DistilSettings(epochs=6, batch=16, hold_out=True, threads=1)
    log: list[dict[str, Any]] = []
    made = cached_distil(taught, SMALL, settings, log.append, tmp_path / "cache")
    assert log[-1]["explained_variance"] > 0.5
    assert log[-1]["genre_accuracy"] > 0.2, "one of the four that sound alike"
    kept = cached_distil(taught, SMALL, settings, lambda _: pytest.fail("it was kept"), tmp_path / "cache")
    for name, value in made.tensors.items():
        np.testing.assert_array_equal(kept.tensors[name], value)


def test_folding_leaves_the_encoder_that_was_taught() -> None:
    torch.manual_seed(0)
    student = Student(SMALL, 8, 0.3)
    student.train()
    for _ in range(5):  # gives the batch norms something to remember
        student(torch.randn(32, 20, SMALL.encoder_inputs) * 2 + 1, (19,))
    student.eval()
    network = GenreNet(SMALL, torch.zeros(40), torch.ones(40), 3, SPEC.hops_per_s)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in student.folded().items()}, strict=False)
    m = torch.randn(4, 20, SMALL.encoder_inputs)
    with torch.no_grad():
        wanted = student(m, (11, 19))
        got, _, _ = network.encoder(m, network.init_state(4))
    np.testing.assert_allclose(got[:, [11, 19]].numpy(), wanted.numpy(), atol=1e-5)


def test_a_file_that_is_no_teacher_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "odd.npz").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="not a set of MFCCs"):
        read_teacher(tmp_path / "odd.npz", SPEC)
    with pytest.raises(SourceError, match="cannot read"):
        read_teacher(tmp_path / "none.npz", SPEC)
