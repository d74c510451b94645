"""``rtgenre keys``: make key pairs, and say which clients may connect to the feed from other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from rtgenre import keys
from rtgenre.errors import EX_OK

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"server": keys.SERVER_FILE, "client": keys.CLIENT_FILE}


def make(which: Literal["server", "client"], folder: Path, *, replace: bool, as_json: bool) -> int:
    """Make a pair and say what to do with its public key.

    Raises:
        ConfigError: there is one already, or it cannot be written.
    """
    pair, path = keys.new_pair(), folder / FILES[which]
    keys.write_pair(path, pair, replace=replace)
    if as_json:
        _print({"made": which, "file": str(path), "public": pair.public})
    else:
        print(f"made {path}\npublic key: {pair.public}")
        print(
            "clients give it: rtgenre watch tcp://HOST:5560 --server-key 'KEY'"
            if which == "server"
            else f"where the daemon runs: rtgenre keys allow NAME '{pair.public}'"
        )
    return EX_OK


def show(folder: Path, *, as_json: bool) -> int:
    """List the public keys of this machine and the clients that are allowed.

    Raises:
        ConfigError: a file is broken.
    """
    own = {which: _public(folder / name) for which, name in FILES.items()}
    allowed = keys.AllowList(folder / keys.ALLOWED_FILE).read()
    if as_json:
        _print({"folder": str(folder), **own, "allowed": allowed})
        return EX_OK
    print(f"folder   {folder}")
    for which, public in own.items():
        print(f"{which:8} {public or f'none: rtgenre keys make {which}'}")
    for name, public in allowed.items():
        print(f"allowed  {public}  {name}")
    if not allowed:
        print("allowed  nobody: rtgenre keys allow NAME KEY")
    return EX_OK


def allow(name: str, key: str, folder: Path, *, as_json: bool) -> int:
    """Let a client in; a running daemon heeds it at once.

    Raises:
        UsageError: the name or the key is not one.
        ConfigError: the list is broken or cannot be written.
    """
    keys.AllowList(folder / keys.ALLOWED_FILE).allow(name, key.strip())
    _print({"allowed": name, "public": key}) if as_json else print(f"{name} may connect")
    return EX_OK


def revoke(name: str, folder: Path, *, as_json: bool) -> int:
    """Keep a client out; a running daemon hangs up on it within a second.

    Raises:
        UsageError: there is none of that name.
        ConfigError: the list is broken or cannot be written.
    """
    keys.AllowList(folder / keys.ALLOWED_FILE).revoke(name)
    if as_json:
        _print({"revoked": name})
    else:
        print(f"{name} may not connect any more; a running daemon cuts it off within a second")
    return EX_OK


def _public(path: Path) -> str | None:
    return keys.read_pair(path, "").public if path.exists() else None


def _print(line: dict[str, object]) -> None:
    print(msgspec.json.encode(line).decode())
