"""What the script adds, in Chromium: comfort, and nothing that anybody needs."""

import gzip
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.support.servers import ROOT, Voichat, wait_until
from tests.support.talk import Talk, speaks
from tests.test_browser import box
from tests.test_hostile_page import VIOLATIONS
from tests.test_live_browsers import top

pytestmark = pytest.mark.browser

INTRANET = "http://chat.intranet"
CODE = "Look:\n\n```python\nprint(1)\nprint(2)\n```\n\nThat is **all**."


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    with Talk() as upstream:
        yield upstream
        upstream.end()


@pytest.fixture(scope="module")
def voichat(stand: Callable[..., Voichat], talk: Talk) -> Voichat:
    return stand(VOICHAT_HOSTS="chat.intranet 127.0.0.1", **speaks(talk))


NO_TRANSITION = "Transition was aborted"
"""What Chromium calls an error where a page leads to a file, which has no style sheet."""


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What scripts fail at, and what the policy of the pages forbids them."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def device() -> dict[str, bool]:
    """A desk; a test says what else by `parametrize("device", [{…}])`."""
    return {}


@pytest.fixture
def context(chromium: Browser, complaints: list[str], device: dict[str, bool]) -> Iterator[BrowserContext]:
    made = chromium.new_context(**device)  # type: ignore[arg-type]
    made.add_init_script(VIOLATIONS)
    made.on("console", lambda message: complaints.extend([message.text] * message.text.startswith("refused:")))
    made.on("weberror", lambda error: complaints.extend([str(error.error)] * (NO_TRANSITION not in str(error.error))))
    yield made
    made.close()


@pytest.fixture
def alice(context: BrowserContext, voichat: Voichat) -> Page:
    page = context.new_page()
    page.goto(voichat.url)
    return page


