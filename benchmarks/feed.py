"""What five subscribers cost the engine, in one run: hop latency with and without them, and what each of them got.

Ring, engine, pipeline and feed run as in the daemon; hops come at a multiple of real time. There are two feeds, one
with the subscribers of ``crowd.py`` and one without any, and turns of 250 hops go to one and the other: what else the
machine does meanwhile disturbs both alike. Hop latency is the time from the arrival of a hop's last sample in the
ring to its answer. Writes one JSON line.

    npm install --prefix examples
    python -m benchmarks.feed [--hops N] [--pace TIMES] [--out FILE]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.crowd import Member, node_is_there
from benchmarks.line import keep
from rtgenre import app, config, keys
from rtgenre.bench.end_to_end import RingSource
from rtgenre.engine import Engine
from rtgenre.outputs import wire
from rtgenre.outputs.fanout import FanOut
from rtgenre.outputs.zmq_feed import Curve, ZmqFeed, seen_from_here

if TYPE_CHECKING:
    from rtgenre.pipeline import Pipeline
    from rtgenre.records import Posterior

TOPIC = wire.topic("bench", "posterior")
LOCAL = "tcp://127.0.0.1:*"
BOTH = f"{LOCAL}, tcp://0.0.0.0:*"  # plain for this machine, and with keys
TURN_HOPS = 250
START_S = 20.0  # in which the subscribers start, on a busy machine, too


class Turns:
    """A listener that tells one feed and the other by turns, and notes how long each hop took.

    Args:
        pipeline: whose answers are told.
        crowded: feed with subscribers; it alone is told during the first ``warm`` hops, which are not counted.
        empty: feed without any.
        warm: hops in which the subscribers start.
    """

    def __init__(self, pipeline: Pipeline, crowded: ZmqFeed, empty: ZmqFeed, warm: int) -> None:
        labels, rate = pipeline.runtime.labels, pipeline.frontend.spec.sample_rate
        self.crowded, self.empty = (
            FanOut(wire.Composer(str(uuid.uuid4()), "bench", wire.ModelId("bench", ""), labels, rate), [feed.mailbox])
            for feed in (crowded, empty)
        )
        self.hops = 0
        self.taken_us: dict[FanOut, list[float]] = {self.crowded: [], self.empty: []}
        self._warm = warm

    def on_hop(self, posterior: Posterior, t_audio_ns: int, t_start_ns: int, t_ready_ns: int) -> None:
        turn = self.empty if self.hops >= self._warm and (self.hops - self._warm) // TURN_HOPS % 2 else self.crowded
        if self.hops >= self._warm:
            self.taken_us[turn].append((t_ready_ns - t_audio_ns) / 1e3)
        self.hops += 1
        turn.on_hop(posterior, t_audio_ns, t_start_ns, t_ready_ns)

    def on_stale(self, last: Posterior, t_audio_ns: int) -> None:
        pass

    def on_title(self, title: str) -> None:
        pass

    def has_room(self) -> bool:
        return True


def run(pipeline: Pipeline, hops: int, pace: float, folder: Path) -> tuple[list[float], list[float], dict[str, object]]:
    """Microseconds of each hop with and without subscribers, and what the subscribers say."""
    pair, allowed, key_file = keys.new_pair(), keys.AllowList(folder / "allowed"), folder / keys.CLIENT_FILE
    allowed.allow("bench", pair.public)
    keys.write_pair(key_file, pair)
    curve = Curve(keys.new_pair(), allowed)
    crowded, empty = ZmqFeed(BOTH, BOTH, {}, curve=curve), ZmqFeed(LOCAL, LOCAL, {})
    crowded.start()
    empty.start()
    warm = round(START_S * pace * pipeline.hops_per_s)
    source = RingSource(pipeline, warm + 2 * hops, pace)
    source.start()
    turns = Turns(pipeline, crowded, empty, warm)
    engine = Engine(source, source.wait_ready(10.0), pipeline, (), turns)
    (plain, secure), (control, secure_control) = (map(seen_from_here, addresses) for addresses in crowded.addresses)
    last = str(warm + hops - 1)
    members = {role: Member(role, [TOPIC, last, plain, control]) for role in ("slow", "reconnecting", "node", "late")}
    members["curve"] = Member("curve", [TOPIC, last, secure, secure_control, curve.server.public, str(key_file)])
    to_do = {warm + hops: "late", warm + 2 * hops - round(hops / 5): "slow"}
    deadline = time.monotonic() + START_S + 2 * (warm + 2 * hops) / (pace * pipeline.hops_per_s)
    try:
        engine.start()
        while turns.hops < warm + 2 * hops:
            if time.monotonic() > deadline:
                raise SystemExit(f"too busy a machine: {source.stats.dropped_samples} samples lost; try a lower --pace")
            for hop in [hop for hop in to_do if turns.hops >= hop]:
                members[to_do.pop(hop)].go_on()
            time.sleep(0.05)
        said = {role: member.told() for role, member in members.items()}
        told: dict[str, object] = {
            role: {"got": len(one.numbers), "missed": one.missed, "whole": one.is_whole} for role, one in said.items()
        }
        told |= {"overruns": crowded.overruns, "feed_dropped": crowded.dropped}
        told |= {"dropped_samples": source.stats.dropped_samples, "late_hops": engine.stats.late_hops}
    finally:
        engine.stop()
        for member in members.values():
            member.end()
        source.close()
        crowded.close()
        empty.close()
    return turns.taken_us[turns.crowded], turns.taken_us[turns.empty], told


def spread(taken_us: list[float]) -> dict[str, float]:
    quantiles = {"p50": 50, "p95": 95, "p99": 99, "p99.9": 99.9, "max": 100}
    return {"n": len(taken_us)} | {f"{n}_us": round(float(np.percentile(taken_us, q)), 1) for n, q in quantiles.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hops", type=int, default=10_000, help="among the subscribers (default: %(default)s)")
    parser.add_argument("--pace", type=float, default=10.0, help="times real time (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="append the JSON line here, too")
    asked = parser.parse_args()
    if not node_is_there():
        raise SystemExit("Node.js and its package are missing: npm install --prefix examples")
    settings = config.Settings()
    pipeline = app.open_pipeline(settings, app.load_checkpoint(settings.model))
    with tempfile.TemporaryDirectory() as folder:
        among, without, told = run(pipeline, asked.hops, asked.pace, Path(folder))
    alone, crowded = spread(without), spread(among)
    found: dict[str, object] = {
        "benchmark": "feed.crowd", "pace": asked.pace, "alone": alone, "among_five": crowded,
        "p99_ratio": round(crowded["p99_us"] / alone["p99_us"], 3),
        "p50_ratio": round(crowded["p50_us"] / alone["p50_us"], 3), "told": told,
    }  # fmt: skip
    keep(found, asked.out)


if __name__ == "__main__":
    main()
