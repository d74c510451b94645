"""Sound servers, one a module, and what must not be left behind."""

from __future__ import annotations

import pytest

from tests.virtual import SHARED_MEMORY, JackServer, PulseServer
from tests.waiting import eventually


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    with PulseServer(tmp_path_factory.mktemp("pulse"), rates=(48000, 44100, 22050)) as server, server.environment():
        yield server


@pytest.fixture(scope="module")
def jack_server(tmp_path_factory):
    with JackServer(tmp_path_factory.mktemp("jack")) as server, server.environment():
        yield server


@pytest.fixture
def nothing_left():
    """Fails the test when it leaves a ring in shared memory; those of tests in another process come and go."""
    before = set(SHARED_MEMORY.glob("rtgenre_*"))
    yield
    eventually(lambda: set(SHARED_MEMORY.glob("rtgenre_*")) <= before)
    assert set(SHARED_MEMORY.glob("rtgenre_*")) <= before
