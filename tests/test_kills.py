"""`kill -9` at the worst moments: what was answered with 303 is there once, and an upstream is asked once."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Event

import pytest

from tests.providers.upstream import Peer, Upstream, raw, voigpt
from tests.support.crowd import LONG_SECONDS, Crowd, Reader, chance, echo, murmur
from tests.support.people import submit_id
from tests.support.servers import Voichat, wait_until
from tests.support.talk import speaks
from tests.support.visitors import Answer, Visitor, said
from webapp.db import Database

Serve = Callable[..., Voichat]

KILLING = "tests.support.kills:app"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def armed(tmp_path: Path) -> Path:
    """A file in this folder is a point at which the next worker to pass dies."""
    folder = tmp_path / "kills"
    folder.mkdir()
    return folder


def asked(upstream: Upstream) -> list[str]:
    return [each.json["messages"][-1]["content"] for each in upstream.asked_for("POST")]


def post_or_break(visitor: Visitor, form: dict[str, str]) -> Answer | None:
    """None where the server died on it."""
    with suppress(HTTPException, OSError):
        return visitor.post("/chats", form)
    return None


def words_and_ends(visitor: Visitor, chat: str) -> list[tuple[str, str]]:
    return [(each.words, each.status) for each in visitor.until_settled(chat)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("point", "is_acknowledged", "calls", "end"),
    [
        ("before the commit", False, 1, "complete"),
        ("after the commit", False, 1, "complete"),
        ("after the claim", True, 0, "interrupted"),
        ("before the last write", True, 1, "interrupted"),
        ("after the last write", True, 1, "complete"),
    ],
)
def test_a_worker_is_killed_and_the_same_form_again_is_one_message_one_reply_and_no_second_call(
    serve: Serve, upstream: Upstream, armed: Path, point: str, is_acknowledged: bool, calls: int, end: str
) -> None:
    alice = Visitor(serve(KILLING, KILLS=str(armed)))
    form = {"message": "My letter", "submit_id": submit_id(alice.get("/").text)}
    (armed / point).touch()
    first = post_or_break(alice, form)
    assert (first is not None and first.status == 303) == is_acknowledged
    wait_until(lambda: not (armed / point).exists())

    again = alice.post("/chats", form)
    assert again.status == 303
    chat = again.headers["Location"]
    [(words, status)] = words_and_ends(alice, chat)[1:]
    assert status == end
    assert words == "Hello." or (end == "interrupted" and not words)
    assert asked(upstream) == ["My letter"] * calls

    if end == "interrupted":
        assert alice.press("Retry", alice.get(chat).text).status == 303
        assert words_and_ends(alice, chat)[1:] == [("Hello.", "complete")]
        assert asked(upstream) == ["My letter"] * (calls + 1)
    assert [each.words for each in said(alice.get(chat).text)] == ["My letter", "Hello."]
    assert len(re.findall('href="/chats/[0-9a-f]{32}"', alice.get("/chats").text)) == 1
    alice.voichat.kill()  # quicker than a stop


@on_sqlite
def test_killed_while_the_upstream_is_in_mid_reply(serve: Serve, upstream: Upstream, armed: Path) -> None:
    """The answer's first half has come, the other never will."""
    half = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"response": "Hel'
    hung_up = Event()

    def hang_up(peer: Peer) -> None:
        if peer.is_gone(30):
            hung_up.set()

    upstream.queue(voigpt(), raw(half, then=hang_up))
    voichat = serve(KILLING, KILLS=str(armed))
    alice = Visitor(voichat)
    chat = alice.send("My letter")
    with alice.open(chat) as open_page:
        open_page.read_until("Writing…")
        wait_until(lambda: asked(upstream))
        voichat.kill_workers()
    assert hung_up.wait(10)
    assert words_and_ends(alice, chat) == [("My letter", "complete"), ("", "interrupted")]
    assert asked(upstream) == ["My letter"]
    alice.press("Retry", alice.get(chat).text)
    assert words_and_ends(alice, chat)[-1] == ("Hello.", "complete")
    assert asked(upstream) == ["My letter"] * 2


# At random, under load


def kill_at_random(voichat: Voichat, crowd: Crowd, is_enough: Callable[[int], bool]) -> None:
    """Now and then a worker, whichever; `is_enough` is told how many have died."""
    chances, killed = chance(), 0
    while not is_enough(killed):
        time.sleep(chances.uniform(0.0, 1.0))
        voichat.kill_worker(chances.choice(voichat.workers()))
        killed += 1
        crowd.goes_on()
    print(f"{killed} workers killed")  # noqa: T201


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_workers_killed_at_random_under_load_lose_nothing_and_ask_nothing_twice(
    serve: Serve, database: Database, armed: Path
) -> None:
    with echo() as upstream:
        voichat = serve(KILLING, KILLS=str(armed), VOIGPT_URL=upstream.url)
        with Crowd(voichat, people=10) as crowd:
            kill_at_random(voichat, crowd, lambda killed: killed == 5)
        crowd.check(database, upstream)


def take_back_nothing(serve: Serve, database: Database, armed: Path, kills: int) -> None:
    with murmur() as upstream:
        voichat = serve(KILLING, KILLS=str(armed), **speaks(upstream))
        with Crowd(voichat, people=10, kind=Reader) as crowd:
            kill_at_random(voichat, crowd, lambda killed: killed == kills)
        crowd.check(database, upstream)
        voichat.kill()  # quicker than a stop


@on_sqlite
def test_workers_killed_at_random_while_replies_stream_take_back_nothing_that_was_shown(
    serve: Serve, database: Database, armed: Path
) -> None:
    take_back_nothing(serve, database, armed, kills=10)


@pytest.mark.long
def test_a_hundred_kills_take_back_nothing_either(serve: Serve, database: Database, armed: Path) -> None:
    take_back_nothing(serve, database, armed, kills=100)


@pytest.mark.long
def test_for_many_minutes_too(serve: Serve, database: Database) -> None:
    with echo() as upstream:
        voichat = serve(VOIGPT_URL=upstream.url)
        with Crowd(voichat, people=20) as crowd:
            kill_at_random(voichat, crowd, lambda _: crowd.seconds > LONG_SECONDS)
        crowd.check(database, upstream)
