"""A real Icecast server on loopback, and stations that play into it.

::

    with IcecastServer(tmp_path) as server, server.station("/live.mp3", encoded("mp3", sound, rate), seconds):
        UrlSource("radio", server.url("/live.mp3"))
"""

from __future__ import annotations

import base64
import io
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Self

import numpy as np

from tests.virtual import SoundServer

if TYPE_CHECKING:
    from pathlib import Path

_PASSWORD = "made up"  # noqa: S105 - of a server that lives for a test
_CONTENT = {"mp3": "audio/mpeg", "ogg": "application/ogg", "flac": "audio/flac", "adts": "audio/aac"}
_CODEC = {"mp3": "libmp3lame", "ogg": "libopus", "flac": "flac", "adts": "aac"}
_CONFIG = """<icecast>
  <limits><clients>20</clients><sources>8</sources><burst-size>{burst}</burst-size></limits>
  <authentication><source-password>{password}</source-password><admin-user>admin</admin-user>
    <admin-password>{password}</admin-password></authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><basedir>/usr/share/icecast2</basedir><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot></paths>
  <logging><accesslog>-</accesslog><errorlog>-</errorlog><loglevel>3</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""
# It refuses to run as root, and gives root up itself.
_NOBODY = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"


def encoded(form: str, sound: np.ndarray, rate: int, tags: dict[str, str] | None = None) -> bytes:
    """Sound as a file of ``mp3``, ``ogg`` (Opus), ``flac`` or ``adts`` (AAC): (n,) float32 to bytes."""
    import av  # noqa: PLC0415 - the tests that use this skip without it

    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        container.metadata.update(tags or {})
        options = {} if form == "flac" else {"b": "128000"}
        stream = container.add_stream(_CODEC[form], rate=rate, layout="stereo", options=options)
        whole = av.AudioFrame.from_ndarray(np.tile(sound.astype(np.float32), (2, 1)), format="fltp", layout="stereo")
        whole.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "stereo", rate, stream.frame_size or 1152)
        for frame in (*resampler.resample(whole), *resampler.resample(None)):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


class IcecastServer(SoundServer):
    """Icecast on a free port of loopback.

    Args:
        folder: a private folder.
        burst: bytes that a new listener gets at once.
    """

    def __init__(self, folder: Path, burst: int = 65536) -> None:
        super().__init__(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        owner = _NOBODY if os.geteuid() == 0 else ""
        config = folder / "icecast.xml"
        config.write_text(_CONFIG.format(burst=burst, password=_PASSWORD, port=self.port, folder=folder, owner=owner))
        self.argv = ["icecast2", "-c", str(config)]

    def url(self, mount: str) -> str:
        """Address for a listener."""
        return f"http://127.0.0.1:{self.port}{mount}"

    def station(self, mount: str, sound: bytes, seconds: float, form: str = "mp3") -> Station:
        """A station that plays a file over and over; ``with`` it."""
        return Station(self.port, mount, sound, seconds, _CONTENT[form])

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url("/status-json.xsl"), timeout=1.0) as answer:  # noqa: S310 - loopback
                return answer.status == 200
        except OSError:
            return False


class Station:
    """Sends a file at its pace, over and over, until it is left or dropped.

    Args:
        port: of the server.
        mount: such as ``/live.mp3``.
        sound: encoded.
        seconds: how long it plays.
        content: its media type.
    """

    def __init__(self, port: int, mount: str, sound: bytes, seconds: float, content: str) -> None:
        self._port, self._mount, self._sound, self._seconds = port, mount, sound, seconds
        self._content = content
        self._stop, self._pause = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._socket = socket.socket()

    def __enter__(self) -> Self:
        login = base64.b64encode(f"source:{_PASSWORD}".encode()).decode()
        self._socket.connect(("127.0.0.1", self._port))
        self._socket.sendall(
            f"PUT {self._mount} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n"
            f"Content-Type: {self._content}\r\nIce-Name: Radio Test\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        answer = self._socket.recv(200)
        assert b" 100 " in answer or b" 200 " in answer, answer
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.drop()

    def drop(self) -> None:
        """End the broadcast."""
        self._stop.set()
        self._thread.join(5.0)
        self._socket.close()

    def pause(self) -> None:
        """Send nothing, but stay connected."""
        self._pause.set()

    def resume(self) -> None:
        """Go on after a pause."""
        self._pause.clear()

    def title(self, text: str) -> None:
        """Tell the listeners what is played."""
        song = urllib.parse.quote(text)
        url = f"http://127.0.0.1:{self._port}/admin/metadata?mount={self._mount}&mode=updinfo&charset=UTF-8&song={song}"
        login = base64.b64encode(f"admin:{_PASSWORD}".encode()).decode()
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=5.0) as answer:  # noqa: S310 - loopback
            assert answer.status == 200

    def _send(self) -> None:
        per_s, sent, began = len(self._sound) / self._seconds, 0, time.monotonic()
        while not self._stop.wait(0.02):
            if self._pause.is_set():
                began += 0.02
                continue
            due = round((time.monotonic() - began) * per_s)
            while sent < due:
                at = sent % len(self._sound)
                part = self._sound[at : at + min(due - sent, 4096)]
                try:
                    self._socket.sendall(part)
                except OSError:
                    return
                sent += len(part)
