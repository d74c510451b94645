"""Addresses of the feed: what may be bound, binding it, and how this machine reaches it."""

from __future__ import annotations

import ipaddress
import itertools
import socket as stdlib_socket
from pathlib import Path

import zmq

from rtgenre.errors import ConfigError, OutputError

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, not bound


def check_address(addresses: str, setting: str, *, with_keys: bool = False) -> None:
    """Refuse addresses that cannot or must not be bound.

    Args:
        addresses: ``tcp://127.0.0.1:5560``, ``ipc:///path`` …, or several of them with commas between.
        setting: its name, for the message.
        with_keys: only clients with an allowed key will be let in, so other machines may reach it.

    Raises:
        ConfigError: not a ZeroMQ address, in a folder that does not exist, or reachable from other machines without
            keys.
    """
    for address in split(addresses):
        _check(address, setting, with_keys=with_keys)


def _check(address: str, setting: str, *, with_keys: bool) -> None:
    transport, separator, rest = address.partition("://")
    if not separator or transport not in {"tcp", "ipc"} or not rest:
        raise ConfigError(
            f"{setting} = {address!r} is not an address to bind", "write tcp://127.0.0.1:PORT or ipc:///path/to/socket"
        )
    if transport == "ipc":
        folder = Path(rest).parent
        # "@name" is no file, and "*" is one that ZeroMQ makes up.
        if not rest.startswith(("@", "*")) and not folder.is_dir():
            raise ConfigError(f"{setting} = {address!r}: there is no folder {folder}", f"mkdir -p {folder}")
        return
    host, separator, port = rest.rpartition(":")
    if not separator or not host or not (port == "*" or (port.isdecimal() and 0 < int(port) <= 65535)):
        raise ConfigError(
            f"{setting} = {address!r} has no valid port",
            "write tcp://127.0.0.1:PORT, PORT 1 to 65535, or * for any that is free",
        )
    if not with_keys and is_open(address):
        raise ConfigError(
            f"{setting} = {address!r} would be open to other machines, without keys",
            "make keys with `rtgenre keys make server` and let clients in with `rtgenre keys allow NAME KEY`; "
            f"or bind to 127.0.0.1 and use a tunnel: ssh -L {port}:127.0.0.1:{port} HOST",
        )


def check_apart(*settings: tuple[str, str]) -> None:
    """Refuse addresses that get into each other's way: the second one could not be bound, whoever has the first.

    Args:
        settings: name and addresses of each; the addresses were checked.

    Raises:
        ConfigError: two of them are the same place.
    """
    places = [(setting, address) for setting, addresses in settings for address in split(addresses)]
    for (setting, address), (other, another) in itertools.combinations(places, 2):
        if not is_one_place(address, another):
            continue
        if setting == other:
            raise ConfigError(f"{setting} has {address} and {another}: one place, twice", "take one of them away")
        raise ConfigError(f"{setting} = {address} and {other} = {another} are one place", "give each a port of its own")


def is_one_place(address: str, other: str) -> bool:
    """True where two addresses, each of them checked, cannot both be bound."""
    transport, _, place = address.partition("://")
    other_transport, _, other_place = other.partition("://")
    if transport != other_transport or "*" in {place, other_place}:
        return False
    if transport == "ipc":
        return place == other_place if place.startswith("@") else Path(place).absolute() == Path(other_place).absolute()
    host, _, port = place.rpartition(":")
    other_host, _, other_port = other_place.rpartition(":")
    if port == "*" or other_port == "*" or int(port) != int(other_port):
        return False
    everywhere = host in _EVERYWHERE or other_host in _EVERYWHERE
    return everywhere or _number_of(host) == _number_of(other_host)


def _number_of(host: str) -> str:
    """A host in one spelling."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return "127.0.0.1" if host.casefold() == "localhost" else host.casefold()


def split(addresses: str) -> list[str]:
    """The addresses of one setting: one, or several with commas between them."""
    return [address.strip() for address in addresses.split(",")]


def is_open(address: str) -> bool:
    """True where other machines can reach an address; a name other than localhost counts as such."""
    if not address.startswith("tcp://"):
        return False
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return host != "localhost" and not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def seen_from_here(address: str) -> str:
    """A bound address as a program on this machine can connect to it."""
    host, separator, port = address.removeprefix("tcp://").rpartition(":")
    return f"tcp://{_EVERYWHERE[host]}{separator}{port}" if host in _EVERYWHERE else address


def bind(socket: zmq.Socket[bytes], address: str, setting: str, flag: str) -> str:
    """Bind a socket.

    Returns:
        The address with its real port.

    Raises:
        OutputError: in use, or refused by the system.
    """
    # Only where asked for: with IPv6 on, 127.0.0.1 is reported back as a mapped address.
    socket.ipv6 = "[" in address
    _refuse_taken_path(address, setting, flag)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise _in_use(address, setting, flag) from None
        raise OutputError(
            f"{setting}: cannot bind {address}: {error.strerror}", f"choose another: {flag} ADDRESS"
        ) from None
    return socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _refuse_taken_path(address: str, setting: str, flag: str) -> None:
    """ZeroMQ takes a socket file over from whoever listens there; ask first whether anybody does."""
    if not address.startswith("ipc://") or not hasattr(stdlib_socket, "AF_UNIX"):
        return
    with stdlib_socket.socket(stdlib_socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.removeprefix("ipc://"))
        except OSError:
            return  # nobody there: no file, or one that was left behind
    raise _in_use(address, setting, flag)


def _in_use(address: str, setting: str, flag: str) -> OutputError:
    return OutputError(
        f"{setting}: {address} is in use by another program",
        f"another rtgenre may be running (`rtgenre watch` shows it); or choose another address: {flag} ADDRESS",
    )
