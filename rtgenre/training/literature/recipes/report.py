"""A report's four ways: dense layers, a CNN on pictures, the same by transfer learning, and an LSTM."""

from __future__ import annotations

from torch import nn

from rtgenre.training.literature import networks
from rtgenre.training.literature.recipe import Inputs, Printed, Recipe, Shares, Training

_SHARES = "Shares and network sizes are not printed for it: 30 % test; as in the other paper with the same layers."
_PICTURES = Training(epochs=30, patience=5, rate=1e-4)


def picture_convolutions() -> nn.Sequential:
    """RGB picture → maps at an eighth of its size: 32, 32, 64 filters, each layer pooled 2×2."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((3, 32), (32, 32), (32, 64)):
        # Pooling first is the same, as ReLU keeps order, and a quarter of the work.
        layers += [networks.convolution(n_in, n_out), networks.pool(2), nn.ReLU()]
    return nn.Sequential(*layers)


def _cnn(shape: tuple[int, ...], n_labels: int) -> nn.Module:
    convolutions = picture_convolutions()
    channels, height, width = networks.size_after(convolutions, shape)
    head = networks.dense(channels * height * width, (128,), n_labels, dropout=0.5)
    return nn.Sequential(convolutions, nn.Dropout(0.25), nn.Flatten(), head)


RECIPES = (
    Recipe(
        name="report-dense",
        paper="report",
        what="three ReLU layers (512, 256, 64) on the flattened MFCC of a piece",
        inputs=Inputs(),
        network=networks.mlp((512, 256, 64)),
        training=Training(epochs=50, patience=50, rate=1e-4),
        printed=Printed(train_accuracy=0.97),
        notes=(_SHARES, "It is never stopped early: that it learns its training part by heart is the report's point."),
        effort=30,
    ),
    Recipe(
        name="report-dense-reg",
        paper="report",
        what="the same with dropout 0.3 and a penalty of 0.001 on squared weights",
        inputs=Inputs(),
        network=networks.mlp((512, 256, 64), 0.3),
        training=Training(rate=1e-4, l2=1e-3),
        notes=(_SHARES,),
        effort=40,
    ),
    Recipe(
        name="report-cnn",
        paper="report",
        what="256×256 RGB pictures of 96 mel bands → convolutions 32, 32, 64, each pooled 2×2 → dense 128, dropout",
        inputs=Inputs(kind="picture", pieces=1, scaling="none"),
        network=_cnn,
        training=_PICTURES,
        shares=Shares(test=0.4),
        printed=Printed(accuracy=0.52, parameters=8_418_666, shape=(3, 256, 256)),
        notes=(
            (
                "One picture of a whole clip, and dropout of 0.25 and 0.5, are our reading. With one piece a clip "
                "its own protocol parts clips already: only artists are on both sides."
            ),
        ),
        effort=500,
    ),
    Recipe(
        name="report-transfer",
        paper="report",
        what="the same network, its convolutions taught elsewhere and held",
        inputs=Inputs(kind="picture", pieces=1, scaling="none"),
        network=_cnn,
        training=Training(epochs=60, patience=8, rate=1e-4),
        shares=Shares(test=0.4),
        printed=Printed(accuracy=0.54),
        transfers=True,
        notes=(
            (
                "The report's network was taught on photographs. None is at hand: the convolutions come from a file of "
                "weights given by the user, or learn the genres of the FMA small clips first (pictures drawn "
                "from their MFCC)."
            ),
        ),
        effort=150,
    ),
    Recipe(
        name="report-lstm",
        paper="report",
        what="13 MFCC → LSTM 64 → LSTM 64 → dense 64 → labels, 30 epochs",
        inputs=Inputs(),
        network=networks.two_of_64("lstm"),
        training=Training(epochs=30, patience=30, rate=1e-4),
        printed=Printed(accuracy=0.5907, train_accuracy=0.683),
        notes=(_SHARES,),
        effort=60,
    ),
)
