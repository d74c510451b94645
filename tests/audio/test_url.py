"""Stations, HLS and files on the web, from real servers on loopback."""

from __future__ import annotations

import functools
import http.server
import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.audio.icy import open_address, shown
from rtgenre.audio.source import EndOfSource
from rtgenre.audio.url import UrlSource
from rtgenre.errors import SourceError
from tests import signals
from tests.radio import IcecastServer, encoded
from tests.virtual import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rtgenre.records import Block

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'rtgenre[url]'")
pytestmark = pytest.mark.real
RATE = 44100
MUSIC = signals.music(RATE * 4)


@pytest.fixture(scope="module")
def icecast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IcecastServer]:
    folder = tmp_path_factory.mktemp("icecast")
    with IcecastServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def mp3() -> bytes:
    return encoded("mp3", MUSIC, RATE)


@contextmanager
def listening(url: str) -> Iterator[UrlSource]:
    with closing(UrlSource("radio", url)) as source:
        source.start()
        source.wait_ready(10.0)
        yield source


def read_until(source: UrlSource, wanted: Callable[[Block], bool], timeout_s: float = 20.0) -> list[Block]:
    blocks: list[Block] = []
    deadline = time.monotonic() + timeout_s
    while not blocks or not wanted(blocks[-1]):
        assert time.monotonic() < deadline, "what was waited for never came"
        block = source.read(0.5)
        if block is not None:
            blocks.append(block)
    return blocks


@needs("icecast2")
def test_a_station_is_heard_at_its_pace_with_its_titles(icecast: IcecastServer, mp3: bytes) -> None:
    with icecast.station("/live.mp3", mp3, 4.0) as station:
        station.title("Müller - It's 'me'; you know")
        time.sleep(1.5)  # sound from before the title is what a listener gets first
        with listening(icecast.url("/live.mp3")) as source:
            info = source.wait_ready(0.0)
            assert (info.sample_rate, info.channels, info.live, info.duration_s) == (RATE, 2, True, None)
            assert info.description == f"Radio Test ({icecast.url('/live.mp3')})"
            first = read_until(source, lambda b: bool(b.title), 5.0)
            assert first[-1].title == "Müller - It's 'me'; you know"
            t_begin = time.monotonic()
            blocks = read_until(source, lambda b: b.t_last_ns - first[-1].t_last_ns > 2e9)
            heard_s = sum(len(b.samples) for b in blocks) / RATE
            assert heard_s == pytest.approx(time.monotonic() - t_begin, abs=0.5)
            assert {b.title for b in blocks} == {None}
            assert max(float(np.abs(b.samples).max()) for b in blocks) > 0.05
            steps = np.diff([b.t_last_ns for b in blocks])
            assert steps.min() >= 0
            station.title("the second")
            assert read_until(source, lambda b: b.title is not None)[-1].title == "the second"
            assert source.stats.gap_samples == source.stats.capture_restarts == 0


@needs("icecast2")
def test_a_station_that_goes_and_comes_back_is_heard_again_and_the_gap_is_told(
    icecast: IcecastServer, mp3: bytes
) -> None:
    with closing(UrlSource("radio", icecast.url("/gone.mp3"))) as source:
        with icecast.station("/gone.mp3", mp3, 4.0):
            time.sleep(0.5)
            source.start()
            source.wait_ready(10.0)
            last = read_until(source, lambda b: b.samples.any())[-1]
        # What it had sent is played to its end.
        while (block := source.read(1.5)) is not None:
            last = block
        assert "trying again" in source.stats.notice
        with icecast.station("/gone.mp3", mp3, 4.0):
            first = read_until(source, lambda _: True)[0]
            assert "is back" in source.stats.notice
        between = (first.t_last_ns - last.t_last_ns) * RATE / 1e9 - len(first.samples)
        assert first.gap_samples == pytest.approx(between, abs=2)
        assert first.gap_samples == source.stats.gap_samples > RATE
        assert source.stats.capture_restarts == 1


@needs("icecast2")
def test_a_network_that_stalls_delays_the_sound_and_loses_none(icecast: IcecastServer, mp3: bytes) -> None:
    with icecast.station("/stall.mp3", mp3, 4.0) as station:
        time.sleep(0.3)
        with listening(icecast.url("/stall.mp3")) as source:
            read_until(source, lambda b: b.samples.any())
            station.pause()
            waited = 0
            while source.read(0.5) is not None or not waited:
                waited += 1
            station.resume()
            after = read_until(source, lambda _: True)[0]
            assert after.gap_samples == source.stats.gap_samples == source.stats.capture_restarts == 0
            assert after.t_last_ns <= time.monotonic_ns()


