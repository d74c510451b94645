"""Run what was not run before: a process a core, every outcome kept at once, a bar with an estimate."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rtgenre.errors import RtgenreError
from rtgenre.training.literature.catalogue import RECIPES
from rtgenre.training.literature.pieces import silent
from rtgenre.training.literature.run import key_of, means_of, outcome, where
from rtgenre.training.worker import begin_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rtgenre.training.literature.pieces import Maker
    from rtgenre.training.literature.plan import Job
    from rtgenre.training.literature.run import Setting
    from rtgenre.training.literature.runs import Runs

    Run = dict[str, Any]

# What a worker needs is larger than a job, so it is sent once, when the process begins.
_means: tuple[Maker, Setting] | None = None


def execute(jobs: Sequence[Job], maker: Maker, runs: Runs, setting: Setting) -> list[str]:
    """Run what was not run before.

    Returns:
        Keys of all jobs, in order.

    Raises:
        RtgenreError: the data cannot be used, or a process ended unexpectedly.
    """
    keys = [key_of(job, maker, setting) for job in jobs]
    todo = {key: job for job, key in zip(jobs, keys, strict=True) if key not in runs}
    with Bar(runs, list(todo.values()), setting) as bar:
        maker.say = lambda what, share: bar.tell(f"features: {what}", share)
        for job in todo.values():
            maker.make(job.recipe.inputs)  # once, before several processes want it
            if job.recipe.transfers and setting.convolutions is not None:
                setting.convolutions.weights(bar.tell)
        for key, run in _outcomes(todo, maker, setting, bar):
            runs.add({"key": key, **run, **where(maker)})
            bar.done(todo[key], run["total_s"])
    return keys


def _outcomes(todo: dict[str, Job], maker: Maker, setting: Setting, bar: Bar) -> Iterator[tuple[str, Run]]:
    """Outcomes as they come."""
    if setting.jobs == 1 or len(todo) < 2:
        for key, job in todo.items():
            run, _ = outcome(job, maker, means_of(job, setting, lambda share, job=job: bar.tell(job.title, share)))  # type: ignore[misc]
            yield key, run
        return
    sent = dataclasses.replace(maker, say=silent)
    with _one_thread_each():
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of torch's threads
        pool = ProcessPoolExecutor(min(setting.jobs, len(todo)), context, _open, (sent, setting))
        try:
            futures = {pool.submit(_run, *_named(job)): key for key, job in todo.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise RtgenreError(
                "a process that fits ended unexpectedly (out of memory?)", "run it again with --jobs 1: it goes on"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _named(job: Job) -> tuple[str, dict[str, Any]]:
    """A job as it can be sent: its recipe by name, as builders cannot be pickled."""
    values = {field.name: getattr(job, field.name) for field in dataclasses.fields(job) if field.name != "recipe"}
    return job.recipe.name, values


def _open(maker: Maker, setting: Setting) -> None:
    global _means  # noqa: PLW0603 - a worker process serves one run and has no other place
    begin_worker()
    _means = (maker, setting)


def _run(name: str, values: dict[str, Any]) -> Run:
    from rtgenre.training.literature.plan import Job  # noqa: PLC0415 - only a worker needs it at run time

    assert _means is not None  # noqa: S101 - ``_open`` ran first
    maker, setting = _means
    job = Job(recipe=RECIPES[name], **values)
    run, _ = outcome(job, maker, means_of(job, setting))
    return run


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


class Bar:
    """Progress in estimated seconds: a fit takes as long as others of its recipe took, or else as declared."""

    def __init__(self, runs: Runs, todo: Sequence[Job], setting: Setting) -> None:
        self._todo, self._left, self._jobs = list(todo), list(todo), setting.jobs
        self._took: dict[tuple[str, float], list[float]] = {}
        for run in runs.all():
            if "total_s" in run:
                self._took.setdefault((run["recipe"], run["size"]), []).append(run["total_s"])
        self._progress = Progress(
            TextColumn("{task.fields[at]}/{task.fields[of]}"),
            BarColumn(20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=setting.quiet or not todo,
        )
        self._task = self._progress.add_task("", total=1.0, at=0, of=len(todo), left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str, share: float) -> None:
        """Say what goes on, and how far it is."""
        whole = sum(map(self._seconds, self._todo)) or 1.0
        left = sum(map(self._seconds, self._left))
        self._progress.update(
            self._task,
            description=f"{what} {100 * share:.0f} %" if share else what,
            at=len(self._todo) - len(self._left),
            total=whole,
            completed=whole - left,
            left=f"about {_in_words(left / self._jobs)} left",
        )

    def done(self, job: Job, seconds: float) -> None:
        """A job took so long."""
        self._took.setdefault((job.recipe.name, job.size), []).append(seconds)
        self._left.remove(job)
        self.tell(job.title, 0.0)

    def _seconds(self, job: Job) -> float:
        took = self._took.get((job.recipe.name, job.size))
        return float(np.mean(took)) if took else job.recipe.effort * job.size


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
