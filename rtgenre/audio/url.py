"""``UrlSource``: a radio station, an HLS stream or a file on the web, fetched and decoded in a thread of its own.

The thread decodes ahead into a bounded queue; ``read`` gives each block when a player would play it. A network that
stalls delays the sound and loses none of it; a connection that is lost is made again, and what was missed is told.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtgenre.audio.decode import Decoder, load_av
from rtgenre.audio.icy import open_address, shown
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtgenre.audio.icy import Answer

_S = 1_000_000_000
_SILENT_S = 10.0  # a network that gives nothing for so long is given up
_BACK_OFF_S = (0.5, 30.0)
_SETTLED_S = 10.0  # a connection that lasted so long was a good one
_AHEAD_S = 20.0  # decoded and not yet played
_CATCH_UP_S = 12.0  # with more than that in stock, an endless stream is played …
_FASTER = 0.02  # … faster by this part: the station's clock is faster than ours, or it sent a lot at first
_LATE_NS = 200_000_000  # a block so late was delayed by the network: the clock waits with it
_PUT_S = 0.1


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block on its way to the reader.

    Attributes:
        samples: (n, channels) float32.
        connection: number of the connection that brought it, from 0.
        title: what is played, at that moment.
    """

    samples: NDArray[np.float32]
    connection: int
    title: str


