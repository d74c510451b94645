"""Who may ask: the checks that stand before every answer.

A page of the web may make a browser on this machine send requests here. Two checks keep it out: the ``Host`` must be
an address, ``localhost`` or a name that was allowed (a foreign name that was made to point here, DNS rebinding, is
none of them), and an ``Origin``, where the browser sends one, must be this server itself.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from aiohttp import web

from rtgenre.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rtgenre.outputs.settings import WebSettings

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MIN_TOKEN = 16
OPEN_TO_ALL = "/static/"  # the program's own files: they hold nothing of this run, and can't bring a token


def check_settings(settings: WebSettings) -> None:
    """Refuse to be open to other machines without a token.

    Raises:
        ConfigError: ``web.host`` can be reached from elsewhere and ``web.token`` is missing or short.
    """
    if settings.token and len(settings.token) < MIN_TOKEN:
        raise ConfigError(
            f"web.token has {len(settings.token)} characters",
            f"at least {MIN_TOKEN}, for example what this prints: openssl rand -hex 16",
        )
    if not settings.token and not _is_loopback(settings.host):
        raise ConfigError(
            f"web.host = {settings.host!r} would be open to other machines, without a token",
            "set web.token (openssl rand -hex 16 prints one) and add ?token=… to the addresses; or keep 127.0.0.1",
        )


class Guard:
    """Decides on each request; the web output's thread.

    Args:
        settings: what is allowed.

    Attributes:
        refused: requests turned away so far.
    """

    def __init__(self, settings: WebSettings) -> None:
        self.refused = 0
        self._token = settings.token.encode()
        self._names = {"localhost", settings.host.casefold(), *(name.casefold() for name in settings.names)}

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, or say why not."""
        refusal = self._refusal(request)
        if refusal is None:
            return await handler(request)
        self.refused += 1
        status, text = refusal
        return web.Response(status=status, text=f"rtgenre: {text}\n")

    def _refusal(self, request: web.Request) -> tuple[int, str] | None:
        host = request.headers.get("Host", "")
        if not self._is_ours(host):
            return 403, f"the name {host!r} is not one of this machine's; allow it with web.names in config.toml"
        origin = request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
            return 403, f"a page of {origin!r} may not read this"
        if self._token and not request.path.startswith(OPEN_TO_ALL) and not self._has_token(request):
            return 401, "a token is needed: add ?token=… (web.token in config.toml)"
        return None

    def _is_ours(self, host: str) -> bool:
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        if name.casefold() in self._names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _has_token(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = request.query.get("token") or header
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
