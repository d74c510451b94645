"""Sound over HTTP as stations send it: redirects, playlists, SHOUTcast's own status line, titles between the sound.

A station that is asked for it (``Icy-MetaData: 1``) puts a title after every ``icy-metaint`` bytes of sound, which have
to be taken out before anybody decodes.
"""

from __future__ import annotations

import base64
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from rtgenre import __version__
from rtgenre.errors import SourceError

if TYPE_CHECKING:
    from io import BufferedReader

_PLAYLIST = re.compile(r"mpegurl|scpls|pls\+xml|x-ms-asf|ms-wpl", re.IGNORECASE)
_PLAYLIST_BYTES = 64 * 1024
_MOST_HOPS = 4  # playlists that name playlists
_TITLE = re.compile(rb"StreamTitle='(.*?)';(?:[A-Za-z]+='|\0|$)", re.DOTALL)
_MOST_TITLE = 300
_FORMS = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/aac": "aac", "audio/aacp": "aac", "audio/x-aac": "aac",
    "audio/ogg": "ogg", "application/ogg": "ogg", "audio/opus": "ogg", "audio/flac": "flac",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address turned out to be.

    Attributes:
        url: where the sound is, after redirects and playlists.
        shown: the same for people: no password, no query (which may hold a token).
        body: the sound; None for HLS, whose playlist the decoder follows itself.
        name: what the station calls itself, may be empty.
        endless: True where the server does not say where the sound ends.
        form: the decoder's name of the format, where an endless stream says what it is: guessing it from the middle of
            MP3 takes the decoder up to 16 s of sound. Empty where it has to guess.
    """

    url: str
    shown: str
    body: Body | None
    name: str
    endless: bool
    form: str = ""

    def close(self) -> None:
        """End the connection, if one is open."""
        if self.body is not None:
            self.body.close()


class Body:
    """The bytes of the sound, without the titles between them; one thread.

    Args:
        response: open.
        every: bytes of sound between two titles, 0 for none.
        length: bytes that the server promised, None where it did not say.

    Attributes:
        title: the last title that was read.
        missing: bytes that were promised and have not come; None where nothing was promised.
    """

    def __init__(self, response: http.client.HTTPResponse, every: int, length: int | None) -> None:
        self.title: str | None = None
        self._response = response
        self._every = every
        self._left = every
        self.missing = length

    def read(self, n: int) -> bytes:
        """Up to ``n`` bytes of sound, as soon as there are any; none at the end.

        Raises:
            OSError: the connection broke, or was silent for too long.
        """
        if self._every and not self._left:
            self._read_title()
            self._left = self._every
        try:
            found = self._response.read1(min(n, self._left) if self._every else n)
        except http.client.HTTPException as error:
            raise ConnectionError(f"the answer is broken: {error}") from error
        self._left -= len(found)
        if self.missing is not None:
            self.missing -= len(found)
        return found

    def close(self) -> None:
        """End the connection."""
        self._response.close()

    def _read_title(self) -> None:
        length = self._response.read(1)
        block = self._response.read(length[0] * 16) if length else b""
        found = _TITLE.search(block)
        if found is not None:
            self.title = clean(_decoded(found[1]))


class _Response(http.client.HTTPResponse):
    """Understands ``ICY 200 OK``, too."""

    def _read_status(self) -> tuple[str, int, str]:
        stream: BufferedReader = self.fp
        if stream.peek(4)[:4] == b"ICY ":
            _, code, *reason = stream.readline(1024).decode("latin-1").split(maxsplit=2)
            return "HTTP/1.0", int(code), "".join(reason).strip()
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in its type information
        return status


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


class _SecureHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, request)


def open_address(url: str, timeout_s: float) -> Answer:
    """Ask for the sound behind an address.

    Args:
        url: ``http://`` or ``https://``; a user and password in it are sent as basic authentication.
        timeout_s: of connecting, and of every later silence.

    Raises:
        SourceError: nobody answers, the answer is an error, or it is a playlist that leads nowhere.
    """
    asked = url
    for _ in range(_MOST_HOPS):
        response = _ask(asked, timeout_s)
        kind = response.headers.get("Content-Type", "")
        final = response.geturl()
        if not _PLAYLIST.search(kind) and not urlsplit(final).path.lower().endswith((".m3u", ".m3u8", ".pls")):
            return _answer(response, final)
        with response:
            text = response.read(_PLAYLIST_BYTES).decode("utf-8", "replace")
        if "#EXT-X-" in text:
            return Answer(asked, shown(final), None, "", endless=True)
        asked = _first_entry(text, final)
    raise SourceError(f"{shown(url)} is a playlist of playlists", "name the stream itself")


def shown(url: str) -> str:
    """An address for people and logs: without user, password and query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return clean(urlunsplit((parts.scheme, host, parts.path, "", "")))
    except ValueError:
        return "the address"


def clean(text: str) -> str:
    """One printable line of a decent length, of what strangers sent."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MOST_TITLE]


def _ask(url: str, timeout_s: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"rtgenre/{__version__}", "Icy-MetaData": "1", "Accept": "*/*"}
    try:
        parts = urlsplit(url)
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
            url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
        opener = urllib.request.build_opener(_Handler, _SecureHandler)
        response: http.client.HTTPResponse = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            raise SourceError(
                f"{shown(url)} answers {error.code} {clean(str(error.reason))}", "look at the address in a browser"
            ) from None
    except urllib.error.URLError as error:
        why = getattr(error.reason, "strerror", None) or error.reason
        raise SourceError(f"{shown(url)} cannot be reached: {why}", "look at its spelling and at the network") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"{shown(url)} cannot be reached: {error}", "look at the address in a browser") from None
    return response


def _answer(response: http.client.HTTPResponse, url: str) -> Answer:
    header = response.headers
    every, length = header.get("icy-metaint", ""), header.get("Content-Length", "")
    is_station = any(name.lower().startswith(("icy-", "ice-")) for name in header)
    promised = int(length) if length.isdecimal() and not is_station else None
    body = Body(response, int(every) if every.isdecimal() else 0, promised)
    endless = promised is None
    form = _FORMS.get(header.get_content_type(), "") if endless else ""
    return Answer(url, shown(url), body, clean(_latin_as_utf8(header.get("icy-name", ""))), endless, form)


def _first_entry(text: str, base: str) -> str:
    """Address in a ``.pls`` or ``.m3u`` playlist.

    Raises:
        SourceError: there is none.
    """
    entries = [line.strip() for line in text.splitlines()]
    listed = [line.partition("=")[2].strip() for line in entries if re.match(r"(?i)file\d+\s*=", line)]
    plain = [line for line in entries if line and not line.startswith(("#", "["))]
    for entry in listed or plain:
        address = urljoin(base, entry)
        if address.startswith(("http://", "https://")):
            return address
    raise SourceError(f"{shown(base)} is a playlist without an address", "name the stream itself")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _latin_as_utf8(text: str) -> str:
    """HTTP headers are read as Latin-1; stations send UTF-8."""
    return _decoded(text.encode("latin-1", "replace"))