@needs("icecast2")
@pytest.mark.parametrize(("form", "rate"), [("ogg", 48000), ("adts", 44100)])
def test_other_codecs(icecast: IcecastServer, form: str, rate: int) -> None:
    sound = encoded(form, MUSIC[:RATE], rate, {"artist": "A. Body", "title": "Something"})
    with icecast.station(f"/live.{form}", sound, RATE / rate, form):
        time.sleep(0.5)
        with listening(icecast.url(f"/live.{form}")) as source:
            assert source.wait_ready(0.0).sample_rate == rate
            blocks = read_until(source, lambda b: float(np.abs(b.samples).max()) > 0.05)
            if form == "ogg":
                assert blocks[0].title == "A. Body - Something"
                again = read_until(source, lambda b: b.title is not None or b.t_last_ns > blocks[0].t_last_ns + 2e9)
                assert again[-1].title is None  # the file begins anew, with the same title


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; ``/moved/…`` leads there, ``/cut/…`` promises more than it gives."""

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        elif self.path.startswith("/liar/"):
            with open(self.translate_path(self.path.removeprefix("/liar")), "rb") as file:  # noqa: PTH123 - as text
                whole = file.read()
            self.send_response(200)
            self.send_header("Content-Type", "audio/mpeg")
            self.send_header("icy-name", "Liar")
            self.end_headers()
            self.wfile.write(whole)
        elif self.path.startswith("/cut/"):
            content = self.translate_path(self.path.removeprefix("/cut"))
            with open(content, "rb") as file:  # noqa: PTH123 - a path as text
                whole = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
        else:
            super().do_GET()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def play(source: UrlSource) -> np.ndarray:
    """All that comes until the sound ends, however it ends."""
    blocks = []
    try:
        while True:
            block = source.read(1.0)
            if block is not None:
                blocks.append(block.samples)
    except (EndOfSource, SourceError):
        return np.concatenate(blocks)


def test_a_file_on_the_web_is_heard_to_its_end_sample_by_sample(web: str, tmp_path: Path) -> None:
    sound = MUSIC[: 2 * RATE]
    (tmp_path / "x.flac").write_bytes(encoded("flac", sound, RATE, {"ARTIST": "Some\x07one", "TITLE": "One\nLine"}))
    t_begin = time.monotonic()
    with listening(f"{web}/moved/x.flac") as source:
        block = read_until(source, lambda _: True)[0]
        assert block.title == "Some one - One Line"
        heard = np.concatenate([block.samples, play(source)])
    assert time.monotonic() - t_begin > 1.5  # at the pace of a player
    assert heard.shape == (len(sound), 2)
    np.testing.assert_allclose(heard, np.tile(sound[:, None], 2), atol=2 / 32768)


def test_a_file_that_is_cut_off_gives_what_there_was_and_says_so(web: str, tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(encoded("mp3", MUSIC[: 2 * RATE], RATE))
    with listening(f"{web}/cut/x.mp3") as source:
        heard = play(source)
        with pytest.raises(SourceError, match=r"cut off: [0-9]+ bytes never came"):
            source.read(0.0)
    assert 0.7 * RATE < len(heard) < 1.3 * RATE


@pytest.mark.parametrize("form", ["adts", "ogg"])
def test_a_station_that_is_wrong_about_its_format_is_heard(web: str, tmp_path: Path, form: str) -> None:
    (tmp_path / "x").write_bytes(encoded(form, MUSIC, 48000))
    with listening(f"{web}/liar/x") as source:
        assert source.wait_ready(0.0).sample_rate == 48000
        blocks = read_until(source, lambda b: float(np.abs(b.samples).max()) > 0.05)
        assert 0.05 < float(np.abs(blocks[-1].samples).max()) < 2.0


def write_hls(folder: Path, sound: np.ndarray) -> None:
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_filename": str(folder / "part%03d.ts")}
    with av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        whole = av.AudioFrame.from_ndarray(np.tile(sound, (2, 1)), format="fltp", layout="stereo")
        whole.sample_rate = RATE
        resampler = av.AudioResampler("fltp", "stereo", RATE, 1024)
        for frame in resampler.resample(whole):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_hls_is_heard_to_its_end(web: str, tmp_path: Path) -> None:
    write_hls(tmp_path, MUSIC[: 3 * RATE])
    assert len(list(tmp_path.glob("part*.ts"))) >= 2
    with listening(f"{web}/list.m3u8") as source:
        assert source.wait_ready(0.0).sample_rate == RATE
        heard = play(source)
        with pytest.raises(EndOfSource):
            source.read(0.0)
    assert len(heard) / RATE == pytest.approx(3.0, abs=0.15)
    assert np.std(heard) == pytest.approx(np.std(MUSIC[: 3 * RATE]), rel=0.2)


def test_live_hls_goes_on_as_its_list_grows(web: str, tmp_path: Path) -> None:
    write_hls(tmp_path, MUSIC)
    listed = (tmp_path / "list.m3u8").read_text().splitlines()
    first_parts = next(i for i, line in enumerate(listed) if line == "part001.ts") + 1
    (tmp_path / "live.m3u8").write_text("\n".join(listed[:first_parts]).replace("VOD", "EVENT") + "\n")
    with listening(f"{web}/live.m3u8") as source:
        assert source.wait_ready(0.0).duration_s is None
        start = read_until(source, lambda _: True)[0]
        (tmp_path / "live.m3u8").write_text("\n".join(listed) + "\n")
        heard = np.concatenate([start.samples, play(source)])
    assert len(heard) / RATE == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.pls", "[playlist]\nNumberOfEntries=1\nFile1={web}/x.mp3\nTitle1=X\n"),
        ("list.m3u", "#EXTM3U\n#EXTINF:-1,X\n{web}/x.mp3\n"),
        ("list.m3u", "x.mp3\r\n"),
        ("list.m3u", "{web}/other.pls\n"),
    ],
)
def test_playlists_lead_to_the_stream(web: str, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "x.mp3").write_bytes(encoded("mp3", MUSIC[:RATE], RATE))
    (tmp_path / "other.pls").write_text("File1=/x.mp3\n")
    (tmp_path / name).write_text(text.format(web=web))
    answer = open_address(f"{web}/{name}", 5.0)
    answer.close()
    assert answer.url == f"{web}/x.mp3"
    assert not answer.endless


def serve_once(answer: bytes) -> str:
    """A server of one answer, byte by byte as given; returns its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            assert b"icy-metadata: 1" in connection.recv(4096).lower()
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_shoutcast_server_with_its_own_status_line() -> None:
    sound = b"\xff\xfbabcdefgh" * 40
    parts = [sound[i : i + 100] for i in range(0, len(sound), 100)]
    titles = [b"", b"StreamTitle='Caf\xe9';StreamUrl='';", b"", b"StreamTitle='';"]
    blocks = [bytes([-(-len(t) // 16)]) + t.ljust(-(-len(t) // 16) * 16, b"\0") for t in titles]
    body = b"".join(part + block for part, block in zip(parts, blocks, strict=True))
    head = b"ICY 200 OK\r\nicy-name: Radio \xc3\x84\r\nicy-metaint:100\r\nContent-Type: audio/mpeg\r\n\r\n"
    answer = open_address(f"http://me:secret@{serve_once(head + body)}/", 5.0)
    assert answer.name == "Radio Ä"
    assert answer.endless
    assert "secret" not in answer.shown
    assert answer.body is not None
    heard, seen = b"", []
    while found := answer.body.read(64):
        heard += found
        seen += [answer.body.title] if answer.body.title not in seen else []
    answer.body.close()
    assert heard == sound
    assert [*seen, answer.body.title] == [None, "Café", ""]


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert shown("https://me:secret@radio.example:8000/live?token=abc#x") == "https://radio.example:8000/live"
    assert shown("http://[::1") == "the address"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def refused(url: str) -> SourceError:
    with closing(UrlSource("radio", url)) as source:
        source.start()
        with pytest.raises(SourceError) as caught:
            source.wait_ready(10.0)
        with pytest.raises((SourceError, EndOfSource)):
            source.read(0.0)
    return caught.value


def test_what_cannot_be_heard_is_one_clear_error(web: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no sound at all, just words\n" * 200)
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "loop.m3u").write_text(f"{web}/loop.m3u\n")
    (tmp_path / "bare.m3u").write_text("#EXTM3U\n")
    for path, words in {
        "none.mp3": "answers 404",
        "text.mp3": "no sound",
        "empty.mp3": "no sound",
        "loop.m3u": "playlist of playlists",
        "bare.m3u": "without an address",
    }.items():
        error = refused(f"{web}/{path}")
        assert words in error.message, path
        assert f"{web}/{path}" in error.message
    assert "cannot be reached: Connection refused" in refused(f"http://127.0.0.1:{closed_port()}/x").message
    assert "cannot be reached" in refused("http://").message


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(UrlSource("radio", f"http://127.0.0.1:{listener.getsockname()[1]}/")) as source,
    ):
        source.start()
        with pytest.raises(SourceError, match=r"no sound within 0\.5 s"):
            source.wait_ready(0.5)
