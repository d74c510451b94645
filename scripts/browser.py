"""Headless Chromium over the DevTools protocol: just what tests, pictures and the benchmark of the overlays need."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless=new", "--remote-debugging-port=0", "--no-first-run", "--hide-scrollbars", "--mute-audio"),
    *("--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-dev-shm-usage"),
    *("--no-sandbox", "--force-color-profile=srgb"),  # the tests run as root in a container, and open only our pages
)
START_S = 30.0


class Page:
    """One tab.

    Args:
        browser: whose.
        target: the protocol's name of it.
        session: the protocol's name of the conversation with it.
    """

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    async def command(self, method: str, **arguments: object) -> dict[str, Any]:
        """Send a command of the protocol and wait for its answer."""
        return await self._browser.command(method, self._session, **arguments)

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.command("Target.closeTarget", targetId=self._target)

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.command("Page.navigate", url=url)

    async def resize(self, width: int, height: int) -> None:
        """Make the page so many pixels large."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited."""
        done = await self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in done:
            raise AssertionError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    async def until(self, expression: str, timeout_s: float = 20.0) -> float:
        """Wait until an expression is true.

        Returns:
            Seconds that it took.
        """
        start = time.monotonic()
        while time.monotonic() - start < timeout_s:
            with contextlib.suppress(AssertionError):  # the page, or what the expression names, is not there yet
                if await self.evaluate(f"Boolean({expression})"):
                    return time.monotonic() - start
            await asyncio.sleep(0.05)
        raise AssertionError(f"not within {timeout_s:.0f} s: {expression}")

    async def picture(self) -> bytes:
        """The page as PNG; what it leaves transparent is transparent."""
        await self.command("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})
        shot = await self.command("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


class Browser:
    """A Chromium of our own; see ``open_browser``.

    Attributes:
        pages: all tabs that were opened.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.pages: list[Page] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, session: str = "", **arguments: object) -> dict[str, Any]:
        """Send a command of the protocol and wait for its answer."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        target = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": number, "method": method, "params": arguments, **target})
        return await asyncio.wait_for(answer, START_S)

    async def page(self, url: str = "about:blank", width: int = 800, height: int = 600) -> Page:
        """A new tab."""
        target = await self.command("Target.createTarget", url="about:blank", newWindow=True)
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, target["targetId"], attached["sessionId"])
        self.pages.append(page)
        await page.resize(width, height)
        await page.open(url)
        return page

    async def close_pages(self) -> None:
        """Close all tabs."""
        while self.pages:
            await self.pages.pop().close()

    async def read(self) -> None:
        """Give answers to those who wait for them, until the connection ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            answer = self._waiting.pop(said.get("id", 0), None)
            if answer is None or answer.done():
                continue
            if "error" in said:
                answer.set_exception(AssertionError(said["error"]["message"]))
            else:
                answer.set_result(said["result"])


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start Chromium with a profile of its own, and end it."""
    if CHROMIUM is None:
        raise AssertionError("Chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, path = await _endpoint(Path(profile) / "DevToolsActivePort")
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"http://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
            ):
                browser = Browser(socket)
                reader = asyncio.create_task(browser.read())
                try:
                    yield browser
                finally:
                    with contextlib.suppress(Exception):
                        await browser.command("Browser.close")
                    reader.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await reader
        finally:
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _endpoint(file: Path) -> tuple[int, str]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split()
            return int(port), path
        await asyncio.sleep(0.05)
    raise AssertionError(f"Chromium did not start within {START_S:.0f} s")
