"""The database is held by another program, or its server is stopped, crashes and comes back; nothing is restarted."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event

import psycopg
import pytest

from tests.providers.upstream import Upstream
from tests.support import servers
from tests.support.crowd import LONG_SECONDS, PATIENCE, Crowd, chance, echo
from tests.support.databases import create_database, held_by_another
from tests.support.servers import PostgreSQL, Voichat, wait_until
from tests.support.visitors import Visitor, at_once, refusal, said
from webapp.db import BUSY_SECONDS, Database

Serve = Callable[..., Voichat]

NO_ANSWER = "The server's database does not answer."


def asked(upstream: Upstream) -> list[str]:
    return sorted(each.json["messages"][-1]["content"] for each in upstream.asked_for("POST"))


def words(visitor: Visitor, chat: str) -> list[str]:
    return [each.words for each in visitor.until_settled(chat)]


# Held by another program


def test_while_another_program_holds_the_database_it_can_be_read_and_who_sends_keeps_the_words(
    voichat: Voichat, database: Database, upstream: Upstream
) -> None:
    people = [Visitor(voichat) for _ in range(12)]
    chats = at_once(lambda person: person.send("Hi"), people)
    pages = [person.get(chat).text for person, chat in zip(people, chats, strict=True)]
    with held_by_another(database):
        began = time.monotonic()

        def send(number: int) -> str:
            refused = people[number].press("Send", pages[number], message="My letter")
            assert refusal(refused) == ("The server's database is busy.", "My letter")
            return refused.text

        def read(number: int) -> str:
            shown = said(people[number].get(chats[number]).text)
            assert [each.words for each in shown] == ["Hi", "Hello."]
            assert time.monotonic() - began < BUSY_SECONDS / 2
            return ""

        refusals = at_once(lambda one: one[0](one[1]), [(work, n) for n in range(12) for work in (send, read)])
        assert time.monotonic() - began < 2 * BUSY_SECONDS + 5
    for person, chat, page in zip(people, chats, filter(None, refusals), strict=True):
        assert person.press("Send", page, message="My letter").headers["Location"] == chat
    for person, chat in zip(people, chats, strict=True):
        assert words(person, chat) == ["Hi", "Hello.", "My letter", "Hello."]
    assert asked(upstream) == ["Hi"] * 12 + ["My letter"] * 12


# PostgreSQL stops and comes back


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[PostgreSQL]:
    with TemporaryDirectory() as folder, servers.postgresql(Path(folder)) as server:
        create_database(server.url, "voichat")
        servers.migrate(f"{server.url}/voichat", Path(folder))
        yield server


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["stopped", "crashed", "killed"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # not the one that all tests share
def test_while_postgresql_is_away_the_words_are_kept_and_once_it_is_back_all_is_well(
    serve: Serve, own_postgresql: PostgreSQL, may_answer: Event, upstream: Upstream, how: signal.Signals
) -> None:
    voichat = serve(DATABASE_URL=f"{own_postgresql.url}/voichat")
    alice, bob = Visitor(voichat), Visitor(voichat)
    alices = alice.send("Hi")
    alice.until_settled(alices)
    page = alice.get(alices).text
    may_answer.clear()
    bobs = bob.send("Are you there?")
    with bob.open(bobs) as open_page:
        open_page.read_until("Writing…")
        wait_until(lambda: len(asked(upstream)) == 2)
        own_postgresql.stop(how)
        for _ in range(4):
            refused = alice.press("Send", page, message="My letter")
            assert refusal(refused) == (NO_ANSWER, "My letter")
            assert refusal(alice.get(alices)) == (NO_ANSWER, "")
        may_answer.set()
        wait_until(lambda: "cannot be stored yet" in voichat.output())

        own_postgresql.start()
        assert alice.press("Send", refused.text, message="My letter").headers["Location"] == alices
        assert words(bob, bobs) == ["Are you there?", "Hello."]
        assert said(open_page.read_to_its_end())[-1].words == "Hello."
    assert words(alice, alices) == ["Hi", "Hello.", "My letter", "Hello."]
    assert asked(upstream) == ["Are you there?", "Hi", "My letter"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_postgresql_that_has_become_read_only_shows_the_chats_and_takes_words_again_afterwards(
    voichat: Voichat, database: Database
) -> None:
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    set_read_only(database, True)
    refused = alice.press("Send", alice.get(chat).text, message="My letter")
    assert refusal(refused) == ("The server's database can only be read.", "My letter")
    set_read_only(database, False)
    wait_until(lambda: alice.press("Send", refused.text, message="My letter").status == 303)
    assert words(alice, chat) == ["Hi", "Hello.", "My letter", "Hello."]


def set_read_only(database: Database, is_read_only: bool) -> None:
    """For new sessions; of the old ones nobody is told. When it becomes so, as at a failover, all of them end."""
    url, name = database.engine.url.set(drivername="postgresql", database="postgres"), database.engine.url.database
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {is_read_only}')
        if is_read_only:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # not the one that all tests share
def test_for_many_minutes_postgresql_comes_and_goes_and_workers_die_under_load(
    serve: Serve, own_postgresql: PostgreSQL
) -> None:
    create_database(own_postgresql.url, "long", "TEMPLATE voichat")
    database = Database(f"{own_postgresql.url}/long")
    with echo() as upstream:
        voichat = serve(DATABASE_URL=f"{own_postgresql.url}/long", VOIGPT_URL=upstream.url)
        with Crowd(voichat, people=20) as crowd:
            chances = chance()
            while crowd.seconds < LONG_SECONDS:
                go_away(own_postgresql, voichat, chances)
                before = crowd.acknowledged
                wait_until(lambda: crowd.acknowledged > before, PATIENCE)  # noqa: B023
                time.sleep(chances.uniform(0, 5))
        crowd.check(database, upstream)
    database.close()


def go_away(server: PostgreSQL, voichat: Voichat, chances: Random) -> None:
    server.stop(chances.choice([signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]))
    if chances.random() < 0.5:
        voichat.kill_worker(chances.choice(voichat.workers()))
    time.sleep(chances.uniform(0, 15))
    server.start()
