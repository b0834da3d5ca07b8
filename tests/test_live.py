"""A reply appears word by word, and everybody who may see it sees the same."""

import re
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.support.servers import Voichat, wait_until
from tests.support.talk import Talk, speaks
from tests.support.visitors import PATIENCE, OpenPage, Shown, Visitor, said
from tests.support.wire import exchange
from webapp.db import Database

BROWSER = {"User_Agent": "Mozilla/5.0"}
TEXT_BROWSER = {"User_Agent": "Lynx/2.9"}
PLAIN = {"Accept": "text/plain"}

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(talk: Talk) -> dict[str, str]:
    return speaks(talk)


@pytest.fixture
def alice(voichat: Voichat) -> Visitor:
    return Visitor(voichat)


def browser(alice: Visitor, chat: str) -> OpenPage:
    return alice.open(chat, **BROWSER)


def words(page: str) -> str:
    """Of the reply that a page has so far, without the markup around them."""
    part = page.rpartition('<div class="text" dir="auto">')[2].partition('<span class="end"')[0]
    return " ".join(re.sub("<[^>]*>", " ", part).split())


def reply_id(page: str) -> str:
    return str(re.findall(r'<article[^>]* id="(\w+)" data-role="assistant"', page)[-1])


def last(alice: Visitor, chat: str) -> Shown:
    return alice.until_settled(chat)[-1]


# Growing


def test_a_reply_grows_on_the_page_before_it_ends(alice: Visitor, talk: Talk) -> None:
    with browser(alice, alice.send("Hi")) as page:
        for piece in ("One ", "two ", "three.\n\n", "Four ", "five."):
            talk.say(piece)
            page.read_until(piece.strip())
        talk.end()
        assert 'data-status="complete"></span>' in page.read_to_its_end()