class UrlSource:
    """Sound from an address as a ``Source``.

    Until sound has come once, whatever goes wrong is raised. From then on a stream without an end is never given up.

    Args:
        name: name used in topics.
        url: ``http://`` or ``https://``: a stream, a playlist (``.m3u``, ``.pls``), HLS (``.m3u8``) or a file.
        block_samples: frames in a block.
    """

    def __init__(self, name: str, url: str, block_samples: int = 1024) -> None:
        self.name = name
        self.stats = SourceStats()
        self._url = url
        self._shown = shown(url)
        self._block_samples = block_samples
        self._info: SourceInfo | None = None
        self._endless = True
        self._pieces: queue.Queue[_Piece | SourceError | None] = queue.Queue()
        self._opened = threading.Event()  # sound has come, or never will
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-url", daemon=True)
        self._failure: SourceError | None = None
        self._guesses = self._misled = False
        # The reader's:
        self._held: _Piece | None = None
        self._connection = -1
        self._title = ""
        self._zero_ns = 0
        self._n_samples = 0
        self._t_last_ns = 0
        self._over: SourceError | EndOfSource | None = None

    def start(self) -> None:
        """Begin to connect.

        Raises:
            SourceError: PyAV is missing.
        """
        load_av()
        if self._thread.ident is None:
            self._thread.start()

    def wait_ready(self, timeout_s: float) -> SourceInfo:
        """Wait for the first sound; see ``Source.wait_ready``.

        Raises:
            SourceError: nobody answers, or it is no sound, or it took too long.
        """
        self._opened.wait(timeout_s)
        if self._failure is not None:
            raise self._failure
        if self._info is None:
            self.close()
            raise SourceError(f"{self._shown} gave no sound within {timeout_s:g} s", "look at the network")
        return self._info

    def read(self, timeout_s: float) -> Block | None:
        """Wait for the next block, until a player would play it; see ``Source.read``.

        Raises:
            EndOfSource: it had an end, and has come there.
            SourceError: it was cut off, or never began.
        """
        if self._over is not None:
            raise self._over
        deadline_ns = time.monotonic_ns() + round(timeout_s * _S)
        piece = self._held or self._take(timeout_s)
        if piece is None or self._info is None:
            return None
        self._held = piece
        rate, n = self._info.sample_rate, len(piece.samples)
        now_ns = time.monotonic_ns()
        due_ns = self._due_ns(piece, rate, now_ns)
        time.sleep(max(0, min(due_ns, deadline_ns) - now_ns) / _S)
        if due_ns > deadline_ns:
            return None
        gap = 0
        if piece.connection != self._connection:
            gap = self._reconnected(piece.connection, due_ns, n, rate)
        self._held = None
        self._n_samples += n
        self._t_last_ns = due_ns
        news = piece.title if piece.title != self._title else None
        self._title = piece.title
        return Block(piece.samples, due_ns, gap, title=news)

    def close(self) -> None:
        """Let the thread end; see ``Source.close``. It is not waited for: the network may hang."""
        self._closed.set()
        self._over = self._over or EndOfSource()

    # The reader's.

    def _take(self, timeout_s: float) -> _Piece | None:
        try:
            item = self._pieces.get(timeout=timeout_s) if timeout_s > 0 else self._pieces.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, _Piece):
            return item
        self._over = item or EndOfSource()
        raise self._over

    def _due_ns(self, piece: _Piece, rate: int, now_ns: int) -> int:
        """When the piece's last sample is played."""
        n = len(piece.samples)
        if piece.connection != self._connection:
            return now_ns  # the first of its connection: at once
        if self._endless and self._pieces.qsize() * self._block_samples > _CATCH_UP_S * rate:
            self._zero_ns -= round(_FASTER * n * _S / rate)
        due_ns = self._zero_ns + (self._n_samples + n) * _S // rate
        late_ns = now_ns - due_ns
        if late_ns > _LATE_NS:
            self._zero_ns += late_ns
            return now_ns
        return due_ns

    def _reconnected(self, connection: int, t_ns: int, n: int, rate: int) -> int:
        """Begin a connection's clock; returns the samples missed since the last block of the one before."""
        self._connection = connection
        self._zero_ns, self._n_samples = t_ns - n * _S // rate, 0
        if not self._t_last_ns:
            return 0
        gap = max(0, round((t_ns - self._t_last_ns) * rate / _S) - n)
        self.stats.gap_samples += gap
        self.stats.capture_restarts += 1
        return gap

    # Below, the thread's own.

    def _run(self) -> None:
        back_off_s, connection = _BACK_OFF_S[0], 0
        while not self._closed.is_set():
            t_begin = time.monotonic()
            why = self._play(connection)
            if self._misled and not self._guesses:
                self._guesses = True  # what the server says of the format seems to be wrong
                continue
            if self._info is None or not self._endless or self._closed.is_set():
                self._fail(why)
                return
            if time.monotonic() - t_begin > _SETTLED_S:
                back_off_s = _BACK_OFF_S[0]
            self.stats.notice = f"{self.name}: {why.message if why else 'the station ended the stream'}; trying again"
            self._closed.wait(back_off_s * random.uniform(0.8, 1.2))  # not all listeners at once
            back_off_s = min(2 * back_off_s, _BACK_OFF_S[1])
            connection += 1

    def _play(self, connection: int) -> SourceError | None:
        """One connection, to its end; returns why it failed, None where the sound was over."""
        try:
            answer = open_address(self._url, _SILENT_S)
            if self._guesses:
                answer = dataclasses.replace(answer, form="")
            with contextlib.closing(answer):
                self._misled = bool(answer.form)  # until sound has come
                self._decode(answer, connection)
        except SourceError as error:
            return error
        except OSError as error:
            return SourceError(f"{self._shown} broke off: {error.strerror or error}", "look at the network")
        if answer.body is not None and answer.body.missing:
            return SourceError(f"{self._shown} is cut off: {answer.body.missing} bytes never came", "get it again")
        return None

    def _decode(self, answer: Answer, connection: int) -> None:
        rate, channels = (0, 0) if self._info is None else (self._info.sample_rate, self._info.channels)
        with contextlib.closing(Decoder(answer, rate, channels, self._block_samples, _SILENT_S)) as decoder:
            if connection and not decoder.endless:
                self._endless = False  # the broadcast is over, and what is left is its recording
                return
            for samples in decoder.blocks():
                self._accept(_Piece(samples, connection, decoder.title), decoder, answer.name)
                if self._closed.is_set():
                    return
            if decoder.broken:
                self.stats.notice = f"{self.name}: {decoder.broken} broken packets were left out"

    def _accept(self, piece: _Piece, decoder: Decoder, station: str) -> None:
        self._misled = False
        if self._info is None:
            description = f"{station} ({self._shown})" if station else self._shown
            self._endless = decoder.endless
            self._info = SourceInfo(self.name, description, decoder.sample_rate, decoder.channels, live=True)
            self._opened.set()
        elif piece.connection and "trying again" in self.stats.notice:
            self.stats.notice = f"{self.name}: {self._shown} is back"
        most = round(_AHEAD_S * self._info.sample_rate / self._block_samples)
        while self._pieces.qsize() >= most and not self._closed.wait(_PUT_S):
            pass  # the station waits, too: TCP tells it
        self._pieces.put(piece)

    def _fail(self, why: SourceError | None) -> None:
        if self._info is None:
            self._failure = why or SourceError(f"{self._shown} ended without any sound", "look at the address")
        self._pieces.put(why)
        self._opened.set()
