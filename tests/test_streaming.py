"""A page comes at once and stays open until its reply has ended."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, repeat, takewhile
from threading import Event
from time import sleep

import pytest

from tests.conftest import application
from tests.providers.upstream import (
    DONE,
    END,
    Answer,
    Peer,
    Upstream,
    chunked,
    delta,
    reply,
    stream,
    voigpt,
)
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import wait_until
from tests.support.talk import Talk, speaks
from webapp.chats import branches, lease
from webapp.db import Database
from webapp.pages import live

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def chunks(person: Person, chat: str) -> Iterator[str]:
    return (chunk.decode() for chunk in person.get(chat).iter_encoded())


def asked(upstream: Upstream) -> int:
    """How often for an answer."""
    return len(upstream.asked_for("POST"))


def test_the_chat_is_on_the_screen_before_its_reply(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    page = chunks(alice, alice.send("My question"))
    first = next(page)
    assert '<form id="composer"' in first
    assert "My question" in first
    assert 'data-role="assistant"' in first
    assert "Hello." not in first
    may_answer.set()
    rest = "".join(page)
    assert "Hello." in rest
    assert '<span class="end" data-status="complete"></span>' in rest
    assert rest.endswith("</html>\n")


def test_a_streamed_page_asks_proxies_not_to_hold_it_back(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    with alice.get(alice.send("Hi")) as answer:
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Content-Length" not in answer.headers


def test_all_who_watch_see_the_same_reply_which_was_asked_for_once(
    alice: Person, upstream: Upstream, may_answer: Event
) -> None:
    may_answer.clear()
    chat, cookie = alice.send("Hi"), alice.client.get_cookie("voichat")
    assert cookie
    devices = [Person(alice.app) for _ in range(3)]
    for device in devices:
        device.client.set_cookie("voichat", cookie.value)
    with ThreadPoolExecutor() as pool:
        pages = pool.map(lambda device: device.get(chat).text, devices)
        upstream.wait_for(lambda: bool(asked(upstream)))
        may_answer.set()
    assert ["Hello." in page for page in pages] == [True] * 3
    assert asked(upstream) == 1


def test_the_composer_of_an_open_page_already_works(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("One")
    page = chunks(alice, chat)
    next(page)
    assert alice.post(f"{chat}/messages", message="Two").status_code == 303
    may_answer.set()
    assert "Hello." in "".join(page)
    assert Page(alice.get(chat)).articles[3].end in ("complete", "")


def test_a_closed_page_costs_the_reply_nothing(alice: Person, upstream: Upstream, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    alice.get(chat).close()
    upstream.wait_for(lambda: bool(asked(upstream)))
    may_answer.set()
    assert "Hello." in Page(alice.get(chat)).said[1]


def test_a_reply_that_fails_ends_with_a_sentence_and_retry(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), reply("No.", 400))
    page = Page(alice.get(alice.send("Hi")))
    assert page.articles[1].end == "failed"
    assert page.attempts == ["1"]


def test_head_neither_starts_a_reply_nor_waits_for_one(alice: Person, database: Database) -> None:
    chat = alice.send("Hi")
    answer = alice.client.head(chat)
    assert (answer.status_code, answer.data) == (200, b"")
    assert [found.status for found in lease.unsettled(database)] == ["waiting"]


def test_head_does_not_wait_for_a_live_reply_either(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    with alice.get(chat):
        assert alice.client.head(chat).data == b""


@pytest.mark.parametrize("settings", [{"VOICHAT_THREADS": "8"}])
def test_head_takes_no_seat(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    heads = [alice.client.head(chat) for _ in range(10)]
    assert "Writing…" in next(chunks(alice, chat))
    assert {head.status_code for head in heads} == {200}


@pytest.mark.parametrize("settings", [{"VOICHAT_THREADS": "8"}])
def test_a_closed_page_gives_its_seat_back(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    for _ in range(10):
        with alice.get(chat) as answer:
            assert "Refresh" not in answer.headers


@pytest.mark.parametrize("settings", [{"VOICHAT_THREADS": "8"}])
def test_one_person_has_but_a_share_of_the_seats(alice: Person) -> None:
    replies = alice.app.extensions["voichat"].replies
    assert len(list(takewhile(bool, map(replies.seat, repeat("Alice"))))) == 4
    assert replies.seat("Bob")


@pytest.mark.parametrize("settings", [{"VOICHAT_THREADS": "8"}])
def test_with_every_seat_taken_the_page_comes_at_once_and_offers_to_look_again(
    alice: Person, may_answer: Event
) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    replies = alice.app.extensions["voichat"].replies
    everybodys = list(takewhile(bool, map(replies.seat, map(str, count()))))
    answer = alice.get(chat)
    assert len(everybodys) == 6
    assert '<a href="">Look again</a>' in answer.text
    assert Page(answer).articles[1].status == "waiting"


@pytest.mark.parametrize("settings", [{"VOICHAT_THREADS": "8"}])
def test_a_page_that_fails_takes_no_seat(alice: Person, may_answer: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    with monkeypatch.context() as broken:
        broken.setattr(branches, "siblings", lambda *_: 1 / 0)
        assert {alice.get(chat).status_code for _ in range(6)} == {500}
    replies = alice.app.extensions["voichat"].replies
    assert len(list(takewhile(bool, map(replies.seat, map(str, count()))))) == 6


# The end of a page's life


@pytest.fixture
def talkative(environment: dict[str, str], talk: Talk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Somebody whose pages follow a reply for a moment only."""
    monkeypatch.setattr(live, "PAGE_SECONDS", 0.3)
    with application(environment | speaks(talk)) as app:
        yield Person(app)