def message(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def reply(page: Page) -> Locator:
    return page.locator("article[data-role=assistant]").last


def end(page: Page) -> Locator:
    return reply(page).locator(".end")


def ask(page: Page, talk: Talk, *words: str) -> None:
    """Alice asks, and is answered."""
    talk.say(*(words or ("Hello.",)))
    talk.end()
    begin(page)
    expect(end(page)).to_be_attached()


def begin(page: Page) -> None:
    """Returns when the next page has begun, not at its end."""
    form = page.locator("#composer [name=submit_id]")
    before = form.get_attribute("value") or ""
    message(page).fill("Hi")
    message(page).press("Enter", no_wait_after=True)
    expect(form).not_to_have_attribute("value", before)


def test_the_script_weighs_less_than_four_kilobytes() -> None:
    files = (ROOT / "static" / "js").glob("*.js")
    assert sum(len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files) < 4096


# Enter


def test_enter_sends_once_and_shift_enter_makes_a_line(alice: Page, talk: Talk) -> None:
    before = len(talk.told())
    talk.say("Hello.")
    talk.end()
    message(alice).press_sequentially("One")
    message(alice).press("Shift+Enter")
    message(alice).press_sequentially("two")
    message(alice).dispatch_event("keydown", {"key": "Enter", "repeat": True})
    assert message(alice).input_value() == "One\ntwo"
    message(alice).press("Enter", no_wait_after=True)
    expect(end(alice)).to_be_attached()
    assert talk.told()[before:] == [["One\ntwo"]]
    alice.keyboard.type("now what")  # the n is a word's, and begins no new chat
    assert message(alice).input_value() == "now what"


def test_enter_that_ends_a_composition_sends_nothing(alice: Page, context: BrowserContext, voichat: Voichat) -> None:
    message(alice).focus()
    keyboard = context.new_cdp_session(alice)
    keyboard.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    alice.evaluate("addEventListener('keydown', event => { window.heard = [event.key, event.isComposing] })")
    alice.keyboard.press("Enter")
    assert alice.evaluate("heard") == ["Enter", True]
    message(alice).dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    alice.reload()
    assert alice.url == f"{voichat.url}/"


@pytest.mark.parametrize("device", [{"has_touch": True, "is_mobile": True}])
def test_on_a_touch_screen_enter_makes_a_line_and_ctrl_enter_sends(alice: Page, talk: Talk) -> None:
    message(alice).press_sequentially("One")
    message(alice).press("Enter")
    message(alice).press_sequentially("two")
    assert message(alice).input_value() == "One\ntwo"
    talk.say("Hello.")
    talk.end()
    message(alice).press("Control+Enter", no_wait_after=True)
    expect(end(alice)).to_be_attached()
    assert talk.told()[-1] == ["One\ntwo"]


def test_the_form_grows_with_its_words_where_css_alone_does_not_do_it(
    context: BrowserContext, voichat: Voichat
) -> None:
    context.route("**/style.css*", lambda route: without(route, "field-sizing"))
    context.add_init_script("CSS.supports = () => false")
    page = context.new_page()
    page.goto(voichat.url)
    small = height(message(page))
    message(page).fill("line\n" * 8)
    assert height(message(page)) > 2 * small
    message(page).fill("line")
    assert height(message(page)) == pytest.approx(small, abs=1)


def without(route: Route, declaration: str) -> None:
    style = route.fetch()
    route.fulfill(response=style, body=style.text().replace(declaration, "unheard-of"))


def height(locator: Locator) -> float:
    return box(locator)["height"]


# Copy


@pytest.mark.parametrize("is_secure", [True, False], ids=["secure", "plain http"])
def test_code_and_messages_are_copied_also_on_plain_http(
    context: BrowserContext, voichat: Voichat, talk: Talk, is_secure: bool
) -> None:
    alice = context.new_page()
    alice.goto(voichat.url if is_secure else f"{INTRANET}:{voichat.port}")
    assert alice.evaluate("isSecureContext") == is_secure
    begin(alice)
    talk.say("Look:\n\n```python\nprint(1)\n")
    code = alice.get_by_role("button", name="Copy this code")
    expect(code.last).to_be_visible()
    talk.say("print(2)\n```\n\nThat is **all**.")
    expect(reply(alice).locator("strong")).to_be_visible()
    expect(code).to_have_count(1)
    code.click()
    expect(alice.get_by_role("status")).to_have_text("Copied")
    expect(code).to_have_text("Copied")
    assert pasted(alice) == "print(1)\nprint(2)\n"
    talk.end()
    expect(end(alice)).to_be_attached()
    for whose, words in ((reply(alice), CODE), (alice.locator("article").first, "Hi")):
        whose.get_by_role("button", name="Copy this message").click()
        expect(whose.get_by_role("button", name="Copy this message")).to_have_text("Copied")
        assert pasted(alice) == words
    expect(code).to_have_text("Copy")


def pasted(page: Page) -> str:
    message(page).fill("")
    message(page).press("Control+v")
    words = message(page).input_value()
    message(page).fill("")
    return words


def test_what_could_not_be_copied_is_said(alice: Page, talk: Talk) -> None:
    ask(alice, talk)
    alice.route("**/messages/*.md", lambda route: route.abort())
    button = reply(alice).get_by_role("button", name="Copy this message")
    button.click()
    expect(button).to_have_text("Not copied")
    expect(alice.get_by_role("status")).to_have_text("Not copied")


# What was typed and not sent


def test_a_draft_outlives_a_reload_and_is_gone_once_it_was_sent(alice: Page, voichat: Voichat, talk: Talk) -> None:
    message(alice).fill("Hi")
    alice.goto(f"{voichat.url}/chats")
    alice.goto(voichat.url)
    expect(message(alice)).to_have_value("Hi")
    ask(alice, talk)
    expect(message(alice)).to_have_value("")
    chat = alice.url
    message(alice).fill("Another")
    alice.reload()
    expect(message(alice)).to_have_value("Another")
    alice.goto(voichat.url)
    settled(alice)
    expect(message(alice)).to_have_value("")
    alice.goto(chat)
    expect(message(alice)).to_have_value("Another")
    ask(alice, talk)
    alice.reload()
    settled(alice)
    expect(message(alice)).to_have_value("")


def test_nor_does_going_back_bring_it_back(alice: Page, talk: Talk) -> None:
    ask(alice, talk)
    ask(alice, talk)
    for move in (alice.go_back, alice.go_forward, alice.go_back, alice.reload):
        move()
        settled(alice)
        expect(message(alice)).to_have_value("")


def test_a_page_that_comes_back_as_it_was_left_holds_no_words_that_have_arrived(alice: Page) -> None:
    come_back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    message(alice).fill("Hi")
    alice.evaluate(come_back)
    expect(message(alice)).to_have_value("Hi")
    alice.locator("#composer").dispatch_event("submit")
    alice.evaluate(come_back)
    expect(message(alice)).to_have_value("Hi")
    alice.locator("#composer").dispatch_event("submit")
    alice.evaluate("sessionStorage.clear()")  # as a later page of this tab does with what has arrived
    alice.evaluate(come_back)
    expect(message(alice)).to_have_value("")
    assert "Hi" not in stored(alice)


def test_a_draft_is_kept_when_the_message_did_not_arrive(alice: Page, talk: Talk) -> None:
    for _ in ("a new chat", "the chat"):
        page = alice.url
        message(alice).fill("Hi")
        alice.route("**/chats**", lambda route: route.abort(), times=1)
        with alice.expect_event("requestfailed"):
            message(alice).press("Enter", no_wait_after=True)
        alice.wait_for_url("chrome-error:**")
        alice.goto(page)
        expect(message(alice)).to_have_value("Hi")
        ask(alice, talk)
        expect(message(alice)).to_have_value("")


def test_words_that_came_with_the_page_are_left_as_they_are(alice: Page, voichat: Voichat) -> None:
    message(alice).fill("A draft")
    alice.goto(f"{voichat.url}/?q=Asked")
    settled(alice)
    expect(message(alice)).to_have_value("Asked")


def test_nothing_is_kept_of_a_temporary_chat(alice: Page, talk: Talk) -> None:
    message(alice).fill("A secret")
    alice.get_by_label("Temporary").check()
    assert "secret" not in stored(alice)
    ask(alice, talk)
    alice.reload()
    message(alice).fill("A secret")
    assert "secret" not in stored(alice)


def test_nothing_is_left_when_the_browser_is_to_be_forgotten(alice: Page, voichat: Voichat, talk: Talk) -> None:
    ask(alice, talk)
    message(alice).fill("A secret")
    assert "secret" in stored(alice)
    alice.goto(f"{voichat.url}/forget")
    alice.get_by_role("button", name="Forget").click()
    settled(alice)
    assert "secret" not in stored(alice)


def stored(page: Page) -> str:
    return str(page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])"))


