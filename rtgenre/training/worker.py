"""Worker processes: what fills a cache in several at once, and ends with the process that started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def begin_worker() -> None:
    """End with the parent: without it, a killed one leaves workers that go on with what nobody awaits.

    Ctrl-C ends it without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def made_in_turn(
    make: Callable[[int, Path], None], paths: Sequence[Path], missing: Sequence[int], jobs: int
) -> Iterator[Path]:
    """Each path, in order, as soon as it is there; what is missing is made, several at once where there are processes.

    Args:
        make: given the place in the order and the path, writes it; must be picklable.
        paths: all that is wanted.
        missing: places of those that are to be made.
        jobs: processes.
    """
    if jobs > 1 and len(missing) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker) as workers:
            made = {k: workers.submit(make, k, paths[k]) for k in missing}
            for k, path in enumerate(paths):
                if k in made:
                    made[k].result()
                yield path
        return
    for k, path in enumerate(paths):
        if k in missing:
            make(k, path)
        yield path
