"""The bell: it wakes, it never blocks the ringer, it tells of the ringer's death."""

from __future__ import annotations

import os
import threading
import time

import pytest

from rtgenre.audio import bell as bell_module
from rtgenre.audio.bell import Bell, Ringer


@pytest.fixture
def bell():
    bell = Bell()
    yield bell
    bell.close()
    bell.close()


def test_waiting_ends_when_it_rings(bell):
    ringer = Ringer(bell.fd_for_child)
    timer = threading.Timer(0.05, ringer.ring)
    timer.start()
    began = time.monotonic()
    bell.wait(20.0)
    assert time.monotonic() - began < 10.0
    timer.join()


def test_many_rings_are_one_waking_and_a_full_pipe_does_not_block(bell):
    ringer = Ringer(bell.fd_for_child)
    for _ in range(100_000):  # more than a pipe holds
        ringer.ring()
    wakings = 0
    while _would_wake(bell):
        bell.wait(1.0)
        wakings += 1
    assert 1 <= wakings <= 32


def _would_wake(bell):
    return bool(bell._poll.poll(0))


def test_ringing_to_nobody_and_without_a_bell_is_harmless(bell):
    write_fd = os.dup(bell.fd_for_child)
    bell.close()
    Ringer(write_fd).ring()
    os.close(write_fd)
    assert Ringer(-1).ring() is None


def test_the_childs_end_tells_that_the_child_is_gone(bell):
    bell.forget_child_end()  # nobody else holds it
    began = time.monotonic()
    bell.wait(20.0)
    assert time.monotonic() - began < 10.0
    bell.wait(0.001)  # and later waits neither fail nor spin
    assert bell._read_fd == -1


def test_without_poll_waiting_is_a_short_sleep(monkeypatch):
    monkeypatch.setattr(bell_module, "_HAS_POLL", False)
    bell = Bell()
    assert bell.fd_for_child == -1
    began = time.monotonic()
    bell.wait(60.0)
    assert time.monotonic() - began < 30.0
    bell.close()
