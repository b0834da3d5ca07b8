"""A reply that grows, as Chromium and Firefox show it with JavaScript off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, ViewportSize, expect

from tests.support.firefox import Firefox, Tab
from tests.support.servers import Voichat, wait_until
from tests.support.talk import Talk, speaks
from tests.test_browser import box, on_sqlite

pytestmark = [pytest.mark.browser, on_sqlite]

MESSAGE, SEND, STOP = "#message", "#composer button", ".stop button"
REPLY = "article[data-role=assistant] .text"
PIECES = ["One **two**", " three.\n\n- four", "\n- five\n\n", "```python\nprint(6)", "\n```\n\nSeven", " eight."]
SHOWN = ["One two", "One two three. four", "five", "print(6)", "Seven", "Seven eight."]
LONG = "\n\n".join(["Words that fill a phone from one side to the other. " * 5] * 8) + "\n\nThe last words."
PHONE: ViewportSize = {"width": 360, "height": 640}
without_javascript = pytest.mark.parametrize("running_firefox", [(False, "light")], indirect=True)


@pytest.fixture
def settings(talk: Talk) -> dict[str, str]:
    return speaks(talk)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(java_script_enabled=False)
    yield made
    made.close()


def words(text: str) -> str:
    return " ".join(text.split())


def begin(context: BrowserContext, voichat: Voichat) -> Page:
    page = context.new_page()
    page.goto(voichat.url)
    page.locator(MESSAGE).fill("Hi")
    page.locator(SEND).click(no_wait_after=True)
    expect(page.locator(".writing")).to_be_visible()
    return page


def top(locator: Locator) -> float:
    return box(locator)["y"]


def bottom(locator: Locator) -> float:
    return box(locator)["y"] + box(locator)["height"]


def shows(page: Page, text: str) -> None:
    wait_until(lambda: text in words(page.locator(REPLY).last.inner_text()))


def reads(tab: Tab, text: str) -> None:
    tab.wait_until(lambda: text in words(" ".join(tab.text(REPLY))))


def test_in_chromium_a_reply_grows_a_reload_goes_on_and_another_tab_shows_the_same(
    context: BrowserContext, voichat: Voichat, talk: Talk, tmp_path: Path
) -> None:
    page = begin(context, voichat)
    for piece, shown in zip(PIECES[:3], SHOWN[:3], strict=True):
        talk.say(piece)
        shows(page, shown)
    page.screenshot(path=tmp_path / "growing.png")
    page.reload(wait_until="commit")
    shows(page, "One two three. four five")
    other = context.new_page()
    other.goto(page.url, wait_until="commit")
    for piece, shown in zip(PIECES[3:], SHOWN[3:], strict=True):
        talk.say(piece)
        shows(page, shown)
        shows(other, shown)
    expect(page.locator(STOP)).to_be_visible()
    talk.end()
    expect(page.locator(".writing")).to_be_hidden()
    expect(page.locator(STOP)).to_be_hidden()
    grown = words(page.locator(REPLY).inner_text())
    assert grown == words(other.locator(REPLY).inner_text())
    page.reload()
    assert grown == words(page.locator(REPLY).inner_text())


def test_in_chromium_reasoning_grows_as_it_was_written_and_is_folded_afterwards(
    context: BrowserContext, voichat: Voichat, talk: Talk
) -> None:
    page = begin(context, voichat)
    thoughts = page.locator(".reasoning > div")
    for piece, shown in (("Hm,\n\n", "Hm,"), ("  <i>hm</i>: ", "<i>hm</i>:"), ("*x*", "*x*")):
        talk.think(piece)
        expect(thoughts).to_contain_text(shown)
    assert thoughts.inner_text() == "Hm,\n\n  <i>hm</i>: *x*"
    talk.say("Hello.")
    shows(page, "Hello.")
    expect(thoughts).to_be_visible()
    talk.end()
    expect(page.locator(".writing")).to_be_hidden()
    page.reload()
    expect(thoughts).to_be_hidden()
    page.get_by_text("Reasoning").click()
    expect(thoughts).to_be_visible()
    assert thoughts.inner_text() == "Hm,\n\n  <i>hm</i>: *x*"


def test_in_chromium_stop_ends_the_reply_and_keeps_the_draft(
    context: BrowserContext, voichat: Voichat, talk: Talk
) -> None:
    page = begin(context, voichat)
    page.set_viewport_size(PHONE)
    talk.say(LONG)
    shows(page, "The last words.")
    assert bottom(page.locator(REPLY)) <= top(page.locator(STOP))
    page.locator(".messages").hover()
    page.mouse.wheel(0, -300)
    wait_until(lambda: bottom(page.locator(REPLY)) > PHONE["height"])
    assert bottom(page.locator(STOP)) <= top(page.locator("#composer"))
    page.locator(MESSAGE).fill("My draft")
    page.locator(STOP).click(no_wait_after=True)
    talk.wait_for_closed()
    expect(page.get_by_text("You stopped this reply.")).to_be_visible()
    assert page.locator(MESSAGE).input_value() == "My draft"
    shows(page, "The last words.")


def test_a_browser_that_cannot_look_ahead_shows_all_in_its_order_and_no_false_notice(
    context: BrowserContext, voichat: Voichat, talk: Talk
) -> None:
    context.route("**/style.css*", without_has)
    page = begin(context, voichat)
    page.set_viewport_size(PHONE)
    for piece in [f"{LONG}\n\n", *PIECES]:
        talk.say(piece)
    shows(page, "Seven eight.")
    for shown in ("One two three. four five", "print(6)", "Seven eight."):
        assert shown in words(page.locator(REPLY).inner_text())
    assert bottom(page.locator(REPLY)) <= top(page.locator(STOP))
    assert bottom(page.locator(STOP)) <= top(page.locator("#composer"))
    assert bottom(page.locator("#composer")) <= PHONE["height"]
    expect(page.locator(".beat").first).to_be_hidden()
    talk.end()
    expect(page.locator(".end")).to_be_visible()
    covered, cover = page.locator(".live").bounding_box(), page.locator(".end").bounding_box()
    assert covered == cover


def test_in_a_browser_without_declarative_shadow_roots_the_composer_stands_below_the_messages(
    context: BrowserContext, voichat: Voichat, talk: Talk
) -> None:
    page = begin(context, voichat)
    talk.end()
    expect(page.locator(".end")).to_be_attached()
    page.route(page.url, without_shadow_roots)
    page.reload()
    assert page.evaluate("document.querySelector('main').shadowRoot") is None
    assert bottom(page.locator("article").last) <= top(page.locator("#composer"))


def without_has(route: Route) -> None:
    style = route.fetch()
    text = style.text().replace("not selector(:has(*))", "(display: block)").replace(":has(", ":unheard-of(")
    route.fulfill(response=style, body=text)


def without_shadow_roots(route: Route) -> None:
    page = route.fetch()
    route.fulfill(response=page, body=page.text().replace("shadowrootmode", "data-unheard-of"))


def test_in_chromium_a_connection_that_broke_off_is_said_and_one_that_is_slow_is_not(
    context: BrowserContext, serve: Callable[..., Voichat], talk: Talk
) -> None:
    times = 10
    voichat = serve("tests.support.hurried:app", TIMES=str(times))
    page = begin(context, voichat)
    animations = context.new_cdp_session(page)
    animations.send("Animation.enable")
    animations.send("Animation.setPlaybackRate", {"playbackRate": times})
    shown = "[...document.querySelectorAll('.beat')].filter(beat => getComputedStyle(beat).display != 'none')"
    notice = f"getComputedStyle({shown}.at(-1), '::after').visibility"
    beats = page.locator(".beat")
    for say in (talk.think, talk.say, talk.say):
        expect(beats.nth(beats.count())).to_be_attached()  # one more
        say("One two")
    assert page.evaluate(f"{shown}.length") == 1
    assert page.locator(".reasoning > div").inner_text() == "One two"
    assert page.evaluate(notice) == "hidden"
    voichat.kill()
    wait_until(lambda: page.evaluate(notice) == "visible")


@without_javascript
def test_in_firefox_a_reply_grows_a_reload_goes_on_and_stop_stops(
    running_firefox: Firefox, voichat: Voichat, talk: Talk, tmp_path: Path
) -> None:
    with running_firefox.person() as alice:
        tab = alice.tab()
        tab.open(voichat.url)
        tab.wait_for(SEND)
        tab.type(MESSAGE, "Hi")
        tab.press(SEND)
        tab.wait_for(".writing")
        for piece, shown in zip(PIECES[:5], SHOWN[:5], strict=True):
            talk.say(piece)
            reads(tab, shown)
        tab.screenshot(tmp_path / "growing.png")
        tab.reload()
        reads(tab, "One two three. four five")
        other = alice.tab()
        other.open(tab.url)
        talk.say(PIECES[5])
        for each in (tab, other):
            reads(each, "Seven eight.")
        tab.type(MESSAGE, "My draft")
        tab.press(STOP)
        talk.wait_for_closed()
        tab.wait_until(lambda: "You stopped this reply." in words(" ".join(tab.text("article:last-of-type"))))
        assert tab.value(MESSAGE) == "My draft"
