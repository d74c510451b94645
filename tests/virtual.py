"""Private sound servers for tests: a PulseAudio with null sinks, a JACK with the dummy driver.

Each is a direct child of the test, dies with it, and can be killed, frozen and thawed::

    with PulseServer(tmp_path) as server, server.environment():
        ...
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

SHARED_MEMORY = Path("/dev") / "shm"
JACK_PLAYER = Path(__file__).with_name("audio") / "jack_player.py"
OPENING_S = 30.0  # for a device to open, on a machine that is busy with other things

_UP_S = 30.0
_DOWN_S = 20.0
_LEAVE_S = 1.0  # jackd may take for ever
_CLIENT_S = 30.0


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test, with the reason, where a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class SoundServer:
    """What both servers share: one child, its log, its environment.

    Args:
        folder: a private folder; it holds configuration, socket and log.
    """

    argv: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "server.log"
        self.client_env: dict[str, str] = {"JACK_NO_START_SERVER": "1"}
        self._server_env: dict[str, str] = {}
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Let everything that is started meanwhile find this server."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.client_env.items():
                patch.setenv(name, value)
            yield

    def start(self) -> None:
        """Start the server and wait until it answers."""
        die_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*die_with_us, *self.argv],
                env=os.environ | self.client_env | self._server_env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _UP_S
        while not self._answers():
            if self._popen.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.argv[0]} did not come up: {self.log.read_text()[-800:]}")
            time.sleep(0.03)

    def stop(self) -> None:
        """End the server, frozen or not; may be called twice."""
        if self._popen is not None and self._popen.poll() is None:
            self.thaw()
            self._popen.terminate()  # so that it takes its shared memory along
            try:
                self._popen.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the server as a crash does."""
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait(_DOWN_S)

    def freeze(self) -> None:
        """Stop the server's clock, as a hanging one does."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGCONT)

    def command(self, *argv: str) -> str:
        """Run a client program against this server; returns what it printed, also when it failed."""
        done = subprocess.run(
            argv, env=os.environ | self.client_env, capture_output=True, text=True, timeout=_CLIENT_S, check=False
        )
        return done.stdout

    def client(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a client program against this server; the caller ends it."""
        return subprocess.Popen(
            argv, env=os.environ | self.client_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def _answers(self) -> bool:
        raise NotImplementedError


class PulseServer(SoundServer):
    """A PulseAudio server with null sinks; sounddevice sees it as ``ALSA: pulse``.

    Args:
        folder: a private folder.
        rates: one null sink ``rtgenre_<rate>`` for each, Hz; the first is the default, so is its monitor.
    """

    def __init__(self, folder: Path, rates: Sequence[int] = (48000,)) -> None:
        super().__init__(folder)
        runtime = folder / "run"
        runtime.mkdir(exist_ok=True)
        runtime.chmod(0o700)
        socket = folder / "pulse.sock"
        self.sinks = {rate: f"rtgenre_{rate}" for rate in rates}
        # Without norewinds the start of what is played is lost.
        lines = [f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1"]
        lines += [
            f"load-module module-null-sink sink_name={sink} norewinds=1 rate={rate} channels=2"
            for rate, sink in self.sinks.items()
        ]
        first = self.sinks[rates[0]]
        lines += [f"set-default-sink {first}", f"set-default-source {first}.monitor"]
        script = folder / "pulse.pa"
        script.write_text("\n".join(lines) + "\n")
        self.argv = [
            "pulseaudio", "-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
            "--disallow-exit=yes", "--realtime=no", "--high-priority=no", "--resample-method=speex-float-10",
            "--log-target=stderr",
        ]  # fmt: skip
        self.client_env |= {"PULSE_SERVER": f"unix:{socket}"}
        self._server_env = {
            "HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "PULSE_RUNTIME_PATH": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": "",
        }  # fmt: skip

    def pactl(self, *argv: str) -> str:
        """Run ``pactl``."""
        return self.command("pactl", *argv)

    def play(self, path: Path, rate: int) -> subprocess.Popen[bytes]:
        """Play a file into the sink of that rate."""
        return self.client("paplay", f"--device={self.sinks[rate]}", str(path))

    def _answers(self) -> bool:
        return f"{list(self.sinks.values())[-1]}.monitor" in self.pactl("list", "short", "sources")


class JackServer(SoundServer):
    """A JACK server with the dummy driver.

    Args:
        folder: a private folder.
        rate: Hz.
        period: frames in a period.
        sync: wait for a client that a busy machine keeps waiting; otherwise the server goes on, and what it hands over
            then is not what was played. It waits for one that was killed, too, for seconds.
    """

    def __init__(self, folder: Path, rate: int = 48000, period: int = 1024, *, sync: bool = False) -> None:
        super().__init__(folder)
        self.server_name = f"rtgenre{uuid.uuid4().hex[:8]}"
        self.argv = [
            "jackd", "-n", self.server_name, "--no-realtime", "--no-mlock", *(["--sync"] if sync else []),
            "-d", "dummy", "-r", str(rate), "-p", str(period), "-C", "2", "-P", "2",
        ]  # fmt: skip
        self.client_env |= {"JACK_DEFAULT_SERVER": self.server_name}
        self._server_env = {"JACK_NO_AUDIO_RESERVATION": "1"}

    def start(self) -> None:
        """Start the server; JACK's list of eight servers keeps those that were killed, so it is cleared first."""
        if not _runs("jackd"):
            for registry in SHARED_MEMORY.glob("jack-shm-registry"):
                registry.unlink(missing_ok=True)
        super().start()

    def stop(self) -> None:
        """End the server and take away the shared memory that killed clients left."""
        super().stop()
        for left in SHARED_MEMORY.glob(f"jack*{self.server_name}*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def player(self, path: Path, name: str) -> Iterator[Callable[[], object]]:
        """A JACK client; gives what starts a file in it. It leaves by itself; see ``sync``."""
        with self.client(sys.executable, str(JACK_PLAYER), str(path), name) as player:
            try:
                assert player.stdin is not None
                assert player.stdout is not None
                assert player.stdout.readline() == b"ready\n"
                yield functools.partial(player.stdin.write, b"play\n")
                player.stdin.close()
                player.wait(_CLIENT_S)
            finally:
                player.kill()

    def _answers(self) -> bool:
        return "system:capture_1" in self.command("jack_lsp", "-s", self.server_name)


def _runs(program: str) -> bool:
    """Whether any process of that name lives; zombies do not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        if name == program and rest.split()[0] != "Z":
            return True
    return False
