from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from rtgenre.training.evaluation import crossed
from rtgenre.training.evaluation.crossed import Crossed, Fold
from rtgenre.training.evaluation.run import Measure
from tests.training.evaluation.made import RATE, UNREADABLE, Parrot, Scripted, parrot, trace, truth

QUICK = Measure(orders=2, quiet=True)
CLIPS = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0]
FOLDS = (np.array([0, 2, 4, 6]), np.array([1, 3, 5]), np.array([7, 8, 9]))


class Deaf(Parrot):
    """Never learns anything, and says the first label."""

    def _answer(self, label: int, state: dict) -> object:
        return super()._answer(min(label, 0), state)


def test_every_clip_is_heard_once_by_the_model_of_its_fold() -> None:
    folds = [Fold(parrot, FOLDS[0]), Fold(Deaf, FOLDS[1]), Fold(parrot, FOLDS[2])]
    heard = crossed.hear(folds, Scripted(CLIPS), QUICK)
    assert heard.truth.names == tuple(f"clip.{k}" for k in np.concatenate(FOLDS))
    assert heard.fold.tolist() == [0] * 4 + [1] * 3 + [2] * 3
    found = crossed.figures(heard)
    assert found["clips"] == 10
    # The deaf one is right where the label is the first: one of its three.
    assert found["accuracy"]["30"] == pytest.approx(8 / 10)
    again = crossed.figures(heard)
    assert json.loads(json.dumps(found)) == json.loads(msgspec.json.encode(again)), "plain numbers, each time the same"


def test_tracks_follow_one_another_within_a_fold_only() -> None:
    heard = crossed.hear([Fold(parrot, clips) for clips in FOLDS], Scripted(CLIPS), QUICK)
    followed = sorted(at for chain in heard.chains for at in chain[1:])
    assert followed == sorted([*range(10)] * 2), "each one follows another twice"
    for chain, row in zip(heard.chains, heard.rows, strict=True):
        assert len(set(heard.fold[list(chain)])) == 1
        ends = row.first_hop[1:] - 1
        assert row.probs[ends].argmax(axis=1).tolist() == heard.truth.label[list(chain)].tolist()
    found = crossed.figures(heard)
    assert found["in_a_row"]["tracks"] == 20
    assert found["in_a_row"]["accuracy"] == found["in_a_row"]["accuracy_alone"] == 1.0
    changes = found["track_changes"]
    assert changes["changes"] == 20
    assert 0.3 < changes["time_to_right"]["p90_s"] < 1.5


def test_what_cannot_be_read_leaves_the_others_in_their_places() -> None:
    clips = Scripted([0, UNREADABLE, 1, 1, 2, 2, 0, 1, 2, 0])
    heard = crossed.hear([Fold(parrot, part) for part in FOLDS], clips, QUICK)
    assert "clip.1" not in heard.truth.names
    assert heard.fold.tolist() == [0] * 4 + [1] * 2 + [2] * 3
    assert crossed.figures(heard)["accuracy"]["30"] == 1.0


def test_without_streams_there_are_no_rows() -> None:
    heard = crossed.hear([Fold(parrot, FOLDS[0])], Scripted(CLIPS), replace(QUICK, with_streams=False))
    assert not heard.rows
    assert "track_changes" not in crossed.figures(heard)


def test_a_folds_temperature_comes_from_the_others() -> None:
    # The first fold's model is always right, the second's half of the time; both are as sure.
    label = [0, 1, 2, 0, 0, 1, 2, 0]
    said = [*label[:4], 1, 1, 0, 0]
    alone = [trace([[one] * 344]) for one in said]
    heard = Crossed(truth(label), np.repeat((0, 1), 4), alone, [], [], RATE)
    each, together = crossed.temperatures(heard)
    assert each[0] > together > each[1]
    assert each[1] < 1.0 < each[0], "surer where the other fold was always right, less sure where it was not"
