"""What is answered to a GET: pages and their files from memory, and plain answers from the hub."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from rtgenre.errors import nearest
from rtgenre.outputs.web.inline import inlined

if TYPE_CHECKING:
    from rtgenre.outputs.web.clients import Clients
    from rtgenre.outputs.web.hub import Hub
    from rtgenre.outputs.web.metrics import Metrics

STATIC = Path(__file__).parent / "static"
OVERLAYS = ("bars", "lowerthird", "compact")
POLICY = (
    # OBS adds its "custom CSS" as a <style> element: with 'self' alone it would be ignored.
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",  # an address may hold the token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Pages:
    """The routes; the web output's thread.

    Args:
        hub: what is known.
        clients: those who listen over WebSocket.
        metrics: for monitors.
    """

    def __init__(self, hub: Hub, clients: Clients, metrics: Metrics) -> None:
        self._hub = hub
        self._clients = clients
        self._metrics = metrics
        self._files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.is_file()}
        texts = {name: body.decode() for name, body in self._files.items()}
        self._pages: dict[str, tuple[str, str]] = {}  # a page's text, and what it may load and run
        for name, text in texts.items():
            if name.endswith(".html"):
                page, hashes = inlined(text, texts)
                scripts = " ".join(f"'{one}'" for one in hashes)
                self._pages[name] = page, f"{POLICY}; script-src 'self' {scripts}"

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/", self._start),
            web.get("/dashboard", self._dashboard),
            web.get("/overlay/{kind}", self._overlay),
            web.get("/static/{name}", self._static),
            web.get("/ws", self._clients.serve),
            web.get("/v1/last", self._last),
            web.get("/v1/history", self._history),
            web.get("/text", self._text),
            web.get("/healthz", self._health),
            web.get("/metrics", self._measured),
        ]

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """What every answer says beside its content."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)

    async def _start(self, _request: web.Request) -> web.Response:
        return self._page("index.html")

    async def _dashboard(self, _request: web.Request) -> web.Response:
        return self._page("dashboard.html")

    async def _static(self, request: web.Request) -> web.Response:
        return self._file(request.match_info["name"])

    def _page(self, name: str) -> web.Response:
        text, policy = self._pages[name]
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    def _file(self, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound(text=f"rtgenre: there is no file {name!r}\n")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        charset = None if kind.startswith("image/") and not kind.endswith("svg+xml") else "utf-8"
        return web.Response(body=self._files[name], content_type=kind, charset=charset)

    async def _overlay(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in OVERLAYS:
            raise web.HTTPNotFound(text=f"rtgenre: there is no overlay {kind!r}; {nearest(kind, OVERLAYS)}\n")
        return self._page("overlay.html")

    async def _last(self, request: web.Request) -> web.Response:
        return _json(self._hub.answer_last(self._source(request, needed=False)))

    async def _history(self, request: web.Request) -> web.Response:
        source = self._source(request, needed=True)
        return _json(self._hub.answer_history(source or ""))

    async def _text(self, request: web.Request) -> web.Response:
        source = self._source(request, needed=True)
        return web.Response(text=self._hub.genre(source) if source else "")

    async def _health(self, _request: web.Request) -> web.Response:
        problems, heartbeat = self._hub.problems(), self._hub.heartbeat
        states = {name: report.state for name, report in heartbeat.sources.items()} if heartbeat else {}
        answer = {"ok": not problems, "problems": problems, "sources": states, "clients": len(self._clients)}
        return _json(msgspec.json.encode(answer), status=503 if problems else 200)

    async def _measured(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _source(self, request: web.Request, *, needed: bool) -> str | None:
        """The source that was asked for; where one is needed and none was named, the first."""
        name, known = request.query.get("source"), self._hub.sources
        if name and name not in known:
            raise web.HTTPNotFound(text=f"rtgenre: there is no source {name!r}; {nearest(name, known)}\n")
        return name or (known[0] if needed and known else None)


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
