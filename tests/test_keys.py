"""Key files and the list of clients; then the commands, and a daemon that uses what they made."""

import json
import os
import stat
from pathlib import Path

import pytest
import zmq.auth

from rtgenre import keys
from rtgenre.client import Subscriber
from rtgenre.commands.watch import Where
from rtgenre.errors import ConfigError, UsageError
from rtgenre.outputs.zmq_feed import open_curve
from tests.outputs.talking import ANY, publish, started
from tests.outputs.test_wire import composer
from tests.test_daemon import one_error, rtgenre

LOCAL, OPEN = "tcp://127.0.0.1:5560", "tcp://0.0.0.0:5560"


def test_a_pair_is_kept_for_its_owner_alone_and_read_by_pyzmq(tmp_path: Path) -> None:
    pair, path = keys.new_pair(), tmp_path / "new" / "client.key_secret"
    keys.write_pair(path, pair)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [*path.parent.iterdir()] == [path]  # no draft is left
    assert keys.read_pair(path, "") == pair
    assert zmq.auth.load_certificate(path) == (pair.public.encode(), pair.secret.encode())
    assert pair.secret not in repr(pair)
    with pytest.raises(ConfigError, match="there is a key already"):
        keys.write_pair(path, keys.new_pair())
    other = keys.new_pair()
    keys.write_pair(path, other, replace=True)
    assert keys.read_pair(path, "") == other


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "server.key_secret"
    with pytest.raises(ConfigError, match="there is no key") as caught:
        keys.read_pair(path, "make one")
    assert caught.value.remedy == "make one"
    keys.write_pair(path, keys.new_pair())
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="other users") as caught:
        keys.read_pair(path, "")
    assert f"chmod 600 {path}" in caught.value.remedy
    for broken in ("", "public-key = 'short'", f'public-key = "{keys.new_pair().public}"', "\xff"):
        path.write_text(broken, encoding="latin-1")
        path.chmod(0o600)
        with pytest.raises(ConfigError, match="it is no secret certificate"):
            keys.read_pair(path, "")


@pytest.mark.parametrize("text", ["", "x" * 39, "x" * 41, "ü" * 40, "~" * 40])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(UsageError, match="is no public key"):
        keys.check_key(text, "the key")


def test_every_fresh_key_is_one() -> None:
    assert all(keys.check_key(pair.public, "it") == pair.public for pair in (keys.new_pair() for _ in range(50)))


def test_clients_are_allowed_and_revoked_while_the_list_is_in_use(tmp_path: Path) -> None:
    written, used = keys.AllowList(tmp_path / "allowed"), keys.AllowList(tmp_path / "allowed")
    one, other = keys.new_pair().public, keys.new_pair().public
    assert used.name_of(one) is None
    written.allow("studio", one)
    assert used.name_of(one) == "studio"
    written.allow("stage-2", other)
    assert (used.name_of(one), used.name_of(other)) == ("studio", "stage-2")
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    written.revoke("studio")
    assert (used.name_of(one), used.name_of(other)) == (None, "stage-2")
    written.allow("stage-2", other)  # once more is fine
    with pytest.raises(UsageError, match="has another key already"):
        written.allow("stage-2", one)
    with pytest.raises(UsageError, match="no client 'stage-3' is allowed") as caught:
        written.revoke("stage-3")
    assert "stage-2" in caught.value.remedy
    with pytest.raises(UsageError, match="no name"):
        written.allow("a b", one)
    written.path.unlink()
    assert used.name_of(other) is None


def test_a_list_that_was_broken_by_hand_is_said_and_lets_in_whom_it_did(tmp_path: Path) -> None:
    allowed, key = keys.AllowList(tmp_path / "allowed"), keys.new_pair().public
    allowed.allow("me", key)
    assert allowed.name_of(key) == "me"
    allowed.path.write_text(f"# mine\n\nme {key}\nyou\n")
    with pytest.raises(ConfigError, match="line 4"):
        allowed.read()
    assert allowed.name_of(key) == "me"


