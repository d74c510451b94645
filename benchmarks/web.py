"""What the web output costs and how quick it is: a real daemon with the demo, a real Chromium, ten WebSocket clients.

- page: from the navigation to the ``load`` event, over loopback, and to the first picture of the overlay's content;
- update: from the daemon's stamp on a message (``t_wall``, in milliseconds) to the page's having drawn it;
- processor time of the daemon's own process with and without ten clients, by turns, in one run.

Writes one JSON line.

    python -m benchmarks.web [--seconds S] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import psutil

from scripts.browser import Browser, open_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 10
PAGES = ("overlay/bars", "overlay/lowerthird", "overlay/compact", "dashboard", "")
TURNS = 3
# The newest message that the page has drawn, compared with the clock of the same machine.
WATCH_UPDATES = """new Promise((done) => {
  const waits = [], seen = new Set();
  const look = () => {
    for (const m of rtgenre.feed.posteriors.values()) {
      if (seen.size && !seen.has(m.seq)) waits.push(Date.now() - Date.parse(m.t_wall));
      seen.add(m.seq);
    }
    if (waits.length >= 100) return done(waits);
    requestAnimationFrame(look);
  };
  look();
})"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def daemon() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    command = [*(sys.executable, "-m", "rtgenre", "run", "--source", "demo", "--web", "--quiet", "--no-feed")]
    with subprocess.Popen(command, env=os.environ | {"RTGENRE_WEB__PORT": str(port)}) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def ready(http: aiohttp.ClientSession, address: str) -> None:
    for _ in range(600):
        try:
            async with http.get(f"{address}/text") as answer:
                if await answer.text():
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("the daemon did not start within a minute")


async def pages(browser: Browser, address: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for path in PAGES:
        took = []
        for _ in range(5):
            page = await browser.page(f"{address}/{path}")
            await page.until("performance.getEntriesByType('navigation')[0]?.loadEventEnd > 0 && document.body")
            took.append(await page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            await page.close()
            browser.pages.clear()
        found[path or "start"] = {"median_ms": round(statistics.median(took), 1), "max_ms": round(max(took), 1)}
    return found


async def updates(browser: Browser, address: str) -> dict[str, float]:
    page = await browser.page(f"{address}/overlay/bars?anim=none", 560, 360)
    await page.until("rtgenre.feed.fresh")
    waits = sorted(await page.evaluate(WATCH_UPDATES))
    await browser.close_pages()
    return {"n": len(waits), "median_ms": waits[50], "p95_ms": waits[95], "max_ms": waits[-1]}


async def listen(client: aiohttp.ClientWebSocketResponse, got: list[int]) -> None:
    async for _ in client:
        got[0] += 1


async def cost(http: aiohttp.ClientSession, address: str, process: psutil.Process, seconds: float) -> dict[str, object]:
    """Share of a core that the daemon takes, by turns with and without clients."""
    shares: dict[str, list[float]] = {"none": [], "ten": []}
    got = [0]
    for _ in range(TURNS):
        for name, clients in (("none", 0), ("ten", CLIENTS)):
            async with AsyncExitStack() as stack:
                sockets = [await stack.enter_async_context(http.ws_connect(f"{address}/ws")) for _ in range(clients)]
                listeners = [asyncio.create_task(listen(one, got)) for one in sockets]
                before, start = process.cpu_times(), time.monotonic()
                await asyncio.sleep(seconds)
                after, took = process.cpu_times(), time.monotonic() - start
                shares[name].append((after.user + after.system - before.user - before.system) / took)
            for one in listeners:
                one.cancel()
    medians = {name: statistics.median(values) for name, values in shares.items()}
    percent = {f"{name}_percent": [round(100 * v, 2) for v in values] for name, values in shares.items()}
    return percent | {"added_percent": round(100 * (medians["ten"] - medians["none"]), 2), "messages": got[0]}


async def measure(seconds: float) -> dict[str, object]:
    with daemon() as (process, address):
        async with aiohttp.ClientSession() as http:
            await ready(http, address)
            spent = await cost(http, address, psutil.Process(process.pid), seconds)
        async with open_browser() as browser:
            return {
                "cpu_of_ten_clients": spent,
                "page": await pages(browser, address),
                "update": await updates(browser, address),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each turn (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="append the JSON line here, too")
    asked = parser.parse_args()
    found = asyncio.run(measure(asked.seconds))
    machine = {"machine": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))}
    line = json.dumps({"benchmark": "web", **found, **machine, "load": [round(x, 1) for x in os.getloadavg()]})
    print(line)
    if asked.out:
        with asked.out.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


if __name__ == "__main__":
    main()
