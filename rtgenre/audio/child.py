"""One life of the capture child: spawned, watched, killed by its process id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rtgenre.audio.bell import Bell
from rtgenre.audio.inputs import InputDevice
from rtgenre.audio.ring import ChildState, Chunk, RingReader
from rtgenre.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_REAP_S = 1.0


class CaptureChild:
    """A running capture child with its ring and its bell. One thread at a time.

    The spawning thread should live as long as the child is needed: Linux kills the child when that thread ends.

    Args:
        device: ``"hostapi: name"`` or a unique part; None for the default input.
        sample_rate: Hz; 0 for the device's own.
        channels: 0 for two where the device has them.
        block_samples: frames in a block.
        latency_s: buffering to ask the sound system for.
        capacity: samples that the ring holds, over all channels.
        environment: variables for the child, beside ours.
    """

    def __init__(
        self,
        device: str | None,
        sample_rate: int,
        channels: int,
        block_samples: int,
        latency_s: float,
        capacity: int,
        environment: Mapping[str, str],
    ) -> None:
        self.ring = RingReader(capacity)
        self._bell = Bell()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        bell_fd = self._bell.fd_for_child
        options = [
            f"--ring={self.ring.name}", f"--bell={bell_fd}", f"--device={device or ''}", f"--rate={sample_rate}",
            f"--channels={channels}", f"--block={block_samples}", f"--latency={latency_s}",
        ]  # fmt: skip
        try:
            self._popen = subprocess.Popen(
                [*_COMMAND, *options],
                env=_environment() | dict(environment),
                stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=(bell_fd,) if bell_fd >= 0 else (),
            )
        except OSError as error:
            self._release()
            raise DeviceError(f"the capture child cannot be started: {error}") from error
        self._bell.forget_child_end()
        self.spawned_ns = time.monotonic_ns()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._popen.pid

    def release_name(self) -> None:
        """Take away the ring's name once the child has attached, so that nothing can be left behind."""
        if self.ring.state >= ChildState.ATTACHED:
            self.ring.unlink()

    def read(self) -> Chunk | None:
        """Take the next block; never waits."""
        return self.ring.read()

    def wait(self, timeout_s: float) -> None:
        """Sleep until a block may be there; may return early."""
        self._bell.clear()  # it has rung for blocks that were read meanwhile
        if not self.ring.has_block:
            self._bell.wait(timeout_s)

    def has_ended(self) -> bool:
        """Whether the child is dead and everything it wrote has been read."""
        return self._popen.poll() is not None and not self.ring.has_block

    def failure(self) -> DeviceError:
        """Why the child is no more, as well as can be told."""
        if self.ring.state is ChildState.FAILED:
            message, _, remedy = self.ring.text.partition("\0")
            return DeviceError(message, remedy)
        self._stderr.seek(0)
        lines = self._stderr.read(65536).decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return DeviceError(f"the capture child ended with exit status {self._popen.poll()}: {last}")

    def close(self) -> None:
        """Kill the child and release everything; may be called twice; waits a second at most."""
        self._popen.kill()
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        try:
            self._popen.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            _unreaped.append(self._popen)  # stuck in the kernel; it goes when the driver lets it
        self._release()

    def _release(self) -> None:
        self._bell.close()
        self.ring.close()
        self._stderr.close()


def list_devices(timeout_s: float = 5.0) -> list[InputDevice]:
    """List the input devices, in a child, because PortAudio may hang.

    Args:
        timeout_s: how long the sound system may take.

    Raises:
        DeviceError: PortAudio is missing, or the sound system hangs.
    """
    try:
        done = subprocess.run(
            [*_COMMAND, "--list"],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"the sound system did not list its devices in {timeout_s:g} s", "it hangs: restart the sound server"
        ) from error
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        said = done.stderr.decode(errors="replace").strip()[-300:] or "it said nothing"
        raise DeviceError(f"listing the devices ended with exit status {done.returncode}: {said}") from error
    if "error" in answer:
        raise DeviceError(*answer["error"])
    return [InputDevice(**d) for d in answer["devices"]]


# Without -P the child would import from the folder the daemon was started in, where anything may lie.
_COMMAND = (sys.executable, "-P", "-m", "rtgenre.audio.device")
_unreaped: list[subprocess.Popen[bytes]] = []


def _environment() -> dict[str, str]:
    """The child's environment; it finds the package also in a checkout that is not installed."""
    environment = dict(os.environ)
    if str(_PACKAGE_PARENT) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        found = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{found}{os.pathsep}{_PACKAGE_PARENT}" if found else str(_PACKAGE_PARENT)
    return environment
