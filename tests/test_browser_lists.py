"""The list of chats in Chromium with JavaScript off: found, renamed, pinned, deleted and brought back."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.databases import postgresql_is_long
from tests.support.servers import Voichat
from tests.test_browser import SIDEWAYS, alice, at_home, context, send

__all__ = ["alice", "context"]

pytestmark = pytest.mark.browser


def begin(page: Page, voichat: Voichat, words: str) -> None:
    page.goto(voichat.url)
    send(page, words)
    page.wait_for_load_state()


def shows(page: Page, *titles: str) -> None:
    expect(page.locator(".conversations li > a")).to_have_text(titles)


@postgresql_is_long
def test_alice_renames_pins_deletes_and_brings_back(alice: Page, voichat: Voichat) -> None:
    for words in ("One", "Two", "Three"):
        begin(alice, voichat, words)
    beside = alice.get_by_role("navigation", name="Your chats")
    expect(beside.locator("[aria-current=page]")).to_have_text("Three")
    beside.get_by_role("link", name="One").click()

    alice.locator(".menu summary").click()
    alice.get_by_role("link", name="Rename").click()
    alice.get_by_label("Name").fill("The first one")
    alice.get_by_role("button", name="Save").click()
    expect(alice.locator(".menu .title")).to_have_text("The first one")
    alice.locator(".menu summary").click()
    alice.get_by_role("button", name="Pin", exact=True).click()
    expect(beside.locator("a[href*='/chats/']").first).to_have_text("The first one")

    beside.get_by_role("link", name="All chats").click()
    shows(alice, "The first one", "Three", "Two")
    alice.get_by_label("What to do with Three").click()
    alice.get_by_role("button", name="Delete", exact=True).locator("visible=true").click()
    expect(alice.get_by_role("status")).to_have_text("Deleted: Three")
    shows(alice, "The first one", "Two")
    alice.get_by_role("button", name="Undo").click()
    shows(alice, "The first one", "Three", "Two")

    alice.get_by_role("link", name="Delete all chats").click()
    alice.get_by_role("button", name="Delete all chats").click()
    expect(alice.get_by_role("status")).to_have_text("Deleted: 3 chats")
    alice.get_by_role("link", name="Recently deleted chats").click()
    alice.get_by_role("button", name="Delete for good: Two").click()
    alice.get_by_role("button", name="Restore all of these").click()
    shows(alice, "The first one", "Three")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_a_phone_the_list_is_a_page_of_its_own_and_nothing_is_wider_than_the_window(
    chromium: Browser, voichat: Voichat
) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640}) as narrow:
        page = phone(narrow, voichat)
        expect(page.get_by_role("navigation", name="Your chats")).to_be_hidden()
        page.locator(".menu summary").click()
        fits(page, page.get_by_role("link", name="Rename"))
        page.locator(".menu").get_by_role("button", name="Delete").click()
        fits(page, page.get_by_role("button", name="Undo"))
        page.get_by_role("button", name="Undo").click()
        page.locator(".actions summary").click()
        fits(page, page.get_by_role("link", name="Rename"))
        page.get_by_role("link", name="Rename").click()
        fits(page, page.get_by_label("Name"))


def fits(page: Page, shown: Locator) -> None:
    """Once this is shown, nothing is wider than the window."""
    expect(shown).to_be_visible()
    page.wait_for_load_state()
    assert page.evaluate(SIDEWAYS) == []


def phone(context: BrowserContext, voichat: Voichat) -> Page:
    page = at_home(context, voichat)
    send(page, "W" * 60)
    page.wait_for_load_state()
    return page