def settled(page: Page) -> None:
    """The page is there, and its script has done what it does at the beginning."""
    page.wait_for_load_state("load")
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


# Shortcuts


def test_keys_lead_to_what_they_are_for(alice: Page, voichat: Voichat, talk: Talk) -> None:
    ask(alice, talk)
    ask(alice, talk)
    alice.locator(".thread").focus()
    alice.keyboard.press("k")
    expect(reply(alice)).to_be_focused()
    alice.keyboard.press("k")
    expect(alice.locator("article[data-role=user]").last).to_be_focused()
    alice.keyboard.press("j")
    expect(reply(alice)).to_be_focused()
    alice.keyboard.press("c")
    expect(message(alice)).to_be_focused()
    alice.locator(".thread").focus()
    alice.keyboard.press("/")
    expect(alice.get_by_role("searchbox")).to_be_focused()
    assert alice.get_by_role("searchbox").input_value() == ""
    alice.locator(".thread").focus()
    alice.keyboard.press("?")
    expect(alice.get_by_role("heading", level=1)).to_have_text("Keyboard shortcuts")
    alice.locator("body").dispatch_event("keydown", {"key": "т", "code": "KeyN", "bubbles": True})
    alice.wait_for_url(f"{voichat.url}/")


def test_keys_are_letters_where_somebody_types_and_where_they_are_turned_off(alice: Page, talk: Talk) -> None:
    ask(alice, talk)
    chat = alice.url
    message(alice).press_sequentially("n/?jkc")
    expect(message(alice)).to_have_value("n/?jkc")
    alice.locator(".thread").focus()
    alice.keyboard.press("Control+k")
    expect(alice.locator(".thread")).to_be_focused()
    alice.evaluate("document.body.dataset.shortcuts = 'off'")
    for key in "/?jkcn":
        alice.keyboard.press(key)
    expect(alice.locator(".thread")).to_be_focused()
    assert alice.url == chat


