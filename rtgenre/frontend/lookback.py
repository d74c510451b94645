"""The last seconds of a stream as spectra, so that they can be heard again from another beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]


@dataclass(slots=True)
class Lookback:
    """A ring of hops that followed one another; one thread at a time.

    Attributes:
        rows: (capacity, row_size) float32, each from ``Frontend.spectrum_row``.
        written: rows ever written; the next one goes to ``written`` modulo the capacity.
        kept: rows that can be had back, at most the capacity.
    """

    rows: FloatArray
    written: int = 0
    kept: int = 0

    @classmethod
    def of_size(cls, capacity: int, row_size: int) -> Self:
        """An empty ring; all its memory is taken here."""
        return cls(np.zeros((capacity, row_size), np.float32))

    def keep(self, row: FloatArray) -> None:
        """Copy one hop in; the oldest goes where there is no room."""
        self.rows[self.written % len(self.rows)] = row
        self.written += 1
        self.kept = min(self.kept + 1, len(self.rows))

    def clear(self) -> None:
        """Forget all: what comes next does not follow what was before."""
        self.kept = 0

    def last(self, n: int) -> Iterator[FloatArray]:
        """The last ``n`` hops, oldest first, or as many as there are. Views: take what is needed before ``keep``."""
        for at in range(self.written - min(n, self.kept), self.written):
            yield self.rows[at % len(self.rows)]

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(self.rows.copy(), self.written, self.kept)
