import asyncio

import aiohttp
import pytest

from rtgenre.errors import ConfigError
from rtgenre.outputs.settings import WebSettings
from rtgenre.outputs.web.guard import check_settings
from tests.outputs.web.running import TOKEN, get, started

pytestmark = pytest.mark.real


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_token(host: str) -> None:
    check_settings(WebSettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.20", "::", "studio.local"])  # noqa: S104 - refused
def test_other_machines_do(host: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_settings(WebSettings(host=host))
    assert host in refused.value.message
    assert "web.token" in refused.value.remedy
    check_settings(WebSettings(host=host, token=TOKEN))


def test_a_short_token_is_none() -> None:
    with pytest.raises(ConfigError, match="3 characters"):
        check_settings(WebSettings(token="a" * 3))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8898"}, 200),
        ({"Host": "192.168.1.20"}, 200),  # an address is no foreign name
        ({"Host": "studio.local:8898"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost.evil.example:8898"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/text", "/v1/last", "/metrics", "/static/feed.js"])
def test_who_may_ask(path: str, headers: dict[str, str], status: int) -> None:
    with started(names=["Studio.local"]) as output:
        assert get(output, path, **headers)[0] == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_page_opens_no_websocket(origin: str) -> None:
    async def attempt(address: str) -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{address}/ws", origin=origin)
            assert refused.value.status == 403
            async with http.ws_connect(f"{address}/ws", origin=address) as socket:
                assert (await socket.receive_json())["kind"] == "welcome"

    with started() as output:
        asyncio.run(attempt(output.address))


def test_the_token_is_asked_for_wherever_something_is_told() -> None:
    with started(token=TOKEN) as output:
        for path in ("/", "/overlay/bars", "/dashboard", "/v1/last", "/text", "/healthz", "/metrics", "/ws"):
            assert get(output, path)[0] == 401, path
            assert get(output, f"{path}?token={TOKEN[:-1]}")[0] == 401, path
        assert get(output, f"/?token={TOKEN}")[0] == 200
        assert get(output, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert get(output, "/?token=%FF%C3%A9")[0] == 401
        assert get(output, "/static/overlay.css")[0] == 200
