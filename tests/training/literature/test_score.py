from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from rtgenre.training.literature import score, summary
from rtgenre.training.literature.catalogue import RECIPES
from rtgenre.training.literature.pieces import Pieces
from rtgenre.training.literature.protocols import Split


def test_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    label, said = rng.integers(4, size=300), rng.integers(4, size=300)
    ours = score.of_confusion(score.confusion(label, said, 4))
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(label, said))
    theirs = metrics.precision_recall_fscore_support(label, said, average="macro")
    assert (ours["precision"], ours["recall"], ours["f1"]) == pytest.approx(theirs[:3])
    each = metrics.precision_recall_fscore_support(label, said, average=None)
    np.testing.assert_allclose(score.of_labels(score.confusion(label, said, 4)), each[:3])
    true_negative = [((label != k) & (said != k)).sum() / (label != k).sum() for k in range(4)]
    assert ours["specificity"] == pytest.approx(np.mean(true_negative))


def test_a_label_that_does_not_occur_weighs_nothing() -> None:
    ours = score.of_confusion(score.confusion(np.array([0, 0, 1]), np.array([0, 0, 1]), 3))
    assert ours["accuracy"] == ours["recall"] == ours["f1"] == ours["specificity"] == 1.0


def made() -> tuple[Pieces, Split]:
    """Four clips of two pieces; clips 0 and 1 are one artist's."""
    clip = np.repeat(np.arange(4), 2)
    artist = np.array([7, 7, 7, 7, 8, 8, 9, 9])
    pieces = Pieces(np.zeros((8, 1)), clip, clip // 2, artist, np.full(8, "valid"), 0, 2)
    return pieces, Split(np.array([0]), np.array([1]), np.arange(8), artist)


def test_a_clip_is_what_its_pieces_say_together() -> None:
    pieces, split = made()
    scores = np.log(np.array([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]] + [[0.1, 0.9]] * 4))
    figures = score.figures(scores.argmax(axis=1), scores, pieces, split)
    assert figures["pieces"]["accuracy"] == 7 / 8
    assert figures["clips"]["accuracy"] == 1.0  # the sure piece outweighs the doubtful one
    # Artists: (3 of 4 pieces, 2 of 2 clips) once, (2 of 2, 1 of 1) twice.
    assert sorted(figures["groups"]) == [[2, 2, 1, 1, 2], [3, 4, 2, 2, 1]]


def test_whole_groups_are_drawn() -> None:
    together, apart = [[0, 50, 0, 5, 1], [50, 50, 5, 5, 1]], [[0, 1, 0, 1, 50], [1, 1, 1, 1, 50]]
    wide, narrow = (score.interval(score.draws(groups, "pieces")) for groups in (together, apart))
    assert wide == (0.0, 1.0)
    assert 0.35 < narrow[0] < 0.45
    assert 0.55 < narrow[1] < 0.65


def run(protocol: str, split: str, right: int) -> dict[str, object]:
    confusion = [[right, 10 - right], [0, 10]]
    cell = {**score.of_confusion(np.array(confusion)), "confusion": confusion}
    groups = [[right, 10, 1, 1, 1], [10, 10, 1, 1, 1]]
    return {
        "recipe": "mlp",
        "protocol": protocol,
        "split": split,
        "amount": 1.0,
        "pieces": cell,
        "clips": cell,
        "groups": groups,
    }


def test_folds_are_pooled_and_runs_averaged() -> None:
    runs = [run("artists", "valid", 5), run("artists", "fold0", 0), run("artists", "fold1", 10)]
    runs += [run("published", "run0", 8), run("published", "run1", 10)]
    row = summary.row(RECIPES["mlp"], runs)
    assert row is not None
    assert {name: cell.accuracy for name, cell in row.pieces.items()} == pytest.approx(
        {"published": 0.95, "valid": 0.75, "folds": 0.75}
    )
    assert row.pieces["folds"].fits == 2
    fall, low, high = row.pieces["published"].less(row.pieces["valid"])
    assert fall == pytest.approx(0.2)
    assert low < fall < high
    assert summary.row(RECIPES["cnn"], runs) is None
