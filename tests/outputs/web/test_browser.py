"""The overlays in a real browser: what a streamer sees."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import matplotlib.image
import numpy as np
import pytest

from scripts.browser import CHROMIUM, open_browser
from tests.outputs.web.running import TOKEN, Talker, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from scripts.browser import Browser, Page

    Visit = Callable[[Callable[[Browser], Awaitable[None]]], None]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
SHOWN = "document.getElementById('overlay').className === ''"
HIDDEN = "document.getElementById('overlay').classList.contains('hidden')"
NAME = "document.querySelector('.name span:not(.leaving)')?.textContent"
STILL = "?anim=none"  # a picture needs no transition to wait for


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    """Run a scenario with the module's one browser."""
    with asyncio.Runner() as runner:
        opened = open_browser()
        browser = runner.run(opened.__aenter__())

        async def complete(scenario: Callable[[Browser], Awaitable[None]]) -> None:
            try:
                await scenario(browser)
            finally:
                await browser.close_pages()

        yield lambda scenario: runner.run(complete(scenario))
        runner.run(opened.__aexit__(None, None, None))


async def picture(page: Page) -> np.ndarray:
    """(height, width, 4), 0 to 1: red, green, blue, alpha."""
    return matplotlib.image.imread(io.BytesIO(await page.picture()), format="png")


def has_colour(image: np.ndarray, colour: str) -> bool:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    near = np.abs(image[..., :3] - wanted).max(axis=2) < 0.05
    solid = image[..., 3] > 0.9 if image.shape[2] == 4 else True
    return bool((near & solid).sum() > 20)


@pytest.mark.parametrize("path", ["overlay/bars", "dashboard", ""])
def test_a_page_is_one_request(visit: Visit, path: str) -> None:
    """On a busy machine each further one costs tens of milliseconds; the dashboard then asks for its history."""

    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/{path}")
        await page.until("document.readyState === 'complete' && performance.now() > 500")
        asked = await page.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)")
        assert [one for one in asked if one.startswith("/static/")] == []

    with started() as output, Talker(output):
        visit(scenario)


@pytest.mark.parametrize("kind", ["bars", "lowerthird", "compact"])
def test_an_overlay_shows_the_genre_on_a_transparent_page(visit: Visit, kind: str) -> None:
    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/overlay/{kind}{STILL}", 800, 400)
        await page.until(SHOWN)
        assert await page.evaluate(NAME) == "Jazz"
        image = await picture(page)
        alpha = image[..., 3]
        assert [alpha[0, 0], alpha[0, -1], alpha[-1, -1]] == [0, 0, 0]
        assert 0.02 < (alpha > 0.5).mean() < 0.6
        assert has_colour(image, "#eaee30"), "jazz has its own colour, as in the terminal"
        demo.playing["demo"] = "hiphop"
        await page.until(f"{NAME} === 'Hip-Hop'")

    with started() as output, Talker(output) as demo:
        visit(scenario)


