"""Draw the pictures of the overlays and the dashboard in ``docs/pictures``: a daemon with the demo, and Chromium.

    python -m scripts.overlays [--seconds S]

The start page and the dashboard are taken as they are; the overlays are laid over a made-up background, which their
transparent pages let through.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.browser import Browser, Page, open_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = "document.getElementById('overlay').className === ''"
BARS = ("theme=glass", "theme=neon", "theme=light", "theme=clean&accent=ffd166")
THIRDS = ("theme=glass", "theme=neon", "theme=light")
PILLS = ("theme=glass", "theme=neon", "theme=light", "theme=dark")
# A page of our own that holds the overlays over something like a scene.
SCENE = """
document.body.style.background = 'radial-gradient(60em 30em at 80% 110%, #e0a96d, transparent), '
  + 'linear-gradient(120deg, #22384f, #5b3b6b 55%, #a55c5a)';
document.body.replaceChildren(...FRAMES.map(([src, x, y, w, h]) => {
  const frame = document.createElement('iframe');
  frame.src = src;
  frame.style.cssText = 'position:absolute;border:0;color-scheme:normal;'
    + `left:${x}px;top:${y}px;width:${w}px;height:${h}px`;
  return frame;
}));
"""


@contextlib.contextmanager
def daemon() -> Iterator[str]:
    """A daemon with the demo and the web output; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rtgenre", "run", "--source", "demo", "--web", "--quiet", "--no-feed"]
    with subprocess.Popen(command, env=os.environ | {"RTGENRE_WEB__PORT": str(port)}) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def frames() -> list[tuple[str, int, int, int, int]]:
    """Address, left, top, width and height of each overlay in the picture."""
    more = "anim=none&size=22&hide_after=never"
    bars = [(f"/overlay/bars?{look}&{more}", 10 + 395 * k, 10, 420, 260) for k, look in enumerate(BARS)]
    thirds = [(f"/overlay/lowerthird?{look}&{more}", 10 + 525 * k, 260, 520, 150) for k, look in enumerate(THIRDS)]
    pills = [(f"/overlay/compact?{look}&{more}", 10 + 395 * k, 400, 380, 100) for k, look in enumerate(PILLS)]
    return bars + thirds + pills


async def draw(address: str, folder: Path, seconds: float) -> None:
    """Wait for a past that is worth a picture, and take them all."""
    async with open_browser() as browser:
        first = await reached(browser, f"{address}/overlay/bars")
        await first.until(SHOWN, 60)
        await first.close()
        await asyncio.sleep(seconds)
        board = await reached(browser, f"{address}/dashboard", 1600, 900)
        await board.until("rtgenre.rows().length > 100 && document.querySelector('#genres li')")
        await keep(board, folder / "dashboard.png")
        await board.close()
        start = await reached(browser, f"{address}/", 1200, 1180)
        await start.until(
            "[...document.querySelectorAll('iframe')].every(f => f.contentDocument.querySelector('.name span'))"
        )
        await asyncio.sleep(8)  # until what slides in has come to rest, on a busy machine, too
        await keep(start, folder / "overlays-start.png")
        await start.open(f"{address}/static/page.css")  # any page of the same server: it holds the frames
        await start.resize(1600, 500)
        await start.until("document.contentType === 'text/css'")
        await start.evaluate(SCENE.replace("FRAMES", str([list(frame) for frame in frames()])))
        shown = "f => f.contentDocument?.getElementById('overlay')?.className === ''"
        await start.until(
            f"document.querySelectorAll('iframe').length === {len(frames())} && "
            f"[...document.querySelectorAll('iframe')].every({shown})",
            60,
        )
        await asyncio.sleep(1)
        await keep(start, folder / "overlays.png")


async def reached(browser: Browser, url: str, width: int = 800, height: int = 600) -> Page:
    """A tab with an address that may not be there yet."""
    page = await browser.page(url, width, height)
    for _ in range(60):
        if await page.evaluate("location.protocol") == "http:":
            return page
        await asyncio.sleep(0.5)
        await page.open(url)
        await asyncio.sleep(0.5)
    raise SystemExit(f"nothing at {url}")


async def keep(page: Page, path: Path) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(await page.picture())
    print(f"wrote {path}")


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="of past for the dashboard (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="default: %(default)s")
    asked = parser.parse_args()
    with daemon() as address:
        asyncio.run(draw(address, asked.out, asked.seconds))


if __name__ == "__main__":
    main()
