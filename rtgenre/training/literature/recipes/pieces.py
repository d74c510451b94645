"""Ten pieces of 3 s a clip: MLP, CNN and LSTM on 13 MFCC, and nine classical learners on means and variances."""

from __future__ import annotations

from torch import nn

from rtgenre.training.literature import classical, networks
from rtgenre.training.literature.recipe import Inputs, Printed, Recipe, Shares, Training

_SLOW = Training(epochs=100, patience=100, rate=1e-4)  # all of them: no early stopping is printed
_LEARNERS = (
    ("nb", "Gaussian naive Bayes", classical.naive_bayes, 0.5195, 5),
    ("sgd", "linear SVM by stochastic gradient descent", classical.sgd, 0.6553, 5),
    ("knn", "19 nearest neighbours", classical.knn(19), 0.8058, 5),
    ("dt", "decision tree", classical.decision_tree, 0.6467, 5),
    ("rf", "random forest, 1000 trees of depth 10", classical.random_forest(1000, 10), 0.8142, 30),
    ("svm", "support vector machine", classical.svm(), 0.7541, 10),
    ("lr", "logistic regression", classical.logistic_regression, 0.6957, 10),
    ("xgb", "XGBoost, 1000 rounds at 0.05", classical.boosted_trees, 0.9012, 150),
    ("xgbrf", "XGBoost's random forest", classical.boosted_forest, 0.7474, 15),
)
_LEARNER_NOTES = (
    (
        "Settings are not printed where we know the paper from; ours are usual with these features: 19 neighbours, "
        "1000 trees of depth 10, 1000 rounds at 0.05. Features are brought to the range 0 to 1."
    ),
    (
        "From spectra: no zero-crossing rate, no mean (only the power) of the harmonic and the percussive part, and a "
        "tempo from 34 hops a piece, which is coarse."
    ),
)


def _cnn(shape: tuple[int, ...], n_labels: int) -> nn.Module:
    layers: list[nn.Module] = [networks.AsPicture()]
    n_in = 1
    for n_out in (32, 64, 128):
        layers += [networks.convolution(n_in, n_out), nn.ReLU(), networks.pool(3, 2), nn.BatchNorm2d(n_out)]
        n_in = n_out
    convolutions = nn.Sequential(*layers, nn.Flatten())
    (size,) = networks.size_after(convolutions, shape)
    return nn.Sequential(convolutions, networks.dense(size, (64,), n_labels, dropout=0.3))


RECIPES = (
    Recipe(
        name="mlp",
        paper="pieces",
        what="13 MFCC, flattened → 512 → 256 → 64 → labels",
        inputs=Inputs(),
        network=networks.mlp((512, 256, 64)),
        training=_SLOW,
        printed=Printed(accuracy=0.59),
        effort=40,
    ),
    Recipe(
        name="mlp-appendix",
        paper="pieces",
        what="the same with 256 → 128 → 64, as the paper's appendix has it",
        inputs=Inputs(),
        network=networks.mlp((256, 128, 64)),
        training=_SLOW,
        effort=30,
    ),
    Recipe(
        name="mlp-reg",
        paper="pieces",
        what="the first with dropout 0.3 and a penalty of 0.001 on squared weights",
        inputs=Inputs(),
        network=networks.mlp((512, 256, 64), 0.3),
        training=Training(epochs=100, patience=100, rate=1e-4, l2=1e-3),
        printed=Printed(accuracy=0.55),
        effort=60,
    ),
    Recipe(
        name="cnn",
        paper="pieces",
        what="three 3×3 convolutions (32, 64, 128), pooling, batch norm → dense 64, dropout 0.3",
        inputs=Inputs(),
        network=_cnn,
        training=_SLOW,
        printed=Printed(accuracy=0.72),
        effort=120,
    ),
    Recipe(
        name="rnn-lstm",
        paper="pieces",
        what="LSTM 64 → LSTM 64 → dense 64 → dropout 0.3 → labels",
        inputs=Inputs(),
        network=networks.two_of_64("lstm"),
        training=_SLOW,
        printed=Printed(accuracy=0.79),
        effort=150,
    ),
    *(
        Recipe(
            name=f"classical-{name}",
            paper="pieces",
            what=f"{words}, on means and variances of 3 s pieces",
            inputs=Inputs(kind="statistics", scaling="range"),
            estimator=estimator,
            shares=Shares(valid=0.0),
            printed=Printed(accuracy=accuracy),
            notes=_LEARNER_NOTES,
            effort=effort,
        )
        for name, words, estimator, accuracy, effort in _LEARNERS
    ),
    *(
        Recipe(
            name=f"classical-{name}-clip",
            paper="pieces",
            what=f"{words}, on the statistics of whole clips",
            inputs=Inputs(kind="table", pieces=1, scaling="range"),
            estimator=estimator,
            shares=Shares(valid=0.0),
            notes=("The CSV of clip statistics that is widely passed on with GTZAN, all its columns.",),
            effort=effort / 5,
        )
        for name, words, estimator, _, effort in _LEARNERS
    ),
)
