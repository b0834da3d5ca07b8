"""Chromium, with JavaScript on, sees pages full of hostile input, and nothing of it asks, runs or is even refused."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, FilePayload, Page, Request, expect

from tests.providers.upstream import Answer, reply, voigpt
from tests.support.servers import Voichat, wait_until
from tests.test_markdown import RAW_HTML, REFUSED_ADDRESSES
from tests.test_mathml import HOSTILE

pytestmark = pytest.mark.browser

PIECES = [
    *RAW_HTML,
    *(f"**x** {text} `{text}`" for text in RAW_HTML if "\n" not in text),
    *(f"[words](<{address}>) ![image](<{address}>) <{address}>" for address in REFUSED_ADDRESSES),
    *(f"${latex}$ and $${latex}$$" for latex in HOSTILE),
    *(f"~~~html\n{text}\n~~~" for text in RAW_HTML),
    "![pixel](https://evil.example/pixel.png) [![a](https://evil.example/a.png)](https://evil.example/b)",
    "[x](https://evil.example 'y\" onmouseover=\"alert(1)') <https://evil.example/\"onclick=alert(1)>",
    "```python\n'\u202e' # \u2066</code></pre><script>alert(1)</script>\n```",
    '| <img src=x onerror=alert(1)> |\n|-|\n| <script>alert(1)</script> $\\text{<script>}$ |',
]  # fmt: skip

TEXT = "\n\n".join(PIECES)

LINE = " ".join(text.replace("\n", " ") for text in RAW_HTML if not text.startswith("<!--"))

VIOLATIONS = "document.addEventListener('securitypolicyviolation', e => console.error('refused: ' + e.blockedURI))"


class Witness:
    """What a browser did that no page of Voichat may make it do."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.seen: list[str] = []
        self._home = home
        context.add_init_script(VIOLATIONS)
        context.on("request", self._request)
        context.on("dialog", self._dialog)
        context.on("console", lambda message: self.seen.append(f"console {message.type} {message.text}"))
        context.on("weberror", lambda error: self.seen.append(f"error {error.error}"))
        context.on("page", self._page)

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _page(self, page: Page) -> None:
        page.on("popup", lambda popup: self.seen.append(f"window {popup.url}"))

    def _request(self, request: Request) -> None:
        path = urlsplit(request.url).path
        known = path == "/" or path.startswith(("/chats", "/static/"))
        if not request.url.startswith(self._home + "/") or not known or request.resource_type not in KNOWN:
            self.seen.append(f"{request.method} {request.resource_type} {request.url}")


KNOWN = {"document", "stylesheet", "image", "other", "script"}


@pytest.fixture
def voichat(standing: Voichat) -> Voichat:
    return standing


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context()
    yield made
    made.close()


@pytest.fixture
def witness(context: BrowserContext, voichat: Voichat) -> Witness:
    return Witness(context, voichat.url)


@pytest.fixture
def page(context: BrowserContext, witness: Witness, voichat: Voichat) -> Page:
    assert witness.seen == []
    opened = context.new_page()
    opened.goto(voichat.url)
    return opened


def send(page: Page, words: str) -> None:
    page.get_by_label("Message", exact=True).fill(words)
    page.get_by_role("button", name="Send").click()


def settle(page: Page) -> None:
    """Moves over the page, and waits until what might be on its way would have come."""
    page.wait_for_load_state("load")
    page.evaluate("document.querySelectorAll('.text *').forEach(e => e.dispatchEvent(new Event('mouseover')))")
    page.wait_for_timeout(300)


def test_a_hostile_message_does_nothing(page: Page, witness: Witness) -> None:
    send(page, TEXT)
    expect(page.locator('[data-role="assistant"] .text')).to_have_text("Hello.")
    settle(page)
    page.reload()
    settle(page)
    assert witness.seen == []


def test_a_hostile_reply_does_nothing(page: Page, witness: Witness, answers: dict[str, Answer]) -> None:
    answers["Say all of it"] = voigpt(TEXT)
    send(page, "Say all of it")
    expect(page.locator('[data-role="assistant"] math').first).to_be_attached()
    settle(page)
    page.reload()
    settle(page)
    assert witness.seen == []


@pytest.mark.parametrize(
    "words", [LINE, "</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202e<b>x"]
)
def test_a_hostile_title_does_nothing(page: Page, witness: Witness, voichat: Voichat, words: str) -> None:
    send(page, words)
    page.wait_for_url("**/chats/*")
    settle(page)
    page.goto(f"{voichat.url}/chats")
    expect(page.locator(".conversations li > a")).to_have_count(1)
    settle(page)
    assert witness.seen == []