def test_another_page_at_whichever_worker_shows_all_so_far_and_goes_on(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as first:
        talk.say("One two ")
        first.read_until("two")
        others = [browser(alice, chat) for _ in range(5)]
        for other in others:
            assert "One two" in words(other.read_until("two"))
        talk.say("three")
        for page in (first, *others):
            assert "One two three" in words(page.read_until("three"))
        talk.end()
        assert {words(page.read_to_its_end()).split(" Regenerate")[0] for page in (first, *others)} == {"One two three"}
        for other in others:
            other.close()
    assert len(talk.told()) == 1


def test_what_a_page_has_shown_is_stored(alice: Visitor, talk: Talk, database: Database) -> None:
    with browser(alice, alice.send("Hi")) as page:
        for column, speak in (("reasoning", talk.think), ("text", talk.say)):
            for piece in (f"One {column} ", f"two {column} ", f"three {column}"):
                speak(piece)
                page.read_until(piece.strip())
                with database.read() as connection:
                    kept = connection.exec_driver_sql(f"SELECT {column} FROM messages WHERE status = 'live'")
                    assert kept.scalar_one().endswith(piece)


def test_a_kill_takes_nothing_back_of_what_was_shown(serve: Callable[..., Voichat], talk: Talk, tmp_path: Path) -> None:
    alice = Visitor(serve("tests.support.kills:app", KILLS=str(tmp_path)))  # its leases are short
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.think("Hm, ", "hm.")
        page.read_until("hm.")
        talk.say("One ", "two ", "three")
        page.read_until("three")
        alice.voichat.kill_workers()
    assert (last(alice, chat).status, last(alice, chat).words) == ("interrupted", "One two three")
    assert "Hm, hm." in last(alice, chat).html


def test_it_goes_on_when_everybody_has_left(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.say("One ")
        page.read_until("One")
    talk.say("two")
    talk.end()
    assert last(alice, chat).words == "One two"


def test_a_text_browser_gets_closed_blocks_only(alice: Visitor, talk: Talk) -> None:
    with alice.open(alice.send("Hi"), **TEXT_BROWSER) as page:
        talk.say("One **two", "**.\n\n", "Three")
        assert "Three" not in page.read_until("<p>One <strong>two</strong>.</p>")
        talk.end()
        whole = page.read_to_its_end()
    assert whole.count("Three") == 1
    assert 'class="beat"' not in whole
    assert 'class="v"' not in whole


def test_a_program_reads_plain_text_word_by_word(alice: Visitor, talk: Talk) -> None:
    with alice.open(alice.send("Hi & <b>"), **PLAIN) as page:
        talk.say("One ", "*two* ")
        page.read_until("One ")
        talk.say("<three>")
        page.read_until("<three>")
        talk.end()
        assert page.read_to_its_end() == "You:\nHi & <b>\n\nsmall:\nOne *two* <three>\n\n"
        assert page.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_to_a_client_of_http_1_0_a_reply_grows_too_and_head_answers_at_once(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with old_client(alice, chat) as page:
        for piece in ("One ", "two ", "three."):
            talk.say(piece)
            page.read_until(piece.strip())
        head, _, body = exchange(alice.voichat.port, old_request("HEAD", chat, alice)).partition(b"\r\n\r\n")
        assert (head.split()[1], body) == (b"200", b"")
        talk.end()
        assert words(page.read_to_its_end()) == "One two three. Regenerate Text Markdown"
        assert page.shown.endswith("</html>\n")
        assert (page.headers["Transfer-Encoding"], page.headers["Connection"]) == (None, "close")


def old_client(alice: Visitor, chat: str) -> OpenPage:
    connection = socket.create_connection(("127.0.0.1", alice.voichat.port), timeout=PATIENCE)
    connection.sendall(old_request("GET", chat, alice))
    response = HTTPResponse(connection)
    response.begin()
    return OpenPage(connection, response)


def old_request(method: str, path: str, alice: Visitor) -> bytes:
    lines = [f"{method} {path} HTTP/1.0", "Host: 127.0.0.1", "User-Agent: Mozilla/4.0", f"Cookie: {alice.cookie}"]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_line_end_that_comes_in_two_pieces_is_one(alice: Visitor, talk: Talk) -> None:
    with alice.open(alice.send("Hi"), **PLAIN) as page:
        talk.say("a\r", "\nb\r")
        talk.end()
        assert "small:\na\nb\n\n\n" in page.read_to_its_end()


# Stop


def test_stop_at_whichever_worker_ends_the_call_and_keeps_the_text(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.say("One two ")
        shown = page.read_until("two")
        assert alice.press("Stop", shown).headers["Location"] == chat
        talk.wait_for_closed()
        assert 'data-status="stopped"></span>' in page.read_to_its_end()
    assert (last(alice, chat).status, last(alice, chat).words) == ("stopped", "One two")


def test_stop_of_a_chat_ends_what_waits_in_it_before_it_begins(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("One")
    with browser(alice, chat) as page:
        page.read_until("Writing…")
        wait_until(talk.told)
        alice.send("Two", chat)
        alice.post(f"{chat}/stop", {})
        page.read_to_its_end()
    assert [each.status for each in alice.until_settled(chat)[1::2]] == ["stopped", "stopped"]
    assert talk.told() == [["One"]]


def test_stop_of_a_reply_that_has_ended_changes_nothing(alice: Visitor, talk: Talk) -> None:
    talk.say("Done.")
    talk.end()
    chat = alice.send("Hi")
    assert last(alice, chat).status == "complete"
    assert alice.post(f"{chat}/replies/{reply_id(alice.get(chat).text)}/stop", {}).status == 303
    assert last(alice, chat).status == "complete"


# Once more


def stopped(alice: Visitor, talk: Talk, piece: str) -> str:
    """A chat whose reply was stopped after these words."""
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.say(piece)
        page.read_until(piece)
        alice.post(f"{chat}/stop", {})
        page.read_to_its_end()
    talk.wait_for_closed()
    return chat


def test_continue_goes_on_from_the_words_that_are_there(alice: Visitor, talk: Talk) -> None:
    chat = stopped(alice, talk, "One two")
    alice.post(f"{chat}/replies/{reply_id(alice.get(chat).text)}/continue", {"attempt": "1"})
    with browser(alice, chat) as page:
        assert "One two" in words(page.read_until("One two"))
        talk.say(" three.")
        talk.end()
        page.read_to_its_end()
    assert last(alice, chat).words == "One two three."
    assert talk.told()[1][:2] == ["Hi", "One two"]


def test_retry_begins_anew(alice: Visitor, talk: Talk) -> None:
    chat = stopped(alice, talk, "One two")
    alice.press("Retry", alice.get(chat).text)
    with browser(alice, chat) as page:
        talk.say("Three.")
        assert "One" not in words(page.read_until("Three"))
        talk.end()
        page.read_to_its_end()
    assert talk.told() == [["Hi"], ["Hi"]]


def test_regenerate_makes_another_reply_beside_the_first_and_the_page_leads_from_one_to_the_other(
    alice: Visitor, talk: Talk
) -> None:
    talk.say("First.")
    talk.end()
    chat = alice.send("Hi")
    assert last(alice, chat).words == "First."
    page = alice.get(chat).text
    [again] = {alice.press("Regenerate", page).headers["Location"] for _ in range(2)}
    talk.say("Second.")
    talk.end()
    assert last(alice, again).words == "Second."
    newer = alice.get(chat).text
    assert "2 / 2" in newer
    assert said(newer)[-1].words == "Second."
    older = alice.get(f"{chat}?at={reply_id(page)}").text
    assert f'href="{chat}?at={reply_id(page)}#{reply_id(page)}"' in newer
    assert "1 / 2" in older
    assert said(older)[-1].words == "First."
    assert talk.told() == [["Hi"], ["Hi"]]


# Caps


@pytest.mark.parametrize("whose", ["EACH", "ALL"])
def test_over_the_cap_a_reply_waits_its_turn_and_says_so(serve: Callable[..., Voichat], talk: Talk, whose: str) -> None:
    alice = Visitor(serve(**{f"VOICHAT_REPLIES_{whose}": "1"}))
    with browser(alice, alice.send("One")) as first, browser(alice, alice.send("Two")) as second:
        first.read_until("Writing…")
        wait_until(talk.told)
        second.read_until("waits for its turn")
        if whose == "EACH":
            bob = Visitor(alice.voichat)
            with browser(bob, bob.send("Bob's")):
                wait_until(lambda: ["Bob's"] in talk.told())
            talk.end()
        talk.end()
        first.read_to_its_end()
        wait_until(lambda: ["Two"] in talk.told())
        talk.end()
        second.read_to_its_end()
