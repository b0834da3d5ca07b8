"""Browsers that know less than others, paper, reader views, saved pages, and windows of odd sizes."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from tests.support.servers import Voichat, missing
from tests.support.talk import Talk, speaks
from tests.support.visitors import Visitor
from tests.test_judges import AXE, JUDGED, JUDGES

pytestmark = pytest.mark.browser

READABILITY = JUDGES / "node_modules" / "@mozilla" / "readability" / "Readability.js"
NOTICE = "Maintenance tonight."
LINE = "print('a line that is longer than any paper is wide'); " * 4
PARAGRAPH = "Words that fill a phone from one side to the other, and then some more of them. " * 3
TABLE = "| left | right |\n|---|---|\n| a | 1 |"
ANSWER = f"First words.\n\n```python\n{LINE}\n```\n\n{TABLE}\n\n{PARAGRAPH}\n\nThe last words."
SAID = [
    ("You", "How does a chat look in windows that are odd?"),
    ("small", f"First words. {LINE}left right a 1 {PARAGRAPH}The last words."),
    ("You", "And on paper, for somebody who likes to read it there?"),
    ("small", f"{PARAGRAPH}See this page."),
]
FURNITURE = ["Edit", "Markdown", "Regenerate", "Copy", "New chat", "Skip to", "This chat", "Send", "Writing", NOTICE]
WRITTEN = ["One **two**", " three.\n\n- four", "\n- five\n\n", "```python\nprint(6)", "\n```\n\nSeven", " eight."]

DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=360, height=640)
SMALL, NARROW, WIDE, LYING = (
    ViewportSize(width=width, height=height) for width, height in ((320, 256), (280, 653), (2560, 1440), (740, 360))
)
PAPER_WIDE = ViewportSize(width=640, height=900)
PLACES = """() => {
    const parts = [...document.querySelectorAll("body > .bar, body > .notice, .menu, .thread, #composer")];
    const boxes = parts.map(part => [part.className, part.getBoundingClientRect()]).sort((a, b) => a[1].top - b[1].top);
    return {
        order: boxes.map(([name]) => name),
        over: boxes.filter(([, box], place) => place && box.top < boxes[place - 1][1].bottom - 1).map(([name]) => name),
        sideways: document.scrollingElement.scrollWidth - innerWidth,
        thread: document.querySelector(".thread")?.clientHeight / innerHeight,
        composer: document.querySelector("#composer")?.getBoundingClientRect().bottom / innerHeight,
    };
}"""
IS_ON_TOP = """button => {
    const {left, top, width, height} = button.getBoundingClientRect();
    return document.elementFromPoint(left + width / 2, top + height / 2) === button;
}"""
PAPER = "getComputedStyle(document.documentElement).backgroundColor"
READ = "(({byline, textContent}) => [byline, textContent])(new Readability(document.cloneNode(true)).parse())"
SEND = "#composer .tools button"
PARTS = ["bar", "notice", "menu", "thread", "composer"]
PAGES = ["/", "/chats", "/chats?q=words", "/settings"]


@dataclass(frozen=True)
class House:
    """Where Alice has a chat and another whose reply failed, and what a reply was like while it was written."""

    voichat: Voichat
    talk: Talk
    alice: Visitor
    chat: str
    failed: str
    style: str
    live: dict[str, str]
    """Pages by their addresses: one as far as it had come, one that was followed to its end."""


@pytest.fixture(scope="module")
def house(stand: Callable[..., Voichat]) -> Iterator[House]:
    with Talk() as talk:
        voichat = stand(**speaks(talk), VOICHAT_NOTICE=NOTICE)
        alice = Visitor(voichat)
        chat = sent(alice, talk, SAID[0][1], "/", ANSWER, think="Hm.")
        sent(alice, talk, SAID[2][1], chat, f"{PARAGRAPH}\n\nSee [this page](https://example.org/).")
        failed = sent(alice, talk, "Fail")
        yield House(voichat, talk, alice, chat, failed, alice.get("/static/style.css").text, followed(alice, talk))
        talk.end()


def sent(person: Visitor, talk: Talk, words: str, page: str = "/", answer: str = "", think: str = "") -> str:
    chat = person.send(words, page)
    talk.think(*[think] * bool(think))
    talk.say(*[answer] * bool(answer))
    talk.end()
    person.until_settled(chat)
    return chat


def followed(alice: Visitor, talk: Talk) -> dict[str, str]:
    chat = alice.send("Go on")
    with alice.open(chat, User_Agent="Mozilla/5.0") as page:
        for piece, shown in zip(WRITTEN, ("two", "four", "five", "print", "Seven", "eight."), strict=True):
            talk.say(piece)
            came = page.read_until(shown)
        talk.end()
        return {f"{chat}?written": came, f"{chat}?ended": page.read_to_its_end()}


# What a browser knows


def the_same(text: str) -> str:
    return text


def without_has(style: str) -> str:
    return style.replace("not selector(:has(*))", "(display: block)").replace(":has(", ":unheard-of(")


def without_light_dark(style: str) -> str:
    return re.sub(r"not \(color: ?light-dark\([^)]*\)\)", "(display: block)", style).replace(
        "light-dark(", "unheard-of("
    )


def without_rules(_style: str) -> str:
    return ""


def without_shadow_roots(page: str) -> str:
    return page.replace("shadowrootmode", "data-unheard-of")


@dataclass(frozen=True)
class Known:
    """What it makes of a style sheet and of a page."""

    style: Callable[[str], str] = the_same
    page: Callable[[str], str] = the_same


ALL = Known()


class Opens:
    """Tabs, each in a browser of its own that is closed after the test."""

    def __init__(self, chromium: Browser, house: House, stack: ExitStack) -> None:
        self._chromium = chromium
        self._house = house
        self._stack = stack

    def __call__(self, known: Known = ALL, *, javascript: bool = False, **options: Any) -> Page:
        made = self._chromium.new_context(base_url=self._house.voichat.url, java_script_enabled=javascript, **options)
        context = self._stack.enter_context(made)
        name, _, value = self._house.alice.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self._house.voichat.url}])
        style = {"body": known.style(self._house.style), "content_type": "text/css"}
        context.route(f"{self._house.voichat.url}/static/style.css*", lambda route: route.fulfill(**style))
        context.route(self._is_page, lambda route: self._show(route, known))
        return context.new_page()

    def _is_page(self, url: str) -> bool:
        return "/static/" not in url

    def _show(self, route: Route, known: Known) -> None:
        address = route.request.url.removeprefix(self._house.voichat.url)
        if address in self._house.live:
            return route.fulfill(body=known.page(self._house.live[address]), content_type="text/html")
        if known.page is the_same or route.request.method != "GET":
            return route.fallback()
        answer = route.fetch()
        return route.fulfill(response=answer, body=known.page(answer.text()))


@pytest.fixture
def opens(chromium: Browser, house: House) -> Iterator[Opens]:
    with ExitStack() as stack:
        yield Opens(chromium, house, stack)


# What can be seen


def words(text: str) -> str:
    return " ".join(text.split())


def read_on(page: Page) -> list[tuple[str, str]]:
    """Who said what, as far as it can be seen, from top to bottom."""
    who, text = page.locator("article .who"), page.locator("article .text")
    return [(name, words(said)) for name, said in zip(who.all_inner_texts(), text.all_inner_texts(), strict=True)]


def well_placed(page: Page) -> dict[str, Any]:
    """Measured: nothing over anything else, all in its order, and nothing to scroll sideways to."""
    places: dict[str, Any] = page.evaluate(PLACES)
    order = [part for part in PARTS if part in places["order"]]
    assert (places["order"], places["over"], page.url) == (order, [], page.url)
    assert places["sideways"] <= 0, page.url
    return places


def can_be_pressed(page: Page, css: str) -> bool:
    button = page.locator(css)
    button.scroll_into_view_if_needed()
    return bool(button.evaluate(IS_ON_TOP))


def is_above_the_composer(page: Page) -> bool:
    last, composer = page.locator("article").last.bounding_box(), page.locator("#composer").bounding_box()
    assert last
    assert composer
    return last["y"] + last["height"] <= composer["y"]


def colours_judged(page: Page) -> list[str]:
    """What axe-core finds unreadable, where JavaScript is on."""
    page.evaluate(AXE.read_text() if AXE.exists() else missing("axe-core"))
    return list(page.evaluate(JUDGED, ["color-contrast"]))


# Browsers that know less

OLD = {
    "no :has()": Known(without_has),
    "no declarative shadow roots": Known(page=without_shadow_roots),
    "neither": Known(without_has, without_shadow_roots),
}


@pytest.mark.parametrize("known", OLD.values(), ids=OLD)
def test_in_an_old_browser_everything_stands_in_its_place_and_works(known: Known, house: House, opens: Opens) -> None:
    page = opens(known)
    for address in (house.chat, house.failed, *house.live):
        page.goto(address)
        for size in (PHONE, DESK):
            page.set_viewport_size(size)
            assert well_placed(page)["composer"] <= 1
            assert can_be_pressed(page, SEND)
            assert page.locator("article").last.is_visible()
    for address in PAGES:
        page.goto(address)
        for size in (PHONE, DESK):
            page.set_viewport_size(size)
            well_placed(page)
    page.goto(house.chat)
    assert read_on(page) == SAID
    page.goto(house.failed)
    assert can_be_pressed(page, ".again button")


@pytest.mark.parametrize("known", OLD.values(), ids=OLD)
def test_in_an_old_browser_the_composers_options_open_and_send_sends(known: Known, house: House, opens: Opens) -> None:
    page = opens(known, viewport=PHONE)
    page.goto("/")
    for options, field in (("Attach files", "#file"), ("Instructions", "#system")):
        page.locator("#composer summary", has_text=options).click()
        assert can_be_pressed(page, field)
        assert can_be_pressed(page, SEND)
    house.talk.say("It was sent.")
    house.talk.end()
    page.locator("#message").fill("Sent from an old browser")
    page.locator(SEND).click()
    expect(page.locator("article .text").last).to_have_text("It was sent.")
    assert page.locator("article").count() == 2


def test_a_browser_that_cannot_look_ahead_leaves_nothing_out_while_a_reply_is_written(
    house: House, opens: Opens
) -> None:
    page = opens(OLD["neither"])
    for address in house.live:
        page.goto(address)
        [*_, (_, said)] = read_on(page)
        for shown in ("One two three. four five", "print(6)", "Seven"):
            assert shown in said
    assert said.endswith("Seven eight.")


def test_where_light_dark_is_unknown_all_is_light_and_can_be_read(house: House, opens: Opens) -> None:
    page = opens(Known(without_light_dark), javascript=True, color_scheme="dark")
    for address in (house.chat, house.failed, "/", "/chats?q=words", "/settings"):
        page.goto(address)
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        assert page.evaluate(PAPER) == "rgb(253, 252, 249)"
        assert colours_judged(page) == []
    page.goto("/chats?q=words")
    marked = page.locator("mark").first.evaluate("mark => getComputedStyle(mark).backgroundColor")
    assert marked == "rgb(255, 233, 168)"


def test_without_a_style_sheet_all_is_said_once_in_order_and_the_composer_comes_after_it(
    house: House, opens: Opens
) -> None:
    page = opens(Known(without_rules))
    page.goto(house.chat)
    assert read_on(page) == SAID
    assert is_above_the_composer(page)
    page.goto("/")
    assert can_be_pressed(page, SEND)


# Paper


@pytest.mark.parametrize(("scheme", "theme"), [("light", ""), ("dark", ""), ("light", "dark")])
def test_paper_has_the_whole_chat_dark_on_white_and_nothing_of_the_furniture(
    scheme: Literal["light", "dark"], theme: str, house: House, opens: Opens
) -> None:
    house.alice.post("/settings", {"theme": theme})
    page = opens(javascript=True, color_scheme=scheme, viewport=PAPER_WIDE)
    page.goto(house.chat)
    expect(page.locator(".copy").first).to_be_attached()
    page.emulate_media(media="print", color_scheme=scheme)
    assert read_on(page) == SAID
    assert page.locator("h1").inner_text() == page.title().partition(" ·")[0]
    shown = page.locator("body").inner_text()
    assert [each for each in FURNITURE if each in shown] == []
    assert page.evaluate(PAPER) == "rgb(255, 255, 255)"
    assert colours_judged(page) == []
    assert page.evaluate("[...document.querySelectorAll('pre')].filter(pre => pre.scrollWidth > pre.clientWidth)") == []
    assert len(re.findall(rb"/Type /Page\b", page.pdf(width="10cm", height="10cm"))) > 2
    house.alice.post("/settings", {"theme": ""})


@pytest.mark.parametrize("known", [ALL, Known(without_has)], ids=["new", "old"])
def test_a_reply_is_printed_as_far_as_it_had_come_and_nothing_covers_it(
    known: Known, house: House, opens: Opens
) -> None:
    page = opens(known)
    for address in house.live:
        page.goto(address)
        page.emulate_media(media="print")
        assert "Writing" not in page.locator("body").inner_text()
        last = page.locator("article .text > *").last
        assert last.evaluate(IS_ON_TOP)


# Reader views


def test_a_reader_view_has_who_said_what_in_order_and_nothing_of_the_furniture(house: House, opens: Opens) -> None:
    page = opens(javascript=True)
    for address in (house.chat, shared(house)):
        page.goto(address)
        page.evaluate(READABILITY.read_text() if READABILITY.exists() else missing("Readability"))
        byline, text = page.evaluate(READ)
        assert byline.startswith(("You", "Author"))
        read = words(text)
        who = re.findall(r"\b(You|Author|small) \d\d:\d\d", read)
        assert [each.replace("Author", "You") for each in who] == ["small", "You", "small"]
        places = [read.index(each) for each in ("odd?", "First words.", "The last words.", "And on paper", "See this")]
        assert places == sorted(places)
        assert [each for each in FURNITURE if each in read and each != NOTICE] == []


def shared(house: House) -> str:
    house.alice.post(f"{house.chat}/share", {"kind": "goes-on"})
    links = re.findall("/shares/[0-9a-f]{32}", house.alice.get(f"{house.chat}/share").text)
    return str(links[0])


# Saved pages


def test_a_page_that_was_saved_with_all_that_it_shows_reads_as_it_did(
    house: House, opens: Opens, tmp_path: Path
) -> None:
    page = opens()
    for address in (house.chat, *house.live):
        page.goto(address)
        said = read_on(page)
        taken = page.context.new_cdp_session(page).send("Page.captureSnapshot")["data"]
        (tmp_path / "saved.mhtml").write_text(taken, newline="")
        page.goto(f"file://{tmp_path}/saved.mhtml")
        assert read_on(page) == said
        well_placed(page)


def test_a_page_that_curl_saved_reads_in_order_without_style_or_server(
    house: House, opens: Opens, tmp_path: Path
) -> None:
    alone = opens()
    command = ["curl", "--silent", "--header", f"Cookie: {house.alice.cookie}", "--header", "Accept: text/html"]
    saved = subprocess.run([*command, house.voichat.url + house.chat], capture_output=True, check=True, timeout=20)
    (tmp_path / "chat.html").write_bytes(saved.stdout)
    alone.goto(f"file://{tmp_path}/chat.html")
    assert read_on(alone) == SAID
    assert is_above_the_composer(alone)
    (tmp_path / "cut.html").write_text(cut_off(house))
    alone.goto(f"file://{tmp_path}/cut.html")
    assert read_on(alone) == [("You", "Go on again"), ("small", "One two three. four five print(6)")]


def cut_off(house: House) -> str:
    """What curl had of a reply when somebody stopped it."""
    chat = house.alice.send("Go on again")
    with house.alice.open(chat, Accept="text/html") as page:
        house.talk.say(*WRITTEN)
        came = page.read_until("</pre>")
    house.talk.end()
    house.alice.until_settled(chat)
    return came


# Windows of odd sizes


NORMAL, DOUBLE = 16, 32
ODD = [
    (SMALL, NORMAL),
    (NARROW, NORMAL),
    (WIDE, NORMAL),
    (LYING, NORMAL),
    (LYING, DOUBLE),
    (PHONE, DOUBLE),
    (DESK, DOUBLE),
]


@pytest.mark.parametrize(("size", "letters"), ODD, ids=str)
def test_in_a_window_of_an_odd_size_the_messages_keep_a_third_and_all_can_be_reached(
    size: ViewportSize, letters: int, house: House, opens: Opens
) -> None:
    page = opens(viewport=size)
    page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": letters}})
    for address in (house.chat, *PAGES):
        page.goto(address)
        places = well_placed(page)
        assert address != house.chat or places["thread"] >= 1 / 3
        if address in (house.chat, "/"):
            assert can_be_pressed(page, SEND)
    page.goto(house.chat)
    assert (size, letters) != (LYING, NORMAL) or well_placed(page)["composer"] <= 1
