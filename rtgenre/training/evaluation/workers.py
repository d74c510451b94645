"""Many streams at once: one process a core, each with a pipeline of its own, answers in the order of the tasks."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from rtgenre.errors import RtgenreError, SourceError
from rtgenre.training.evaluation.listen import Listener
from rtgenre.training.worker import begin_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.evaluation.listen import Task, Trace

    Heard = Trace | SourceError
    Opener = Callable[[], Pipeline]
    Hear = Callable[[Sequence[Task], Callable[[], None]], list[Heard]]

# What a worker needs is larger than a task, so it is sent once, when the process begins.
_listener: Listener | None = None


@contextlib.contextmanager
def listeners(opener: Opener, clips: DataSet, cut_s: float, jobs: int) -> Iterator[Hear]:
    """Processes that hear tasks; a single one is this process itself.

    Args:
        opener: opens a pipeline; must be picklable.
        clips: see ``Listener``; must be picklable.
        cut_s: see ``Listener``.
        jobs: number of processes.

    Yields:
        A function of tasks and of what to call after each. It returns a trace a task in their order; a clip that
        cannot be read takes its place as the error.
    """
    if jobs == 1:
        alone = Listener(opener(), clips, cut_s)

        def hear_here(tasks: Sequence[Task], advance: Callable[[], None]) -> list[Heard]:
            heard = []
            for task in tasks:
                heard.append(_heard(alone, task))
                advance()
            return heard

        yield hear_here
        return
    # spawn: a fork would copy locks of numba's and torch's threads. Workers are one a core, so each has one thread.
    threads = {name: os.environ.get(name) for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")}
    os.environ.update(dict.fromkeys(threads, "1"))
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _open, (opener, clips, cut_s))

    def hear_there(tasks: Sequence[Task], advance: Callable[[], None]) -> list[Heard]:
        futures = {pool.submit(_hear, task): at for at, task in enumerate(tasks)}
        heard: dict[int, Heard] = {}
        try:
            for future in as_completed(futures):
                heard[futures[future]] = future.result()
                advance()
        except BrokenProcessPool as error:
            raise RtgenreError("a process of the evaluation ended unexpectedly", "try again with --jobs 1") from error
        return [heard[at] for at in range(len(tasks))]

    try:
        yield hear_there
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in threads.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _open(opener: Opener, clips: DataSet, cut_s: float) -> None:
    global _listener  # noqa: PLW0603 - a worker process serves one evaluation and has no other place
    begin_worker()
    with contextlib.redirect_stderr(io.StringIO()):  # that loading takes its time has been said
        _listener = Listener(opener(), clips, cut_s)


def _hear(task: Task) -> Heard:
    assert _listener is not None  # noqa: S101 - ``_open`` ran first
    return _heard(_listener, task)


def _heard(listener: Listener, task: Task) -> Heard:
    try:
        return listener.hear(task)
    except SourceError as error:
        return error