def until_it_ends(person: Person, chat: str, talk: Talk, **headers: str) -> str:
    """What a page shows of a reply that goes on and on."""
    shown = ""
    with person.get(chat, headers=headers) as page:
        for piece in page.iter_encoded():
            shown += piece.decode()
            talk.say("more ")
    return shown


def spoken(page: str) -> list[str]:
    return re.findall("One|more|last", page)


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "ending"),
    [
        ({"User-Agent": "Mozilla/5.0"}, 'which goes on. <a href="">Continue reading</a></p>'),
        ({"Accept": "text/plain"}, "[live: the reply goes on; ask for this page again to read on.]\n"),
    ],
    ids=["html", "plain text"],
)
def test_a_page_that_was_open_for_long_ends_with_a_way_to_read_on_and_the_reply_goes_on(
    talkative: Person, talk: Talk, database: Database, headers: dict[str, str], ending: str
) -> None:
    chat = talkative.send("Hi")
    talk.say("One ")
    first = until_it_ends(talkative, chat, talk, **headers)
    assert ending in first
    second = until_it_ends(talkative, chat, talk, **headers)
    assert ending in second
    assert spoken(first)[:2] == ["One", "more"]
    assert spoken(second)[: len(spoken(first))] == spoken(first)
    talk.say("last")
    talk.end()
    wait_until(lambda: not lease.unsettled(database))
    whole = talkative.get(chat).text
    assert spoken(whole)[: len(spoken(second))] == spoken(second)
    assert spoken(whole)[-1] == "last"
    assert len(talk.told()) == 1


# What a page costs

CODE = "```python\n" + "def f(x):\n    return x  # done\n\n" * 3_000 + "```\n\nend"
PARAGRAPHS = "Hello **bold** world, this is text.\n\n" * 1_000


@on_sqlite
@pytest.mark.parametrize("text", [CODE, PARAGRAPHS], ids=["code", "paragraphs"])
def test_a_long_reply_is_sent_in_at_most_three_times_its_html(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("webapp.chats.writers.FLUSH_SECONDS", 0.001)
    with Upstream(writes(text)) as upstream, application(environment | speaks(upstream)) as app:
        alice = Person(app)
        chat = alice.send("Hi")
        came = list(alice.get(chat, headers={"User-Agent": "Mozilla/5.0"}).iter_encoded())
        whole = alice.get(chat).data
    assert len(came) > 50
    assert sum(map(len, came)) < 3 * len(whole)


def writes(text: str) -> Answer:
    """In 300 pieces."""
    size = len(text) // 300 + 1

    def say(peer: Peer) -> None:
        for start in range(0, len(text), size):
            peer.send(chunked(delta(text[start : start + size])))
            sleep(0.003)
        peer.send(chunked(delta(finish_reason="stop"), DONE), END)

    return stream(then=say)