def test_where_keys_are_needed(tmp_path: Path) -> None:
    assert open_curve(LOCAL, "ipc:///x", tmp_path, everywhere=False) is None
    for everywhere, addresses in ((False, (OPEN, OPEN)), (False, (LOCAL, OPEN)), (True, (LOCAL, LOCAL))):
        with pytest.raises(ConfigError) as caught:
            open_curve(*addresses, tmp_path, everywhere=everywhere)
        assert "rtgenre keys make server" in str(caught.value)
    keys.write_pair(tmp_path / keys.SERVER_FILE, keys.new_pair())
    mixed = open_curve(f"{LOCAL}, {OPEN}", f"{LOCAL}, {OPEN}", tmp_path, everywhere=False)
    assert mixed is not None
    assert (mixed.guards(LOCAL), mixed.guards(OPEN)) == (False, True)
    strict = open_curve(LOCAL, LOCAL, tmp_path, everywhere=True)
    assert strict is not None
    assert strict.guards(LOCAL)
    with pytest.raises(ConfigError, match="the same machines"):
        open_curve(OPEN, LOCAL, tmp_path, everywhere=False)


def test_a_new_key_can_be_written_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([(b"-" + b"a" * 39, b"first"), (b"b" * 40, b"second")])
    monkeypatch.setattr(keys.zmq, "curve_keypair", lambda: next(made))
    assert keys.new_pair() == keys.KeyPair("b" * 40, "second")


@pytest.mark.real
def test_a_key_that_begins_with_a_dash_is_no_option(tmp_path: Path) -> None:
    here = {"RTGENRE_FEED__KEYS": str(tmp_path)}
    key = "-E" + "a" * 38
    assert rtgenre("keys", "allow", "me", key, **here).returncode == 0
    assert keys.AllowList(tmp_path / keys.ALLOWED_FILE).read() == {"me": key}
    assert b"(--jsn)" in rtgenre("keys", "allow", "me", key, "--jsn", **here).stderr


@pytest.mark.real
def test_the_commands_from_nothing_to_an_allowed_client(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    here = {"RTGENRE_FEED__KEYS": str(folder)}
    one_error(
        rtgenre("run", "--source", "demo", "--publish", OPEN, **here), 78, "there are no keys", "keys make server"
    )
    made = {which: json.loads(rtgenre("keys", "make", which, **here).stdout) for which in ("server", "client")}
    server, client = made["server"]["public"], made["client"]["public"]
    assert keys.read_pair(Path(made["server"]["file"]), "").public == server
    one_error(rtgenre("keys", "make", "server", **here), 78, "there is a key already", "--replace")
    one_error(rtgenre("keys", "allow", "me", client[:-1], **here), 2, "is no public key")
    assert rtgenre("keys", "allow", "me", client, **here).returncode == 0
    listed = json.loads(rtgenre("keys", "list", **here).stdout)
    assert listed == {"folder": str(folder), "server": server, "client": client, "allowed": {"me": client}}
    both = {"RTGENRE_FEED__PUBLISH": OPEN, "RTGENRE_FEED__CONTROL": OPEN.replace("5560", "5561")}
    assert rtgenre("config", "check", **both, **here).returncode == 0
    assert rtgenre("keys", "revoke", "me", **here).returncode == 0
    assert keys.AllowList(folder / keys.ALLOWED_FILE).read() == {}


@pytest.mark.real
def test_the_screen_of_a_daemon_gets_in_as_its_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.write_pair(tmp_path / keys.SERVER_FILE, keys.new_pair())
    curve = open_curve(LOCAL, LOCAL, tmp_path, everywhere=True)
    with started(ANY, ANY, curve=curve) as feed:
        publish(feed, composer(), 0, 1)
        for variable, value in feed.guest_environment.items():
            monkeypatch.setenv(variable, value)
        assert os.environ[keys.GUEST_VARIABLE]
        with Where(feed.publish_address, feed.control_address).subscriber(recover=False) as screen:
            assert isinstance(screen, Subscriber)
            assert len(screen.join()) == 3
