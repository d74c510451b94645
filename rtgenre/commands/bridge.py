"""``rtgenre bridge``: the daemon's outputs, run anywhere against its feed.

An output is one of ``app.OUTPUTS``; it gets here what it gets in the daemon, its mailbox full of messages.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from typing import TYPE_CHECKING

import msgspec

from rtgenre import app, logs
from rtgenre.commands.stopping import told_to_stop
from rtgenre.errors import FeedError, UsageError, nearest
from rtgenre.outputs import wire
from rtgenre.outputs.interface import Asking
from rtgenre.sources import SourceSettings

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from rtgenre.client import Subscriber
    from rtgenre.client.tally import Received
    from rtgenre.commands.watch import Where
    from rtgenre.config import Settings
    from rtgenre.outputs.interface import Output

log = logging.getLogger(__name__)

WAIT_S = 0.2  # how long a signal may have to wait


def run_outputs(names: Sequence[str], where: Where, settings: Settings) -> int:
    """Run outputs until a signal; a daemon that is not there yet, or starts anew, is waited for.

    Args:
        names: of outputs.
        where: the feed.
        settings: theirs, whether they are enabled there or not.

    Raises:
        UsageError: there is no such output.
        RtgenreError: one cannot start, or the feed refuses this client.
    """
    for name in names:
        if name not in app.OUTPUTS:
            raise UsageError(f"there is no output {name!r} to bridge", nearest(name, app.OUTPUTS))
    logs.set_up(settings.log.level, settings.log.format == "json", keep=False)
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()  # by the outputs, in their threads

    with told_to_stop() as stop, contextlib.ExitStack() as stack:
        settings = msgspec.structs.replace(settings, source=SourceSettings(), sources=())  # the sources are the feed's
        outputs = [app.OUTPUTS[name](settings) for name in dict.fromkeys(names)]
        for output in outputs:
            stack.callback(output.close)
            if isinstance(output, Asking):
                output.ask = asked.put
            output.start()
        feed = stack.enter_context(where.subscriber(recover=True))
        log.info("%s: reading %s", ", ".join(dict.fromkeys(names)), where.endpoint)
        _pass_on(feed, outputs, stop, asked)
    return stop.exit_code


def _pass_on(feed: Subscriber, outputs: Sequence[Output], stop: threading.Event, asked: queue.SimpleQueue[str]) -> None:
    with contextlib.suppress(FeedError):  # nobody there yet: what comes later is enough
        for received in feed.join(1.0):
            _put(received, outputs)
    quiet = False
    while not stop.is_set():
        received_now = feed.receive(WAIT_S)
        while not asked.empty():
            try:
                feed.request(asked.get())
            except FeedError as error:
                log.warning("%s", error.message)
        if feed.stale != quiet:
            quiet = feed.stale
            log.warning("nothing comes from %s: waiting" if quiet else "%s is back", feed.publish)
        if received_now is None:
            continue
        if received_now.missed:
            log.warning("%d messages of %s are lost", received_now.missed, received_now.topic)
        _put(received_now, outputs)


def _put(received: Received, outputs: Sequence[Output]) -> None:
    envelope = wire.Envelope(received.topic, received.message, time.monotonic_ns(), received.body)
    for output in outputs:
        output.mailbox.put(envelope)
