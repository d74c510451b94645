"""The examples as a reader runs them, against a live daemon: over TCP, over ipc, and over TCP with keys."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from benchmarks.crowd import node_is_there
from rtgenre import keys
from rtgenre.client import Subscriber
from rtgenre.records import Posterior, State
from tests.outputs.talking import started
from tests.outputs.test_wire import composer, hop
from tests.test_daemon import RTGENRE, environment, free_ports, posteriors

pytestmark = pytest.mark.real
EXAMPLES = Path(__file__).parents[1] / "examples"
HEADER = Path("/usr/include/zmq.h")


@pytest.fixture(scope="module", params=["tcp", "ipc", "curve"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Addresses of a daemon that runs meanwhile, and the keys that it wants, if any."""
    folder = tmp_path_factory.mktemp("feed")
    addresses = free_ports()
    if request.param == "ipc":
        addresses = ["--publish", f"ipc://{folder}/feed", "--control", f"ipc://{folder}/control"]
    server, client, key_file = keys.new_pair(), keys.new_pair(), folder / keys.CLIENT_FILE
    keys.write_pair(folder / keys.SERVER_FILE, server)
    keys.write_pair(key_file, client)
    keys.AllowList(folder / keys.ALLOWED_FILE).allow("example", client.public)
    with_keys = request.param == "curve"
    settings = {"RTGENRE_FEED__KEYS": str(folder), "RTGENRE_FEED__CURVE": "always" if with_keys else "auto"}
    with subprocess.Popen(
        [*RTGENRE, "run", *addresses, "--source", "demo", "--quiet"],
        stderr=subprocess.DEVNULL,
        env=environment(**settings),
    ) as process:
        try:
            key = {"server_key": server.public, "key": client} if with_keys else {}
            with Subscriber(addresses[1], addresses[3], **key) as feed:  # type: ignore[arg-type]
                posteriors(feed, 20)  # a first decision has been made
            yield (addresses[1], addresses[3], *((server.public, str(key_file)) if with_keys else ()))
        finally:
            process.terminate()


@pytest.fixture
def arguments(daemon: tuple[str, ...]) -> list[str]:
    """What to give an example so that it finds the daemon."""
    publish, _control, *with_keys = daemon
    return [publish, *with_keys]


def first_line(*command: str) -> list[str]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as example:
        try:
            assert example.stdout is not None
            time.sleep(0.1)
            line = example.stdout.readline().split()
            if not line:
                assert example.stderr is not None
                pytest.fail(example.stderr.read())
            return line
        finally:
            example.kill()


def test_python(arguments: list[str]) -> None:
    source, _state, _top, confidence = first_line(sys.executable, str(EXAMPLES / "subscriber.py"), *arguments)
    assert source == "demo"
    assert 0.0 <= float(confidence) <= 1.0


@pytest.mark.skipif(not node_is_there(), reason="needs Node.js, and: npm install --prefix examples")
def test_node(arguments: list[str]) -> None:
    source, _state, _top, confidence = first_line("node", str(EXAMPLES / "subscriber.mjs"), *arguments)
    assert source == "demo"
    assert 0.0 <= float(confidence) <= 1.0


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc")
    if compiler is None or not HEADER.exists():
        pytest.skip("needs a C compiler and libzmq (Debian: gcc libc6-dev libzmq3-dev)")
    out = str(tmp_path_factory.mktemp("c") / "subscriber")
    source = str(EXAMPLES / "subscriber.c")
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-o", out, source, "-lzmq"], check=True, timeout=60)
    return out


def test_c(arguments: list[str], compiled: str) -> None:
    topic, number, _top = first_line(compiled, *arguments)
    assert topic == "rtgenre.v1.demo.decision."
    assert number.startswith("#")


def test_the_page_about_the_feed_shows_code_that_works(daemon: tuple[str, ...], tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "feed.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    publish, control, *with_keys = daemon
    where = f"{publish!r}, {control!r}"
    if with_keys:
        where += f", server_key={with_keys[0]!r}, key=__import__('pathlib').Path({with_keys[1]!r})"
    script = tmp_path / "page.py"
    script.write_text(code.replace("Subscriber()", f"Subscriber({where})"))
    assert first_line(sys.executable, "-u", str(script))[0].startswith("rtgenre.v1.")


@pytest.mark.timeout(60)  # a line that never comes
@pytest.mark.parametrize("which", ["README", "example"])
def test_what_is_printed_last_is_what_is_heard_now(which: str, tmp_path: Path) -> None:
    table, script = composer(), EXAMPLES / "subscriber.py"
    with started() as feed, zmq.Context() as context, context.socket(zmq.SUB) as another:
        if which == "README":
            (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / "README.md").read_text("utf-8"), re.DOTALL)
            assert len(code.splitlines()) == 10, "the README calls it ten lines"
            script = tmp_path / "readme.py"
            script.write_text(code.replace("tcp://127.0.0.1:5560", feed.publish_address))
        command = [sys.executable, "-u", str(script), feed.publish_address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None

                def says(steps: list[Posterior], n: int) -> list[str]:
                    for step in steps:
                        time.sleep(0.002)  # the wall clock tells milliseconds
                        for envelope in table.compose(step, 0, 0, time.monotonic_ns()):
                            feed.mailbox.put(envelope)
                    return [process.stdout.readline().removeprefix("mic ").strip() for _ in range(n)]

                # The last decision is younger than the last state, and later the other way round.
                assert says([hop(0), hop(1, State.MUSIC, "metal")], 2)[-1] == "music metal 0.7"
                said = says([hop(2, State.SILENCE, None), hop(3, State.NOT_MUSIC, None)], 3)
                assert said[-1] == "not_music None 0.7"
                another.subscribe(b"rtgenre.v1.")
                another.connect(feed.publish_address)  # now the last of every topic is sent once more, to everybody
                assert another.poll(5000)
                assert set(says([], 2)) == {"not_music None 0.7"}
            finally:
                process.kill()


def test_each_example_says_how_it_is_run() -> None:
    for name, how in (
        ("subscriber.py", "python examples/subscriber.py"),
        ("subscriber.mjs", "npm install --prefix examples && node examples/subscriber.mjs"),
        ("subscriber.c", "cc -o subscriber examples/subscriber.c -lzmq"),
    ):
        assert how in (EXAMPLES / name).read_text(encoding="utf-8")[:400]