def test_a_page_of_an_error_with_hostile_words_does_nothing(page: Page, witness: Witness) -> None:
    page.get_by_label("Message", exact=True).evaluate("(area, words) => { area.value = words }", TEXT * 10)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Error 413")).to_be_visible()
    settle(page)
    assert [seen for seen in witness.seen if "413" not in seen] == []


@pytest.mark.parametrize(
    "sentence", [LINE[:180], "<script>alert(1)</script>", "</p></article><img src=x onerror=alert(1)>"]
)
@pytest.mark.parametrize("status", [400, 500])
def test_an_upstreams_hostile_sentence_does_nothing(
    page: Page, witness: Witness, answers: dict[str, Answer], sentence: str, status: int
) -> None:
    answers["Refuse me"] = reply(sentence, status, content_type="text/plain")
    send(page, "Refuse me")
    expect(page.locator(".problem").first).to_contain_text(sentence[:20])
    settle(page)
    assert witness.seen == []


def test_hostile_words_in_the_address_do_nothing(page: Page, witness: Witness, voichat: Voichat) -> None:
    for words in (*RAW_HTML[::4], LINE, "\u202e</textarea>\x00", TEXT[:2000]):
        page.goto(f"{voichat.url}/?q={quote(words)}")
        page.wait_for_load_state("load")
        assert page.get_by_label("Message", exact=True).input_value().split() == words.replace("\0", "\ufffd").split()
    settle(page)
    assert witness.seen == []


def test_hostile_words_that_are_sought_and_found_do_nothing(page: Page, witness: Witness, voichat: Voichat) -> None:
    send(page, f"needle {TEXT[:3000]}")
    expect(page.locator('[data-role="assistant"] .text')).to_have_text("Hello.")
    wait_until(lambda: hits(page, voichat, "needle") > 0)
    found = [words for words in (*RAW_HTML[::4], LINE[:190]) if hits(page, voichat, words)]
    assert found != []
    settle(page)
    assert witness.seen == []


def hits(page: Page, voichat: Voichat, words: str) -> int:
    page.goto(f"{voichat.url}/chats?q={quote(words)}")
    assert page.get_by_role("searchbox").last.input_value().split() == words.split()
    return page.locator("main mark").count()


@pytest.mark.parametrize("name", ['"><img src=x onerror=alert(1)>.html', "\u202e<script>alert(1)<\u2215script>.svg"])
def test_a_hostile_file_with_a_hostile_name_does_nothing(page: Page, witness: Witness, name: str) -> None:
    page.locator("[name=file]").set_input_files(FilePayload(name=name, mimeType="text/html", buffer=LINE.encode()))
    send(page, "Look at this")
    expect(page.locator('[data-role="assistant"] .text')).to_have_text("Hello.")
    expect(page.locator('[data-role="user"] pre')).to_contain_text("<script>")
    settle(page)
    assert witness.seen == []


def test_a_message_turns_round_nothing_but_itself(page: Page) -> None:
    send(page, "\u202eabc\n\nabc")
    page.wait_for_url("**/chats/*")
    places = page.evaluate(
        """() => [...document.querySelectorAll('[data-role="user"] p')].map(paragraph => {
          const range = document.createRange(), text = paragraph.firstChild, at = text.data.indexOf('a')
          range.setStart(text, at); range.setEnd(text, at + 1)
          const a = range.getBoundingClientRect().x
          range.setStart(text, at + 2); range.setEnd(text, at + 3)
          return a < range.getBoundingClientRect().x
        })"""
    )
    assert places == [False, True]


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("new Image().src = 'https://evil.example/x.png'", "refused: https://evil.example/x.png"),
        ("new Image().src = '/elsewhere.png'", "GET image"),
        ("document.body.insertAdjacentHTML('beforeend', '<b style=\"color:red\">x</b>')", "refused: inline"),
        ("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')", "GET image"),
        ("setTimeout(() => alert('here'))", "dialog here"),
        ("console.error('here')", "console error here"),
        ("setTimeout(() => { throw new Error('here') })", "error"),
        ("fetch('https://evil.example/')", "refused: https://evil.example/"),
    ],
)
def test_the_witness_sees_what_a_hostile_page_would_do(page: Page, witness: Witness, script: str, seen: str) -> None:
    page.evaluate(f"() => {{ {script} }}")
    page.wait_for_timeout(300)
    assert any(seen in line for line in witness.seen), witness.seen