def test_escape_stops_the_reply_and_not_the_page(alice: Page, talk: Talk) -> None:
    begin(alice)
    talk.say("One two")
    expect(reply(alice).locator(".text")).to_contain_text("One two")
    message(alice).press("Escape")
    talk.wait_for_closed()
    expect(reply(alice).get_by_text("You stopped this reply.")).to_be_visible()
    expect(alice.get_by_role("status")).to_have_text("The reply was stopped.")


# A reply that goes on out of sight


def test_a_button_leads_down_to_the_newest_line_when_the_reader_has_scrolled_up(alice: Page, talk: Talk) -> None:
    begin(alice)
    talk.say("\n\n".join(f"Line {n}" for n in range(60)) + "\n\n")
    expect(alice.get_by_text("Line 59")).to_be_in_viewport()
    down = alice.get_by_role("button", name="Newest messages")
    expect(down).to_be_hidden()
    alice.locator(".messages").hover()
    alice.mouse.wheel(0, -2000)
    expect(down).to_be_in_viewport()
    seen = top(alice.get_by_text("Line 5", exact=True))
    talk.say("Line 60\n\n", "Line 61\n\n")
    expect(alice.get_by_text("Line 61")).to_be_attached()
    assert top(alice.get_by_text("Line 5", exact=True)) == pytest.approx(seen, abs=1)
    down.click()
    expect(alice.get_by_text("Line 61")).to_be_in_viewport()
    expect(down).to_be_hidden()
    expect(alice.locator(".thread")).to_be_focused()
    talk.end()
    expect(end(alice)).to_be_attached()


def test_a_reply_that_is_finished_is_said_once_and_marked_in_the_title_of_a_tab_that_nobody_sees(
    alice: Page, talk: Talk
) -> None:
    begin(alice)
    alice.wait_for_selector("[role=status]", state="attached")
    alice.evaluate(
        """() => {
          window.said = []
          new MutationObserver(() => said.push(document.querySelector('[role=status]').textContent))
            .observe(document.querySelector('[role=status]'), { childList: true })
        }"""
    )
    hide(alice, True)
    title = alice.title()
    for word in ("One ", "two ", "three"):
        talk.say(word)
        expect(reply(alice).locator(".text")).to_contain_text(word.strip())
    assert alice.evaluate("said") == []
    talk.end()
    expect(alice.get_by_role("status")).to_have_text("The reply is finished.")
    assert alice.title() == f"● {title}"
    hide(alice, False)
    assert alice.title() == title
    wait_until(lambda: alice.evaluate("said") == ["The reply is finished.", ""])


def hide(page: Page, is_hidden: bool) -> None:
    """As a browser does when another tab comes before this one; a headless one shows them all."""
    page.evaluate(
        """isHidden => {
          Object.defineProperty(document, 'hidden', { get: () => isHidden, configurable: true })
          document.dispatchEvent(new Event('visibilitychange'))
        }""",
        is_hidden,
    )


# Without it


def test_where_the_script_is_blocked_nothing_is_missing_but_comfort(
    context: BrowserContext, voichat: Voichat, talk: Talk
) -> None:
    context.route("**/*.js*", lambda route: route.abort())
    alice = context.new_page()
    alice.goto(voichat.url)
    talk.say(CODE)
    message(alice).fill("Hi")
    alice.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(reply(alice).locator("strong")).to_be_visible()
    talk.end()
    expect(end(alice)).to_be_attached()
    expect(alice.get_by_role("button", name="Copy")).to_have_count(0)
    reply(alice).get_by_role("link", name="Markdown", exact=True).click()
    assert alice.locator("pre").inner_text() == CODE
