"""What the web output costs and how quick it is: a real daemon with the demo, a real Chromium, ten WebSocket clients.

- page: from the navigation to the ``load`` event, over loopback, and of an overlay to the frame in which its genre is
  drawn first, and the processor time that all of Chromium takes until then, which says what an idle machine would
  need at most; beside them an empty page (``/text``), which is what the browser takes for itself;
- update: from the daemon's stamp on a message (``t_wall``, in milliseconds) to the page's having drawn it;
- processor time of the daemon's own process with and without ten clients, by turns, in one run.

Writes one JSON line.

    python -m benchmarks.web [--seconds S] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
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

from benchmarks.line import keep
from scripts.browser import Browser, open_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 10
PAGES = ("text", "overlay/bars", "overlay/lowerthird", "overlay/compact", "dashboard", "")
VISITS = 10
TURNS = 3
WATCH_LOAD = """new Promise((done) => {
  const overlay = document.getElementById("overlay");
  const look = () => {
    const load = performance.getEntriesByType("navigation")[0].loadEventEnd;
    const shown = !overlay || (!overlay.classList.contains("hidden") && overlay.textContent);
    if (load > 0 && shown) return requestAnimationFrame(() => done([load, performance.now()]));
    setTimeout(look, 1);
  };
  look();
})"""
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


def processor_ms(name: str) -> float:
    """Processor time that our child processes of a name have taken so far."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if name in child.name():
                times = child.cpu_times()
                total += times.user + times.system
    return 1000 * total


async def pages(browser: Browser, address: str) -> dict[str, dict[str, float]]:
    took: dict[str, list[tuple[float, float, float]]] = {path: [] for path in PAGES}
    for _ in range(VISITS):  # by turns: what else the machine does disturbs all alike
        for path in PAGES:
            page = await browser.page("about:blank", 560, 360)
            await page.until("document.readyState === 'complete'")
            before = processor_ms("chromium")
            await page.open(f"{address}/{path}")
            await page.until(f"location.pathname === '/{path}' && document.body")
            load, shown = await page.evaluate(WATCH_LOAD)
            took[path].append((load, shown, processor_ms("chromium") - before))
            await page.close()
            browser.pages.clear()
    found: dict[str, dict[str, float]] = {}
    for path, visits in took.items():
        load, shown, spent = zip(*visits, strict=True)
        found[path or "start"] = {"median_ms": round(statistics.median(load), 1), "max_ms": round(max(load), 1)}
        found[path or "start"] |= {"processor_median_ms": round(statistics.median(spent), 1)}
        if path.startswith("overlay"):
            found[path] |= {"shown_median_ms": round(statistics.median(shown), 1), "shown_max_ms": round(max(shown), 1)}
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
    keep({"benchmark": "web", **found}, asked.out)


if __name__ == "__main__":
    main()
