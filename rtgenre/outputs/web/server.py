"""The web output: an HTTP server in a thread of its own, fed by a mailbox."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from typing import TYPE_CHECKING, cast

from aiohttp import web

from rtgenre.errors import OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox
from rtgenre.outputs.web.clients import Clients
from rtgenre.outputs.web.guard import Guard, check_settings
from rtgenre.outputs.web.hub import Hub
from rtgenre.outputs.web.metrics import Metrics
from rtgenre.outputs.web.pages import Pages

if TYPE_CHECKING:
    from rtgenre.outputs.settings import WebSettings

log = logging.getLogger(__name__)

MAILBOX_MESSAGES = 1024
START_TIMEOUT_S = 5.0
SETTLE_S = 0.02  # from accepting a connection to knowing of it asyncio goes round its loop a few times


class WebOutput:
    """Serves until it is closed. The engine only ever meets the mailbox: a slow browser delays nobody.

    Args:
        settings: of ``[web]``.

    Attributes:
        mailbox: where messages are put, by any thread.
        address: such as ``http://127.0.0.1:8898``, with its real port once started.

    Raises:
        ConfigError: other machines could reach it without a token.
    """

    def __init__(self, settings: WebSettings) -> None:
        check_settings(settings)
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(MAILBOX_MESSAGES)
        self.address = _address(settings.host, settings.port)
        self._settings = settings
        self._hub = Hub()
        self._clients = Clients(self._hub, settings.max_clients)
        self._guard = Guard(settings)
        self._metrics = Metrics(
            self._hub,
            {
                "rtgenre_web_clients": ("Browsers that listen.", lambda: len(self._clients)),
                "rtgenre_web_dropped_total": (
                    "Messages that a browser, or this output, was too slow for.",
                    lambda: self._clients.dropped + self.mailbox.dropped,
                ),
                "rtgenre_web_refused_total": (
                    "Requests turned away.",
                    lambda: self._guard.refused + self._clients.refused,
                ),
            },
        )
        self._started = threading.Event()
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="rtgenre-web", daemon=True)

    def report(self) -> wire.OutputReport:
        """What some browser was not told; any thread."""
        dropped = self._clients.dropped + self.mailbox.dropped
        return wire.OutputReport(dropped=dropped, unsent=self.mailbox.ignored)

    def start(self) -> None:
        """Open the port and begin.

        Raises:
            OutputError: the port is in use, or refused.
        """
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise OutputError(f"the web output did not start within {START_TIMEOUT_S:.0f} s", "try again")
        if self._failure is not None:
            raise self._failure
        log.info("overlays and dashboard at %s", self.address)

    def close(self, timeout_s: float = 3.0) -> None:
        """Say goodbye to the browsers and stop; any thread, more than once is fine."""
        self.mailbox.end(self._thread, timeout_s)

    # Everything below runs in the output's own thread.

    def _run(self) -> None:
        try:
            # Not the default of Windows: its loop cannot watch a mailbox.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except OSError as error:
            self._failure = _refused(self.address, error)
        except Exception:  # a dead web output must be visible, and must not stop the engine
            log.exception("the web output stopped")
            self._failure = OutputError("the web output did not start", "this is a defect; please report it")
        finally:
            self._started.set()
            self.mailbox.close()
            self.mailbox.drain()  # what nobody reads any more must not look like work that is waiting
            self.mailbox.release()

    async def _serve(self) -> None:
        pages = Pages(self._hub, self._clients, self._metrics)
        application = web.Application(middlewares=[self._guard.check])
        application.add_routes(pages.routes())
        application.on_response_prepare.append(pages.add_headers)
        runner = web.AppRunner(application, access_log=None, logger=log, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._answer(runner)
        finally:
            await runner.cleanup()

    async def _answer(self, runner: web.AppRunner) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        # Not aiohttp's own site: it closes the port on those who were just let in, and nobody hangs up on them.
        server = cast("web.Server", runner.server)  # there is one, since it was set up
        port = await loop.create_server(server, self._settings.host.strip("[]"), self._settings.port)
        try:
            self.address = _address(self._settings.host, port.sockets[0].getsockname()[1])
            loop.add_reader(self.mailbox.fileno(), self._pass_on, ended)
            self._started.set()
            await ended.wait()
        finally:
            loop.remove_reader(self.mailbox.fileno())
            await _let_nobody_in(port)
            await self._clients.close()

    def _pass_on(self, ended: asyncio.Event) -> None:
        # Asked before draining: what was put before the close is then drained below.
        if self.mailbox.closed:
            ended.set()
        for envelope in self.mailbox.drain():
            for body in self._hub.take(envelope):
                self._clients.send(body)
            message = self._hub.last[envelope.topic].message
            if isinstance(message, wire.PosteriorMessage):
                self._metrics.observe(message)


async def _let_nobody_in(port: asyncio.Server) -> None:
    """Close a port, once everybody who was let in is known to the server, which hangs up on those whom it knows."""
    loop = asyncio.get_running_loop()
    for listening in port.sockets:
        loop.remove_reader(listening)
    await asyncio.sleep(SETTLE_S)
    port.close()


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host.strip("[]") else f"http://{host}:{port}"


def _refused(address: str, error: OSError) -> OutputError:
    what = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
    return OutputError(
        f"web: {address} {what}", "another rtgenre may be running; or choose another: web.port in config.toml"
    )
