"""PyAV: encoded sound to blocks of samples. The only file that loads it; the extra ``url`` brings it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.audio.icy import Answer, clean
from rtgenre.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# What a playlist from the network may make the decoder open: never a file of this machine.
_OPTIONS = {"protocol_whitelist": "http,https,tcp,tls,crypto,data,httpproxy"}
_MOST_BROKEN = 50  # packets in a row that cannot be decoded


class Decoder:
    """One connection's sound; one thread.

    Args:
        answer: what is to be decoded.
        sample_rate: Hz to give; 0 for the sound's own.
        channels: to give, 1 or 2; 0 for the sound's own, at most 2.
        block_samples: frames in a block; the last one may be shorter.
        timeout_s: of every silence of the network, for HLS.

    Attributes:
        sample_rate: Hz.
        channels: of each block.
        endless: True where nobody knows where the sound ends.
        title: what the sound itself says it is; empty where it does not.
        broken: packets that could not be decoded and were left out.

    Raises:
        SourceError: PyAV is missing, or this is no sound.
        OSError: the connection broke.
    """

    def __init__(self, answer: Answer, sample_rate: int, channels: int, block_samples: int, timeout_s: float) -> None:
        self._av = load_av()
        self._body = answer.body
        target = answer.url if answer.body is None else answer.body
        # Played from its beginning as far as the server still has it would be minutes behind.
        options = _OPTIONS | ({"http_persistent": "0"} if answer.body is None else {})
        try:
            self._container: Any = self._av.open(
                target,
                format=answer.form or None,
                options=options,
                timeout=(timeout_s, timeout_s),
                metadata_errors="replace",
            )
        except self._av.FFmpegError as error:
            raise SourceError(f"{answer.shown} is no sound that can be decoded: {_why(error)}") from None
        if not self._container.streams.audio:
            self.close()
            raise SourceError(f"{answer.shown} has no sound in it", "name a stream that has")
        self._stream = self._container.streams.audio[0]
        self._stream.codec_context.thread_count = 1
        self._shown = answer.shown
        self._block_samples = block_samples
        self.sample_rate = sample_rate or int(self._stream.rate)
        self.channels = channels or min(2, self._stream.channels)
        # A station may send files whose headers tell a length: what the server says counts, but for HLS.
        self.endless = self._container.duration is None if answer.body is None else answer.endless
        self.title = _title(self._container.metadata | self._stream.metadata)
        self.broken = 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Blocks of (n, channels) float32 until the sound ends.

        Raises:
            SourceError: it cannot be decoded any more.
            OSError: the connection broke.
        """
        resampler = self._resampler()
        in_a_row = 0
        try:
            for packet in self._container.demux(self._stream):
                self._look_for_title(packet)
                try:
                    frames = packet.decode()
                except self._av.error.InvalidDataError:
                    self.broken, in_a_row = self.broken + 1, in_a_row + 1
                    if in_a_row >= _MOST_BROKEN:
                        raise
                    continue
                in_a_row = 0
                for frame in frames:
                    frame.pts = None  # stations jump in time; what counts is the order
                    try:
                        ready = resampler.resample(frame)
                    except ValueError:  # another format from here on: between two pieces of one stream
                        yield from self._as_blocks(resampler.resample(None))
                        resampler = self._resampler()
                        ready = resampler.resample(frame)
                    yield from self._as_blocks(ready)
            yield from self._as_blocks(resampler.resample(None))
        except self._av.FFmpegError as error:
            raise SourceError(f"{self._shown} broke off: {_why(error)}") from None

    def close(self) -> None:
        """Let go of the decoder, not of the connection; may be called twice."""
        self._container.close()

    def _resampler(self) -> Any:
        layout = "mono" if self.channels == 1 else "stereo"
        return self._av.AudioResampler("flt", layout, self.sample_rate, self._block_samples)

    def _as_blocks(self, frames: list[Any]) -> Iterator[NDArray[np.float32]]:
        for frame in frames:
            yield frame.to_ndarray().reshape(-1, self.channels).astype(np.float32, copy=True)

    def _look_for_title(self, packet: Any) -> None:
        """Titles between the sound (ICY), or at the beginning of a chained Ogg stream."""
        if self._body is not None and self._body.title is not None:
            self.title = self._body.title
        if packet.has_sidedata("metadata_update"):
            raw = bytes(packet.get_sidedata("metadata_update"))
            words = raw.decode("utf-8", "replace").split("\0")
            self.title = _title(dict(zip(words[::2], words[1::2], strict=False)))


def load_av() -> Any:
    """PyAV.

    Raises:
        SourceError: it is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise SourceError(
            f"addresses need PyAV, which cannot be loaded: {error}", "pip install 'rtgenre[url]'"
        ) from None


def _title(tags: dict[str, str]) -> str:
    found = {key.lower(): value for key, value in tags.items()}
    said = found.get("streamtitle") or " - ".join(found[key] for key in ("artist", "title") if found.get(key))
    return clean(said)


def _why(error: Exception) -> str:
    return clean(str(getattr(error, "strerror", None) or error))
