"""What one's own labels are learned from: embeddings of their files, never the sound."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

_NAME = re.compile(r"[^\W_](?:[\w -]{0,30}[^\W_])?")
# What states and outputs say where there is no label: MQTT's ``none``, ``silence``, the head's "none of these".
_OTHER_WORDS = frozenset(("none", "none of these", "not music", "silence", "stale", "starting", "unknown"))
_LONGEST = 32
_ALLOWED = f"use letters, digits, space, - and _, at most {_LONGEST} of them, the first and last a letter or digit"


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """One label and what it was learned from.

    Attributes:
        name: of the label.
        noise: whether it is noise rather than music.
        files: names of the files, for people.
        sha256: of each file's content.
        windows: (n, trunk) float32, running means of the embedding.
        file: (n,) int64, index into ``files`` of each window.
    """

    name: str
    noise: bool
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    windows: FloatArray
    file: IntArray

    def with_more(self, more: Examples) -> Examples:
        """Both together; whoever adds must not change what kind of label it is."""
        return Examples(
            self.name,
            self.noise,
            (*self.files, *more.files),
            (*self.sha256, *more.sha256),
            np.concatenate([self.windows, more.windows]),
            np.concatenate([self.file, more.file + len(self.files)]),
        )


def checked_name(name: str, shipped: Sequence[str]) -> str:
    """A name fit for a label.

    Args:
        name: as given.
        shipped: labels of the model.

    Raises:
        UsageError: it has other characters, is taken by a shipped label, or says that there is no label.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a label: {_why_not(name)}", _ALLOWED)
    taken = [label for label in shipped if label.casefold() == name.casefold()]
    if taken:
        raise UsageError(f"{taken[0]!r} is a label of the model itself", "choose another name")
    if re.sub("[_-]", " ", name.casefold()) in _OTHER_WORDS:
        raise UsageError(f"{name!r} is what is said where there is no label", "choose another name")
    return name


def _why_not(name: str) -> str:
    """What about a name is not allowed: the first such character, where it is one."""
    strange = next((character for character in name if not re.fullmatch(r"[\w -]", character)), None)
    if strange is not None:
        return f"{strange!r} is not allowed in it"
    if not name:
        return "it is empty"
    if len(name) > _LONGEST:
        return f"it has {len(name)} characters"
    return f"it begins with {name[0]!r}" if not name[0].isalnum() else f"it ends with {name[-1]!r}"
