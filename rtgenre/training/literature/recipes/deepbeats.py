"""MFCC, chroma, centroid and contrast into recurrent networks; SVM, neighbours and random forest beside them."""

from __future__ import annotations

from rtgenre.training.literature import classical, networks
from rtgenre.training.literature.recipe import Inputs, Printed, Recipe, Shares, Training

_FOUR = ("mfcc", "chroma", "centroid", "contrast")
_ASSUMED = (
    (
        "Length of the pieces, shares, batch and learning rate are not printed where we know the paper from: "
        "3 s (130 frames), 20 % test, 20 % of the rest for early stopping, 32, 1e-3."
    ),
)
_STOPPED = Training(epochs=60, patience=8)


RECIPES = (
    Recipe(
        name="deepbeats-lstm",
        paper="deepbeats",
        what="13 MFCC → LSTM 64 → LSTM 64 → dense 64 → dropout → labels, as its printed summary has it",
        inputs=Inputs(n_mfcc=13),
        network=networks.two_of_64("lstm"),
        training=_STOPPED,
        shares=Shares(test=0.2),
        printed=Printed(
            accuracy=0.9120,
            f1=0.9113,
            precision=0.9116,
            recall=0.9118,
            specificity=0.9902,
            parameters=57_802,
            shape=(130, 13),
        ),
        notes=(*_ASSUMED, "The paper's text gives 92.84 %; its printed run, compared with here, 91.20 %."),
        effort=60,
    ),
    Recipe(
        name="deepbeats-lstm-features",
        paper="deepbeats",
        what="the same on all its features: MFCC, chroma, centroid, contrast",
        inputs=Inputs(features=_FOUR),
        network=networks.two_of_64("lstm"),
        training=_STOPPED,
        shares=Shares(test=0.2),
        notes=_ASSUMED,
        effort=60,
    ),
    *(
        Recipe(
            name=f"deepbeats-{name}",
            paper="deepbeats",
            what=f"the same network with {words} cells",
            inputs=Inputs(n_mfcc=13),
            network=network,
            training=_STOPPED,
            shares=Shares(test=0.2),
            notes=_ASSUMED,
            effort=60,
        )
        for name, words, network in (
            ("gru", "GRU", networks.two_of_64("gru")),
            ("rnn", "simple recurrent", networks.two_of_64("rnn")),
        )
    ),
    *(
        Recipe(
            name=f"deepbeats-{name}",
            paper="deepbeats",
            what=f"{words}, on means and variances of the same features",
            inputs=Inputs(kind="moments", features=_FOUR),
            estimator=estimator,
            shares=Shares(valid=0.0, folds=5),
            notes=("The learner's settings are not printed: scikit-learn's defaults, with C = 10 for the SVM.",),
            effort=20,
        )
        for name, words, estimator in (
            ("svm", "support vector machine", classical.svm(10.0)),
            ("knn", "five nearest neighbours", classical.knn(5)),
            ("rf", "random forest of 100 trees", classical.random_forest(100, None)),
        )
    ),
)
