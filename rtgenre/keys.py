"""CURVE keys of the feed: key files, and the list of the clients that may connect.

Key files are certificates as CZMQ and pyzmq write and read them; keys are 40 characters of Z85. The list of clients
is one line a client, ``NAME KEY``, in the manner of SSH's authorized_keys. Whatever holds a secret is 0600.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import zmq
import zmq.auth
from zmq.utils import z85

from rtgenre.errors import ConfigError, UsageError, nearest

log = logging.getLogger(__name__)

SERVER_FILE = "server.key_secret"
CLIENT_FILE = "client.key_secret"
ALLOWED_FILE = "allowed_clients"
GUEST_VARIABLE = "RTGENRE_GUEST"  # server key, public and secret key of a daemon's own screen
KEY_LENGTH = 40
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BANNER = "#   rtgenre: ZeroMQ CURVE secret certificate. Whoever reads this file can pass for you.\n"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and its secret, both Z85."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs: the server's public key, and a pair of its own."""

    server: str
    own: KeyPair


def folder(setting: str = "") -> Path:
    """Where keys are kept: what ``feed.keys`` says, or ``keys`` in the user's config folder."""
    default = platformdirs.user_config_path("rtgenre", appauthor=False) / "keys"
    return Path(setting).expanduser() if setting else default


def new_pair() -> KeyPair:
    """A fresh pair.

    Raises:
        ConfigError: this libzmq was built without CURVE.
    """
    if not zmq.has("curve"):
        raise ConfigError("this libzmq was built without CURVE", "install pyzmq from its wheel: pip install -U pyzmq")
    while True:
        public, secret = (key.decode() for key in zmq.curve_keypair())
        if not public.startswith("-"):  # a command line would take it for an option; one draw in 85 is lost
            return KeyPair(public, secret)


def check_key(text: str, what: str) -> str:
    """A public key, checked.

    Args:
        text: as it was given.
        what: which key this is, for the message.

    Raises:
        UsageError: it is not 40 characters of Z85.
    """
    try:
        if len(text) == KEY_LENGTH and len(z85.decode(text)) == 32:
            return text
    except (KeyError, ValueError):
        pass
    raise UsageError(
        f"{what} {text[:60]!r} is no public key: that is {KEY_LENGTH} characters, this {len(text)}",
        "`rtgenre keys list` shows it, on the machine whose key it is; put it in 'single quotes' on a command line",
    )


def write_pair(path: Path, pair: KeyPair, *, replace: bool = False) -> None:
    """Keep a pair, readable for its owner alone.

    Raises:
        ConfigError: there is one already, or the folder cannot be written.
    """
    if path.exists() and not replace:
        raise ConfigError(
            f"there is a key already: {path}", "who knows it would be shut out; if so intended: --replace"
        )
    _write_private(path, f'{_BANNER}curve\n    public-key = "{pair.public}"\n    secret-key = "{pair.secret}"\n')


def read_pair(path: Path, remedy: str) -> KeyPair:
    """A pair that was kept.

    Args:
        path: of the certificate.
        remedy: what to do where there is none.

    Raises:
        ConfigError: no such file, no certificate, or others may read it.
    """
    try:
        others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        public, secret = zmq.auth.load_certificate(path)
        pair = KeyPair(check_key(public.decode(), "the key"), check_key((secret or b"").decode(), "the secret key"))
    except FileNotFoundError:
        raise ConfigError(f"there is no key {path}", remedy) from None
    except (OSError, ValueError, UsageError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no secret certificate"
        raise ConfigError(f"the key {path} cannot be used: {cause}", "make it anew: rtgenre keys make") from None
    if others and sys.platform != "win32":
        raise ConfigError(f"the key {path} can be read by other users of this machine", f"chmod 600 {path}")
    return pair


class AllowList:
    """The clients that may connect, in a file that is looked at again whenever it has changed.

    Args:
        path: of the file; none means that nobody may.

    Attributes:
        version: another one each time that the list has changed, as far as was looked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        self._seen: tuple[int, int] | None = None
        self._names: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Name → public key.

        Raises:
            ConfigError: the file cannot be read, or a line is no ``NAME KEY``.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}", "check that it is your text file") from None
        entries: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, key = line.partition(" ")
            try:
                entries[name] = check_key(key.strip(), "the key")
            except UsageError as error:
                raise ConfigError(f"{self.path}, line {number}: {error.message}", "write NAME KEY on it") from None
        return entries

    def allow(self, name: str, key: str) -> None:
        """Let a client in from its next connection on.

        Raises:
            UsageError: the name or the key is not one, or the name is another client's.
            ConfigError: the file cannot be read or written.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a client", "use letters, digits, _ . and -, at most 64 of them")
        entries = self.read()
        if entries.get(name, key) != key:
            raise UsageError(f"{name!r} has another key already", f"first: rtgenre keys revoke {name}")
        self._write(entries | {name: check_key(key, "the key")})

    def revoke(self, name: str) -> None:
        """Keep a client out; a running daemon heeds it within a second.

        Raises:
            UsageError: there is none of that name.
            ConfigError: the file cannot be read or written.
        """
        entries = self.read()
        if entries.pop(name, None) is None:
            raise UsageError(f"no client {name!r} is allowed", nearest(name, self.read()))
        self._write(entries)

    def name_of(self, key: str) -> str | None:
        """The name of an allowed client; None for all others. One thread."""
        self.look()
        return self._names.get(key)

    def look(self) -> None:
        """Read the file again where it has changed; one thread."""
        try:
            now = self.path.stat()
            seen = (now.st_mtime_ns, now.st_size)
        except OSError:
            seen = None
        if seen == self._seen:
            return
        self._seen, self.version = seen, self.version + 1
        if seen is None:
            self._names = {}
        else:
            try:
                self._names = {public: name for name, public in self.read().items()}
            except ConfigError as error:
                log.warning("%s; the clients allowed before stay so", error.message)

    def _write(self, entries: dict[str, str]) -> None:
        head = "# Clients that may connect to the feed, NAME KEY; `rtgenre keys allow` and `revoke` write this.\n"
        _write_private(self.path, head + "".join(f"{name} {key}\n" for name, key in entries.items()))


def _write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all; nobody else may ever read it, not even while it is written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", "choose another folder with feed.keys"
        ) from None
