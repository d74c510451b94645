"""What the shipped model is made of: its features and its shape, chosen by cross-validation (docs/experiments.md)."""

from __future__ import annotations

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model.architecture import Architecture

# Timbre (MFCC, contrast, flatness, sustain) over three spans of time, how its parts move together, rhythm, and harmony
# in whatever key; floors and a ceiling keep out what lossy coders do to the quiet parts of a spectrum, and a target for
# the level how loud the music comes in.
SPEC = FrontendSpec(
    features=("mfcc", "contrast", "flatness", "sustain"),
    contrast_quantile=0.45,
    contrast_ceiling_db=14.0,
    floor_below_db=45.0,
    level_db=-23.0,
    running_s=(2.5, 10.0, 40.0),
    running_deltas=True,
    correlation_s=(8.0,),
    modulation_s=(6.0,),
    tonal_s=(2.5, 10.0, 40.0),
    age=True,
)

ARCHITECTURE = Architecture(
    encoder_inputs=20,
    encoder_width=160,
    encoder_layers=4,
    pooling_s=3.0,
    encoder_head=256,
    embedding=136,  # 128 of the teacher's embedding, 8 genres of its clips
    embedding_s=10.0,
    trunk=1024,  # a committee of four, side by side
    hidden=64,
    layers=1,
    input_clip=5.0,
    adapter=32,
    adapters=2,  # for narrow channels, and for noise: see ``channels``
)
