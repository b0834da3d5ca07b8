"""Chromium with JavaScript off: a temporary chat, a recovery link into another browser, and an end to everything."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.databases import postgresql_is_long
from tests.support.servers import Voichat

pytestmark = [pytest.mark.browser, postgresql_is_long]


@pytest.fixture
def voichat(serve: Callable[..., Voichat]) -> Voichat:
    return serve(VOICHAT_LOG="requests")


@pytest.fixture
def browsers(chromium: Browser, voichat: Voichat) -> Iterator[list[Page]]:
    """Two that know nothing of each other."""
    with ExitStack() as stack:
        contexts = [stack.enter_context(chromium.new_context(java_script_enabled=False)) for _ in range(2)]
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(voichat.url)
        yield pages


def begin(page: Page, words: str, *, temporary: bool = False) -> None:
    page.get_by_label("Message", exact=True).fill(words)
    if temporary:
        page.get_by_label("Temporary").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".end")).to_have_attribute("data-status", "complete")


def test_a_chat_that_is_temporary_and_kept_a_link_to_another_browser_and_an_end(
    browsers: list[Page], voichat: Voichat
) -> None:
    first, second = browsers
    begin(first, "Between us", temporary=True)
    expect(first.get_by_text("Temporary chat.")).to_be_visible()
    chat = first.url
    first.get_by_role("link", name="Chats", exact=True).click()
    expect(first.get_by_text("Between us")).to_have_count(0)
    first.goto(chat)
    first.get_by_role("button", name="Keep this chat").click()
    expect(first.get_by_text("Temporary chat.")).to_have_count(0)
    first.get_by_role("link", name="Chats", exact=True).click()
    expect(first.get_by_role("link", name="Between us").first).to_be_visible()

    first.get_by_role("link", name="Recovery link").click()
    first.get_by_role("button", name="Make a link").click()
    link = first.get_by_label("Your link").input_value()

    begin(second, "In the other browser")
    second.goto(link)
    second.get_by_label("along").check()
    second.get_by_role("button", name="Open them here").click()
    for words in ("Between us", "In the other browser"):
        expect(second.get_by_role("link", name=words).first).to_be_visible()

    second.get_by_role("link", name="Delete everything about me").click()
    expect(second.get_by_text("2 chats")).to_be_visible()
    second.get_by_label("I want all of this deleted").check()
    second.get_by_role("button", name="Delete everything").click()
    expect(second.get_by_text("Nothing is stored about this browser.")).to_be_visible()
    for page in browsers:
        answer = page.goto(chat)
        assert answer
        assert answer.status == 404
    assert "/recover/<key:token>" in voichat.output()
    assert link.rpartition("/")[2] not in voichat.output()
