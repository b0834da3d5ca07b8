"""People with Chromium and JavaScript off, in front of the running product."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, Route, expect

from tests.providers.django_site import Site, django_site
from tests.providers.upstream import Answer as UpstreamAnswer
from tests.providers.upstream import Upstream, openai, voigpt
from tests.support import long
from tests.support.databases import postgresql_is_long
from tests.support.held import held
from tests.support.servers import Voichat
from tests.support.visitors import Answer, Visitor
from webapp.db import Database

pytestmark = pytest.mark.browser

Serve = Callable[..., Voichat]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the database."""

WIDE = "\n\n".join(
    [
        "x" * 300,
        "https://example.org/" + "path/" * 60,
        f"`{'code' * 60}`",
        f"```python\n{'print(1); ' * 40}\n```",
        "|" + " wide heading |" * 20 + "\n|" + "---|" * 20 + "\n|" + f" {'cell' * 10} |" * 20,
        "> " * 6 + "deep",
        "1. " * 6 + "deep",
    ]
)

SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll("body, main, .thread, article, form")]
    .filter(e => e.scrollWidth > e.clientWidth || e.getBoundingClientRect().right > innerWidth)
    .map(e => `${e.nodeName}.${e.className} ${e.scrollWidth}`)"""
"""What of the page is wider than its window."""


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(java_script_enabled=False)
    yield made
    made.close()


@pytest.fixture
def alice(context: BrowserContext, voichat: Voichat) -> Page:
    return at_home(context, voichat)


def at_home(context: BrowserContext, voichat: Voichat) -> Page:
    page = context.new_page()
    page.goto(voichat.url)
    return page


def send(page: Page, words: str) -> None:
    """Presses Send, and waits for the next page to begin, not for its end."""
    page.get_by_label("Message", exact=True).fill(words)
    press(page, "Send")


def press(page: Page, button: str) -> None:
    before = page.locator("#composer [name=submit_id]").get_attribute("value")
    page.get_by_role("button", name=button).click(no_wait_after=True)
    expect(page.locator("#composer [name=submit_id]")).not_to_have_attribute("value", before or "")


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found
    return found


def says(upstream: Upstream, answer: UpstreamAnswer) -> None:
    """The next reply, the first that its worker gets: a page with a token, then the words."""
    upstream.queue(answer, answer)


def asked(upstream: Upstream) -> int:
    return len(upstream.asked_for("POST"))


def reply(page: Page) -> Locator:
    return page.locator('article[data-role="assistant"]').last


# A chat


def test_alice_reads_the_reply_and_finds_her_history_after_server_and_browser_were_restarted(
    alice: Page, context: BrowserContext, chromium: Browser, voichat: Voichat, upstream: Upstream
) -> None:
    says(upstream, voigpt("A **bold** word:\n\n```python\nprint(1)\n```"))
    send(alice, "Show me\nMarkdown")
    expect(reply(alice).locator("strong")).to_have_text("bold")
    expect(reply(alice).locator("pre code").last).to_have_text("print(1)\n")
    chat, kept = alice.url, context.storage_state()
    alice.close()
    voichat.restart()
    with chromium.new_context(java_script_enabled=False, storage_state=kept) as later:
        page = at_home(later, voichat)
        page.get_by_role("link", name="Chats", exact=True).click()
        page.get_by_role("link", name="Show me").click()
        assert page.url == chat
        expect(page.locator("article .text").first).to_have_text("Show me\nMarkdown")
        expect(reply(page).locator("strong")).to_have_text("bold")
    with chromium.new_context(java_script_enabled=False) as mallorys:
        page = mallorys.new_page()
        page.goto(chat)
        expect(page.get_by_text("Error 404")).to_be_visible()
        assert "Show me" not in page.content()


@on_sqlite
def test_alice_talks_to_a_real_django_site_behind_its_csrf_check(
    context: BrowserContext, serve: Serve, django: Site
) -> None:
    alice = at_home(context, serve(VOIGPT_URL=django.url))
    send(alice, "One")
    expect(reply(alice).locator(".text")).to_have_text("1: One")
    django.expire()
    send(alice, "Two")
    expect(reply(alice).locator(".text")).to_have_text("3: Two")
    assert django.count()["posts"] - django.count()["refused"] == 2


@pytest.fixture
def django() -> Iterator[Site]:
    with django_site() as site:
        yield site


# Sending twice


def test_a_double_click_on_the_very_first_send_is_one_message(
    alice: Page, voichat: Voichat, upstream: Upstream
) -> None:
    alice.get_by_label("Message", exact=True).fill("Hi")
    alice.get_by_role("button", name="Send").dblclick()
    alice.wait_for_url("**/chats/*")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    assert alice.locator("article").count() == 2
    alice.goto(f"{voichat.url}/chats")
    assert alice.locator(".conversations li > a").count() == 1
    assert asked(upstream) == 1


def test_pressing_the_very_first_send_again_because_its_answer_got_lost_is_one_message(
    alice: Page, voichat: Voichat, upstream: Upstream
) -> None:
    lost: list[Answer] = []

    def lose_the_answer(route: Route) -> None:
        sent = route.request
        lost.append(Visitor(voichat).post_body("/chats", sent.post_data_buffer or b"", sent.headers["content-type"]))
        route.abort("aborted")

    alice.route("**/chats", lose_the_answer, times=1)
    alice.get_by_label("Message", exact=True).fill("Hi")
    with alice.expect_event("requestfailed"):
        alice.get_by_role("button", name="Send").click(no_wait_after=True)
    alice.get_by_role("button", name="Send").click()
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    assert [answer.headers["Location"] for answer in lost] == [urlsplit(alice.url).path]
    assert alice.locator("article").count() == 2
    assert asked(upstream) == 1


@on_sqlite
def test_going_back_to_the_very_first_page_and_pressing_send_again_is_one_message(
    alice: Page, upstream: Upstream
) -> None:
    send(alice, "Hi")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    chat = alice.url
    alice.go_back()
    expect(alice.get_by_label("Message", exact=True)).to_have_value("Hi")
    alice.get_by_role("button", name="Send").click()
    alice.wait_for_url("**/chats/*")
    assert alice.url == chat
    assert asked(upstream) == 1


@on_sqlite
def test_back_forward_and_reload_on_a_chat_send_nothing_and_show_all_that_was_said(
    alice: Page, upstream: Upstream
) -> None:
    for words in ("One", "Two"):
        send(alice, words)
        expect(reply(alice).locator(".text")).to_have_text("Hello.")
    chat = alice.url
    for move in (alice.reload, alice.go_back, alice.go_forward, alice.reload):
        move()
        assert alice.url == chat
        assert alice.locator("article .text").all_inner_texts() == ["One", "Hello.", "Two", "Hello."]
    assert asked(upstream) == 2


# When it goes wrong


@on_sqlite
def test_a_failed_reply_says_why_and_retry_works_by_a_click(
    context: BrowserContext, serve: Serve, upstream: Upstream
) -> None:
    alice = at_home(context, serve(WEB_CONCURRENCY="1"))
    says(upstream, voigpt(""))
    send(alice, "Hi")
    expect(reply(alice).locator(".problem")).to_have_text("The upstream's answer is empty; try again.")
    press(alice, "Retry")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    assert alice.locator("article").count() == 2
    assert asked(upstream) == 2


@on_sqlite
def test_words_that_are_too_long_stay_in_the_composer_and_go_when_shortened(
    context: BrowserContext, serve: Serve, upstream: Upstream
) -> None:
    alice = at_home(context, serve(VOICHAT_MESSAGE_CHARACTERS="20"))
    composer = alice.get_by_label("Message", exact=True)
    composer.fill("These words are far too long.")
    alice.get_by_role("button", name="Send").click()
    expect(alice.get_by_role("heading")).to_contain_text("at most 20")
    expect(composer).to_have_value("These words are far too long.")
    composer.fill("Short words.")
    alice.get_by_role("button", name="Send").click()
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    assert asked(upstream) == 1


@on_sqlite
def test_a_message_of_megabytes_gets_a_page_that_says_it_is_too_large(
    context: BrowserContext, serve: Serve, upstream: Upstream
) -> None:
    alice = at_home(context, serve(VOICHAT_MESSAGE_CHARACTERS="1000"))
    alice.get_by_label("Message", exact=True).fill("x" * 4_000_000)
    alice.get_by_role("button", name="Send").click()
    expect(alice.get_by_role("heading")).to_contain_text("at most 10,339,680 bytes")
    alice.go_back()
    assert len(alice.get_by_label("Message", exact=True).input_value()) == 4_000_000
    assert asked(upstream) == 0


# Where things stand


@on_sqlite
def test_the_composer_stands_below_the_messages_and_keeps_the_draft_while_the_reply_is_written(
    alice: Page, may_answer: Event
) -> None:
    may_answer.clear()
    send(alice, "Hi")
    expect(alice.get_by_text("Writing…")).to_be_visible()
    composer = alice.get_by_label("Message", exact=True)
    assert box(composer)["y"] >= box(alice.locator("article").last)["y"] + box(alice.locator("article").last)["height"]
    composer.press_sequentially("A draft")
    may_answer.set()
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    expect(alice.get_by_text("Writing…")).to_be_hidden()
    expect(composer).to_have_value("A draft")
    expect(composer).to_be_focused()


@on_sqlite
def test_a_message_sent_while_the_reply_is_written_is_answered_after_it(alice: Page, may_answer: Event) -> None:
    may_answer.clear()
    send(alice, "One")
    send(alice, "Two")
    may_answer.set()
    expect(alice.locator("article .text")).to_have_text(["One", "Hello.", "Two", "Hello."])


@on_sqlite
def test_a_long_chat_opens_at_its_newest_line(alice: Page, upstream: Upstream) -> None:
    says(upstream, voigpt("\n\n".join(f"Line {n}" for n in range(200))))
    send(alice, "Count")
    for _ in range(2):
        expect(alice.get_by_text("Line 199", exact=True)).to_be_in_viewport()
        expect(alice.get_by_text("Line 0", exact=True)).not_to_be_in_viewport()
        expect(alice.get_by_role("button", name="Send")).to_be_in_viewport()
        alice.reload()


# Branches


@postgresql_is_long
def test_alice_edits_a_message_goes_back_to_the_old_one_goes_on_there_and_copies_it(
    alice: Page, voichat: Voichat, upstream: Upstream
) -> None:
    for words in ("One", "Two"):
        send(alice, words)
        expect(reply(alice).locator(".text")).to_have_text("Hello.")
    alice.reload()
    alice.get_by_role("link", name="Edit", exact=True).last.click()
    expect(alice.get_by_label("Message", exact=True)).to_have_value("Two")
    send(alice, "Second")
    expect(alice.locator(".versions span")).to_have_text("2 / 2")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    alice.get_by_role("link", name="Previous version").click()
    expect(alice.locator(".versions span")).to_have_text("1 / 2")
    send(alice, "Three")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    said = alice.locator("article[data-role=user] .text")
    expect(said).to_have_text(["One", "Two", "Three"])
    last = upstream.asked_for("POST")[-1].json["messages"]
    assert [message["content"] for message in last][::2] == ["One", "Two", "Three"]
    before = alice.url
    alice.locator(".menu summary").click()
    alice.get_by_role("button", name="Copy as a new chat").click()
    expect(said).to_have_text(["One", "Two", "Three"])
    expect(alice.get_by_role("group", name="Versions")).to_have_count(0)
    assert alice.url.partition("?")[0] != before.partition("?")[0]
    alice.goto(f"{voichat.url}/chats")
    expect(alice.get_by_role("link", name="One", exact=True)).to_have_count(2)


@on_sqlite
def test_alice_reads_a_long_chat_upwards_and_her_place_is_in_view(alice: Page, database: Database) -> None:
    send(alice, "One")
    expect(reply(alice).locator(".text")).to_have_text("Hello.")
    ids = long.lengthen(database, alice.url.rpartition("/")[2], 200)
    alice.goto(f"{alice.url}?at={ids[100]}#{ids[100]}")
    expect(alice.locator(f"article[id='{ids[100]}']")).to_be_in_viewport()
    alice.get_by_role("link", name="Earlier messages").click()
    expect(alice.locator("article").last).to_be_in_viewport()
    last = alice.locator("article").last.get_attribute("id") or ""
    alice.get_by_role("link", name="Later messages").click()
    expect(alice.locator(f"article[id='{ids[ids.index(last) + 1]}']")).to_be_in_viewport()
    alice.get_by_role("link", name="Newest messages").click()
    expect(alice.locator(f"article[id='{ids[-1]}']")).to_be_in_viewport()


# Every page


def every_page(page: Page, voichat: Voichat, upstream: Upstream, may_answer: Event) -> Iterator[str]:
    """Goes from page to page; its name is yielded when it is there."""
    yield "a new chat"
    page.goto(f"{voichat.url}/chats/{'0' * 32}")
    yield "an error"
    page.goto(voichat.url)
    page.get_by_label("Message", exact=True).fill("long " * 300)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Your words are still here")).to_be_visible()
    yield "an error that keeps the words"
    page.goto(voichat.url)
    may_answer.clear()
    says(upstream, held(voigpt(WIDE + "\n\n![p](https://example.org/p.png) <img src=//example.org>"), may_answer))
    send(page, f"{'word' * 50}\n\n```\n{'code ' * 100}\n```")
    expect(page.get_by_text("Writing…")).to_be_visible()
    yield "a reply on its way"
    may_answer.set()
    expect(reply(page).locator("td").first).to_be_attached()
    yield "a reply that has come"
    page.reload()
    yield "the chat afterwards"
    for path in ("chats", "providers/"):
        page.goto(f"{voichat.url}/{path}")
        yield path


@on_sqlite
def test_no_page_asks_another_host_or_breaks_its_own_content_security_policy(
    context: BrowserContext, serve: Serve, upstream: Upstream, may_answer: Event
) -> None:
    problems: list[str] = []
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(re.sub(r"(//[^/]*).*", r"\1", request.url)))
    context.on("console", lambda message: problems.append(f"{message.text} {message.location}"))
    voichat = serve(VOICHAT_MESSAGE_CHARACTERS="1000")
    seen = list(every_page(at_home(context, voichat), voichat, upstream, may_answer))
    errors_of_pages = [each for each in problems if "status of 404 (NOT FOUND)" in each or "status of 413" in each]
    assert len(seen) == 8
    assert hosts == {voichat.url}
    assert len(errors_of_pages) == 2
    assert problems == errors_of_pages


@on_sqlite
def test_no_page_scrolls_sideways_on_a_phone(
    context: BrowserContext, serve: Serve, upstream: Upstream, may_answer: Event
) -> None:
    voichat = serve(VOICHAT_MESSAGE_CHARACTERS="1000", VOICHAT_AUTH="proxy", VOICHAT_TRUSTED_PROXIES="127.0.0.1")
    context.set_extra_http_headers({"X-Forwarded-User": f"alice.{'long' * 20}@example.com"})
    page = at_home(context, voichat)
    page.set_viewport_size({"width": 360, "height": 640})
    for name in every_page(page, voichat, upstream, may_answer):
        assert page.evaluate(SIDEWAYS) == [], name


@on_sqlite
def test_nor_do_long_names_of_upstreams_and_models_make_it_so(
    context: BrowserContext, serve: Serve, tmp_path: Path
) -> None:
    with Upstream(openai("Hi.", models=("m" * 200,))) as server:
        file = tmp_path / "providers.toml"
        file.write_text(f'[upstreams.lab]\nkind = "openai"\nurl = "{server.url}/v1"\nlabel = "{"L" * 100}"\n')
        voichat = serve(VOICHAT_PROVIDERS_FILE=str(file), VOICHAT_MODEL=f"lab/{'m' * 200}")
        page = at_home(context, voichat)
        page.set_viewport_size({"width": 360, "height": 640})
        send(page, "One")
        expect(reply(page).locator(".text")).to_have_text("Hi.")
        assert page.evaluate(SIDEWAYS) == []
        page.goto(f"{voichat.url}/providers/")
        assert page.evaluate(SIDEWAYS) == []
