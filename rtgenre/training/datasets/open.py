"""``open_dataset``: a path in, a data set out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.errors import SourceError
from rtgenre.training.datasets import interface
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.datasets.fma import find_table, open_fma
from rtgenre.training.datasets.folder import open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.clips import SoundFolder
    from rtgenre.training.datasets.corpus import Corpus


def open_dataset(
    path: Path,
    spec: FrontendSpec | None = None,
    *,
    quiet: bool = False,
    limit_s: float | None = None,
    labels: tuple[str, ...] | None = None,
    cache: Path | None = None,
) -> Corpus | SoundFolder:
    """Open whatever lies at a path: a file of spectra, FMA, or a folder of sound.

    Args:
        path: ``.npz``; or a folder, which is FMA where ``tracks.csv`` is in it, in its ``fma_metadata`` or, for a
            folder named ``fma_…``, in the ``fma_metadata`` beside it.
        spec: the frontend that the clips are for (only sound needs it now); the default one if None.
        quiet: no progress bar.
        limit_s: of each sound file, keep at most so much out of its middle.
        labels: the labels to know, in their order; those found if None.
        cache: where spectra of sound are kept; the user's cache folder if None.

    Returns:
        A ``Corpus`` or a ``SoundFolder``; the latter has ``samples(clip)`` and ``skipped`` too.

    Raises:
        SourceError: there is nothing, or nothing that can be used.
        UsageError: the labels differ from ``labels``, or the limit is not above 0.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
        is_fma = is_folder and find_table(path) is not None
    except OSError as error:
        raise SourceError(
            f"{str(path)!r} cannot be read: {error.strerror or error}", "look at its name and access rights"
        ) from error
    if is_folder:
        opens = open_fma if is_fma else open_folder
        return opens(path, spec, quiet=quiet, limit_s=limit_s, labels=labels, cache=cache)
    if not is_there:
        raise SourceError(f"there is no data set {str(path)!r}", interface.LAYOUTS)
    if path.suffix.lower() != ".npz":
        raise SourceError(f"{str(path)!r} is neither a file of spectra nor a folder", interface.LAYOUTS)
    corpus = read_corpus(path)
    if labels is not None:
        corpus.require_labels(labels)
    return corpus