def test_bars_are_in_order_and_only_so_many(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/overlay/bars?n=2&anim=none")
        await page.until(SHOWN)
        rows = (
            "[...document.querySelectorAll('li:not(.away)')]"
            ".sort((a, b) => a.style.getPropertyValue('--i') - b.style.getPropertyValue('--i'))"
        )
        assert await page.evaluate(f"{rows}.map(r => r.querySelector('.label').textContent)") == ["Jazz", "Rock"]
        assert await page.evaluate(f"{rows}.map(r => r.querySelector('.number').textContent)") == [
            "70\u2009%",
            "12\u2009%",
        ]
        widths = await page.evaluate(
            f"{rows}.map(r => r.querySelector('b').offsetWidth / r.querySelector('.rail').offsetWidth)"
        )
        assert widths == pytest.approx([0.7, 0.12], abs=0.02)

    with started() as output, Talker(output):
        visit(scenario)


def test_it_hides_in_silence_and_comes_back(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        address = f"{output.address}/overlay/lowerthird{STILL}"
        page = await browser.page(f"{address}&hide_after=0.3")
        staying = await browser.page(f"{address}&hide_after=never")
        await page.until(SHOWN)
        await staying.until(SHOWN)
        demo.playing["demo"] = None
        await page.until(HIDDEN)
        assert (await picture(page))[..., 3].max() == 0, "nothing is left on the page"
        assert not await staying.evaluate(HIDDEN)
        demo.playing["demo"] = "disco"
        await page.until(SHOWN)
        assert await page.evaluate(NAME) == "Disco"

    with started() as output, Talker(output) as demo:
        visit(scenario)


def test_it_hides_when_the_daemon_falls_silent_or_ends_and_returns_with_the_next(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        with started() as first:
            port = int(first.address.rpartition(":")[2])
            page = await browser.page(f"{first.address}/overlay/bars{STILL}")
            with Talker(first):
                await page.until(SHOWN)
            await page.until("!rtgenre.feed.fresh", 10)
            await page.until(HIDDEN)
            assert await page.evaluate("rtgenre.feed.socket !== null"), "only the daemon fell silent"
            with Talker(first):
                await page.until(SHOWN)
        await page.until("rtgenre.feed.socket === null && rtgenre.feed.failures > 1")
        with started(port=port) as second, Talker(second) as daemon:
            daemon.playing["demo"] = "metal"
            await page.until(f"{SHOWN} && {NAME} === 'Metal'")
            assert await page.evaluate("rtgenre.feed.connections") == 2

    visit(scenario)


def test_two_overlays_show_two_sources(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        names = ["a", "b"]
        pages = [await browser.page(f"{output.address}/overlay/compact?source={name}") for name in names]
        for page, genre in zip(pages, ["Classical", "Reggae"], strict=True):
            await page.until(f"{SHOWN} && {NAME} === '{genre}'")
        decks.playing["a"] = None
        await pages[0].until(HIDDEN)
        assert await pages[1].evaluate(SHOWN)
        other = await browser.page(f"{output.address}/overlay/compact?source=c")
        await other.until("rtgenre.feed.fresh")
        assert await other.evaluate(HIDDEN)

    with started() as output, Talker(output, "a", "b") as decks:
        decks.playing |= {"a": "classical", "b": "reggae"}
        visit(scenario)


def test_the_address_and_obs_change_the_look(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        address = (
            f"{output.address}/overlay/bars?theme=neon&accent=ff3366&size=40&font=DejaVu+Serif&align=right&anim=none"
        )
        page = await browser.page(address)
        await page.until(SHOWN)
        body = "getComputedStyle(document.body)"
        assert await page.evaluate(f"{body}.fontSize") == "40px"
        assert "DejaVu Serif" in await page.evaluate(f"{body}.fontFamily")
        assert await page.evaluate(f"{body}.justifyContent") == "flex-end"
        assert has_colour(await picture(page), "#ff3366")
        # As OBS adds its "Custom CSS".
        style = "Object.assign(document.createElement('style'), {innerHTML: ':root{--rtg-radius:3px}'})"
        await page.evaluate(f"document.head.append({style})")
        assert await page.evaluate("getComputedStyle(document.querySelector('.panel')).borderRadius") == "3px"

    with started() as output, Talker(output):
        visit(scenario)


def test_a_mistake_in_the_address_is_told_and_the_rest_kept(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/overlay/bars?theem=neon&size=900&n=2.5&accent=reddish&align=right")
        await page.until(SHOWN)
        told = await page.evaluate("document.getElementById('note').textContent")
        assert [w for w in ("theem", "size=900", "8 to 200", "n=2.5", "accent=reddish") if w not in told] == []
        kept = await page.evaluate("rtgenre.options")
        assert (kept["theme"], kept["size"], kept["n"], kept["align"]) == ("glass", 28, 5, "right")

    with started() as output, Talker(output):
        visit(scenario)


def test_a_source_that_is_not_there_is_told_until_it_is(visit: Visit) -> None:
    shown, text = "!document.getElementById('note').hidden", "document.getElementById('note').textContent"

    async def scenario(browser: Browser) -> None:
        address = f"{output.address}/overlay/bars?anim=none&source="
        missing, other_case, there = [await browser.page(address + name) for name in ("b", "Demo", "demo")]
        await there.until(SHOWN)
        for page, name in ((missing, "b"), (other_case, "Demo")):
            await page.until(shown)
            told = await page.evaluate(text)
            assert f"no source “{name}”" in told
            assert "known: demo" in told
            assert await page.evaluate(HIDDEN)
        image = await picture(missing)
        assert has_colour(image, "#a11d2c"), "in red"
        daemon.playing["b"] = "rock"
        await missing.until(f"{SHOWN} && {NAME} === 'Rock'")
        assert not await missing.evaluate(shown)
        assert await other_case.evaluate(shown)
        assert not await there.evaluate(shown)

    with started() as output, Talker(output, "demo") as daemon:
        visit(scenario)


def test_a_source_that_comes_late_is_no_mistake(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/overlay/bars?source=b")
        await page.until("rtgenre.feed.fresh")
        looking = "setInterval(() => window.hiddenAllTheTime &&= document.getElementById('note').hidden, 50)"
        await page.evaluate(f"void (window.hiddenAllTheTime = true, {looking})")
        daemon.playing["b"] = "rock"
        await page.until(SHOWN)
        await asyncio.sleep(5)
        assert await page.evaluate("hiddenAllTheTime")

    with started() as output, Talker(output, "demo") as daemon:
        visit(scenario)


def test_the_start_page_previews_and_gives_addresses_with_its_token(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/?token={TOKEN}", 1200, 1200)
        await page.until("document.querySelectorAll('iframe').length === 3")
        frames = (
            "[...document.querySelectorAll('iframe')]"
            ".map(f => f.contentDocument.querySelector('.name span')?.textContent)"
        )
        await page.until(f"{frames}.every(Boolean)")  # a sample: nothing plays
        choose = "(f => (f.value = 'neon', f.dispatchEvent(new Event('input', {bubbles: true}))))"
        await page.evaluate(f"{choose}(document.querySelector('[name=theme]'))")
        urls = await page.evaluate("[...document.querySelectorAll('.url')].map(u => u.textContent)")
        assert urls[1] == f"{output.address}/overlay/lowerthird?theme=neon&token={TOKEN}"
        with Talker(output):
            overlay = await browser.page(urls[0])
            await overlay.until(SHOWN)

    with started(token=TOKEN) as output:
        visit(scenario)


def test_the_dashboard_shows_past_and_present(visit: Visit) -> None:
    async def scenario(browser: Browser) -> None:
        await asyncio.sleep(1.5)  # a past
        page = await browser.page(f"{output.address}/dashboard?source=b", 1400, 900)
        await page.until("document.querySelector('#now strong').textContent === 'Reggae'")
        await page.until("rtgenre.rows().length > 5 && rtgenre.rows().at(-1).t - rtgenre.rows()[0].t > 1200")
        assert await page.evaluate("document.getElementById('health').textContent.includes('late hops')")
        assert has_colour(await picture(page), "#16c189")
        await page.evaluate("document.querySelector('#tabs button').click()")
        await page.until("document.querySelector('#now strong').textContent === 'Jazz'")

    with started() as output, Talker(output, "a", "b") as decks:
        decks.playing["b"] = "reggae"
        visit(scenario)


@pytest.mark.parametrize("own", [{}, {"liquid dnb": 0.3, "a very long name of some twenty": 0.1}])
def test_the_dashboard_has_room_for_all_labels_and_some_decisions(visit: Visit, own: dict[str, float]) -> None:
    """On the smallest screen that is not a phone."""
    whole = (
        "(list => [...document.getElementById(list).children].filter(row => {"
        "  const [inner, outer] = [row, row.closest('.tile')].map(one => one.getBoundingClientRect());"
        "  return inner.bottom <= outer.bottom && inner.right <= outer.right;"
        "}).length)"
    )

    async def scenario(browser: Browser) -> None:
        page = await browser.page(f"{output.address}/dashboard", 1280, 720)
        for genre in ("Jazz", "Rock", "Disco", "Pop"):
            daemon.playing["demo"] = genre.lower()
            await page.until(f"document.querySelector('#now strong').textContent === '{genre}'")
            await asyncio.sleep(0.6)  # the page keeps a row a quarter of a second
        assert await page.evaluate(f"{whole}('genres')") == 10 + len(own)
        assert await page.evaluate(f"{whole}('log')") >= 3
        assert await page.evaluate("document.documentElement.scrollHeight") == 720
        overfull = "[...document.querySelectorAll('.tile')].filter(one => one.scrollHeight > one.clientHeight).length"
        assert await page.evaluate(overfull) == 0

    with started() as output, Talker(output) as daemon:
        daemon.own = own
        visit(scenario)
