"""Settings of all tests."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

# Tests on sound servers, and whatever looks for shared memory that was left behind: on a busy machine a server without
# real-time priority stutters, and JACK keeps one list of all its servers. These run one after the other.
SOUND = (
    "tests/audio/test_capture",
    "tests/audio/test_inputs",
    "tests/audio/test_ring",
    "tests/audio/test_url",
    "tests/outputs/test_midi",
    "tests/test_live",
    "tests/test_outputs_agree",
    "tests/test_radio",
    "tests/test_sources",
)

# A shell starts what it puts in the background with some signals ignored, nohup another, and every child inherits
# that. Tests send them to children, so here they count again.
for _one, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_one) is signal.SIG_IGN:
        signal.signal(_one, _handler)

# A test asserts what is computed, never how fast: machines that run tests are busy.
settings.register_profile("rtgenre", deadline=None)
settings.load_profile("rtgenre")


class ByFile(LoadFileScheduling):
    """A file stays on one worker, as its tests share what is dear; so does all of ``SOUND``."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "sound" if file.startswith(SOUND) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """With several workers (``pytest -n 2``); the mark ``xdist_group`` does nothing under pytest 9.2."""
    config.option.loadscopereorder = False  # sound waits more than it computes: begin with it, not with what is many
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What hears a real sound server may be heard three times: a virtual machine is stopped for seconds now and then.

    No server and no watchdog can tell that from a device that hangs. The summary tells of each time (``RERUN``).
    """
    for item in items:
        if item.nodeid.startswith(SOUND) and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2))
