"""The queue between the engine and an output."""

from __future__ import annotations

import select
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtgenre.outputs.mailbox import Mailbox


class AgainstAList(RuleBasedStateMachine):
    """Any order of puts, drains and closes, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox: Mailbox[int] = Mailbox(5)
        self.expected: list[int] = []
        self.dropped = 0
        self.closed = False
        self.n = 0

    @rule()
    def put(self) -> None:
        self.mailbox.put(self.n)
        if not self.closed:
            self.expected.append(self.n)
            if len(self.expected) > 5:
                self.expected.pop(0)
                self.dropped += 1
        self.n += 1

    @rule()
    def drain(self) -> None:
        assert self.mailbox.drain() == self.expected
        self.expected = []

    @rule()
    def close(self) -> None:
        self.mailbox.close()
        self.closed = True

    @invariant()
    def counts(self) -> None:
        assert self.mailbox.dropped == self.dropped
        assert self.mailbox.closed == self.closed

    @invariant()
    def is_readable_exactly_when_there_is_something(self) -> None:
        assert self.mailbox.wait(0.0) == (bool(self.expected) or self.closed)

    def teardown(self) -> None:
        self.mailbox.release()


AgainstAList.TestCase.settings = settings(max_examples=60, deadline=None)
TestAgainstAList = AgainstAList.TestCase


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3000), st.integers(1, 5000))
def test_what_many_writers_put_is_read_or_counted_and_in_each_writers_order(
    writers: int, n: int, capacity: int
) -> None:
    mailbox: Mailbox[tuple[int, int]] = Mailbox(capacity)

    def write(writer: int) -> None:
        for k in range(n):
            mailbox.put((writer, k))

    threads = [threading.Thread(target=write, args=(w,)) for w in range(writers)]
    for thread in threads:
        thread.start()
    read: list[tuple[int, int]] = []
    while any(thread.is_alive() for thread in threads):
        mailbox.wait(0.01)
        read += mailbox.drain()
    read += mailbox.drain()
    for thread in threads:
        thread.join()
    mailbox.release()
    assert len(read) + mailbox.dropped == writers * n
    for writer in range(writers):
        own = [k for w, k in read if w == writer]
        assert own == sorted(set(own))


def test_a_put_wakes_a_sleeping_reader() -> None:
    mailbox: Mailbox[str] = Mailbox(2)
    woken = threading.Event()

    def read() -> None:
        if mailbox.wait(30) and mailbox.drain() == ["hello"]:
            woken.set()

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    mailbox.put("hello")
    assert woken.wait(10)
    reader.join()
    mailbox.release()


def test_closing_wakes_a_sleeping_reader() -> None:
    mailbox: Mailbox[str] = Mailbox(2)
    seen: list[bool] = []
    reader = threading.Thread(target=lambda: seen.append(mailbox.wait(30)))
    reader.start()
    time.sleep(0.05)
    mailbox.close()
    reader.join(10)
    assert seen == [True]
    assert mailbox.closed
    mailbox.release()


def test_more_wake_ups_than_the_socket_holds_neither_block_nor_linger() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    for k in range(300_000):
        mailbox.put(k)
    assert mailbox.drain() == list(range(299_990, 300_000))
    assert mailbox.dropped == 299_990
    assert not mailbox.wait(0)
    mailbox.put(1)
    assert mailbox.wait(0)
    mailbox.release()


def test_it_can_be_polled_beside_other_sockets() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    mailbox.put(1)
    assert select.select([mailbox, mailbox.socket], [], [], 0)[0] == [mailbox, mailbox.socket]
    assert mailbox.fileno() == mailbox.socket.fileno()
    mailbox.release()
