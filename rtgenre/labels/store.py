"""What is kept of one's own labels: embeddings of their files, one file a label, and the head learned from them.

All of it lies in one folder for each model, named by its weights: an embedding means nothing to any other model.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.errors import LabelError
from rtgenre.labels.examples import Examples
from rtgenre.labels.head import NOT_TAKEN, Head

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
HEAD_FILE = "own.head.npz"  # a label's name has no dot, so none can be called this
_SUFFIX = ".npz"
_HASH_DIGITS = 12


class Store:
    """The folder of one model's own labels.

    Args:
        root: folder of all models' own labels.
        model_id: short name of the model.
        weights_sha256: of its weights.
        width: of its embedding.

    Attributes:
        folder: where this model's are; made when something is written.
    """

    def __init__(self, root: Path, model_id: str, weights_sha256: str, width: int) -> None:
        self.folder = root / f"{model_id}-{weights_sha256[:_HASH_DIGITS]}"
        self._root = root
        self._model_id = model_id
        self._weights_sha256 = weights_sha256
        self._width = width

    def names(self) -> list[str]:
        """The labels, sorted."""
        return sorted((path.stem for path in self.folder.glob(f"*{_SUFFIX}") if "." not in path.stem), key=str.casefold)

    def known(self, name: str) -> str | None:
        """The label of that name however it is spelled: file systems differ about capitals. None if there is none."""
        return next((known for known in self.names() if known.casefold() == name.casefold()), None)

    def others(self) -> list[str]:
        """Folders of labels that were learned with other weights of the same model."""
        if not self._root.is_dir():
            return []
        found = [p.name for p in self._root.glob(f"{self._model_id}-{'?' * _HASH_DIGITS}") if p != self.folder]
        return sorted(name for name in found if any((self._root / name).glob(f"*{_SUFFIX}")))

    def read(self, name: str) -> Examples:
        """One label.

        Raises:
            LabelError: its file is broken.
        """
        path = self.folder / f"{name}{_SUFFIX}"
        arrays = self._arrays(path)
        try:
            examples = Examples(
                name,
                bool(arrays["noise"]),
                tuple(map(str, arrays["files"])),
                tuple(map(str, arrays["sha256"])),
                arrays["windows"].astype(np.float32),
                arrays["file_of_window"].astype(np.int64),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise _broken(path, repr(error)) from None
        n = len(examples.files)
        whole = (
            examples.windows.shape == (len(examples.file), self._width)
            and np.isfinite(examples.windows).all()
            and len(examples.sha256) == n
            and np.array_equal(np.unique(examples.file), np.arange(n))
        )
        if not whole:
            raise _broken(path, "its arrays do not belong together")
        return examples

    def read_all(self) -> list[Examples]:
        """Every label.

        Raises:
            LabelError: a file is broken.
        """
        return [self.read(name) for name in self.names()]

    def write(self, examples: Examples) -> None:
        """Keep a label, in the place of an older one of its name.

        Raises:
            LabelError: the folder cannot be written.
        """
        self._write(
            self.folder / f"{examples.name}{_SUFFIX}",
            noise=np.array(examples.noise),
            files=np.array(examples.files, np.str_),
            sha256=np.array(examples.sha256, np.str_),
            windows=examples.windows.astype(np.float32),
            file_of_window=examples.file.astype(np.int64),
        )

    def remove(self, name: str) -> None:
        """Forget a label; the head is the caller's to renew.

        Raises:
            LabelError: the file cannot be removed.
        """
        path = self.folder / f"{name}{_SUFFIX}"
        try:
            path.unlink()
        except OSError as error:
            raise LabelError(f"{path} cannot be removed: {error.strerror or error}", "look at its rights") from None

    def write_head(self, head: Head | None) -> None:
        """Keep a head; None removes it.

        Raises:
            LabelError: the folder cannot be written.
        """
        path = self.folder / HEAD_FILE
        if head is None:
            path.unlink(missing_ok=True)
            return
        self._write(
            path,
            names=np.array(head.names, np.str_),
            noise=np.array(head.noise, bool),
            mean=head.mean,
            projection=head.projection,
            centres=head.centres,
            variance=head.variance,
            group_centres=head.group_centres,
            group_variance=head.group_variance,
            taken_by=head.taken_by,
            temperature=np.array(head.temperature),
        )

    def read_head(self) -> Head | None:
        """What was learned; None where there are no labels.

        Raises:
            LabelError: the file is broken, or not of the labels that lie beside it.
        """
        path, names = self.folder / HEAD_FILE, self.names()
        if not path.is_file() and not names:
            return None
        arrays = self._arrays(path)
        try:
            head = Head(
                tuple(map(str, arrays["names"])),
                tuple(map(bool, arrays["noise"])),
                arrays["mean"].astype(np.float32),
                arrays["projection"].astype(np.float32),
                arrays["centres"].astype(np.float64),
                arrays["variance"].astype(np.float64),
                arrays["group_centres"].astype(np.float64),
                arrays["group_variance"].astype(np.float64),
                arrays["taken_by"].astype(np.int64),
                float(arrays["temperature"]),
            )
        except KeyError as missing:
            raise LabelError(
                f"{path} was learned by another version of rtgenre: it lacks {missing}",
                "`rtgenre enroll --refit` learns it again",
            ) from None
        except (ValueError, TypeError) as error:
            raise _broken(path, repr(error)) from None
        if not _is_whole(head, self._width) or sorted(head.names) != sorted(names):
            raise LabelError(
                f"{path} was not learned from the labels beside it: {', '.join(names) or 'none'}",
                "`rtgenre enroll --refit` learns it again",
            )
        return head

    def _arrays(self, path: Path) -> dict[str, NDArray[np.generic]]:
        try:
            # Opened here: numpy leaves what it cannot read open.
            with path.open("rb") as content, np.load(content, allow_pickle=False) as opened:
                arrays = {name: opened[name] for name in opened.files}
        except FileNotFoundError:
            raise LabelError(f"{path} is not there", "`rtgenre enroll --refit` learns it again") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise _broken(path, str(error)) from None
        noted = str(arrays.get("weights_sha256", ""))
        if int(arrays.get("format", np.array(0))) != FORMAT or noted != self._weights_sha256:
            raise LabelError(
                f"{path} belongs to weights {noted[:_HASH_DIGITS] or '?'} or to another version of rtgenre",
                f"remove the file, and enrol again (this model has {self._weights_sha256[:_HASH_DIGITS]})",
            )
        return arrays

    def _write(self, path: Path, **arrays: Any) -> None:
        """Beside the file, then renamed: a daemon that starts meanwhile never sees half of it."""
        part = path.with_name(path.name + ".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                np.savez(out, format=np.array(FORMAT), weights_sha256=np.array(self._weights_sha256), **arrays)
            part.replace(path)
        except OSError as error:
            raise LabelError(
                f"{path} cannot be written: {error.strerror or error}", "choose another folder with --labels"
            ) from None


def _broken(path: Path, why: str) -> LabelError:
    return LabelError(f"{path} is broken: {why}", "remove the file, and enrol its label again")


def _is_whole(head: Head, width: int) -> bool:
    n, directions = len(head.names), len(head.projection)
    shapes = (
        (head.mean, (width,)),
        (head.projection, (directions, width)),
        (head.centres, (n, directions)),
        (head.variance, (n,)),
        (head.group_centres, (len(head.group_variance), directions)),
        (head.taken_by, (len(head.group_variance),)),
    )
    arrays_fit = all(values.shape == shape and np.isfinite(values).all() for values, shape in shapes)
    takers_exist = ((head.taken_by >= NOT_TAKEN) & (head.taken_by < n)).all() and (head.taken_by == NOT_TAKEN).any()
    positive = (*head.variance, *head.group_variance, head.temperature)
    return (
        arrays_fit and bool(takers_exist) and len(head.noise) == n and all(0.0 < value < np.inf for value in positive)
    )
