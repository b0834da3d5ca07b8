"""A finished message is put together once, and is never shown as it is no more."""

import re

import pytest
from sqlalchemy import update

from tests.support.pages import Page
from tests.support.people import Person, submit_id
from webapp.db import Database, messages
from webapp.pages.kept import Kept

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def articles(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page, re.DOTALL)


@pytest.fixture
def chat(alice: Person) -> str:
    """Two turns that have been looked at."""
    chat = alice.send("First")
    alice.get(chat).get_data()
    alice.send("Second", chat)
    alice.get(chat).get_data()
    return chat


@ON_SQLITE
def test_it_is_the_same_each_time(alice: Person, chat: str) -> None:
    once, again = (articles(alice.get(chat).text) for _ in range(2))
    assert len(once) == 4
    assert once[:3] == again[:3]


@ON_SQLITE
def test_the_newest_has_the_submit_id_of_its_page(alice: Person, chat: str) -> None:
    for _ in range(2):
        page = alice.get(chat).text
        assert submit_id(articles(page)[3]) == submit_id(page)
        assert "\0" not in page


@ON_SQLITE
def test_it_speaks_the_language_of_whoever_looks(alice: Person, chat: str) -> None:
    assert ">Edit</a>" in articles(alice.get(chat).text)[0]
    assert ">Изменить</a>" in articles(alice.get(chat, headers={"Accept-Language": "ru"}).text)[0]
    assert ">Edit</a>" in articles(alice.get(chat).text)[0]


@ON_SQLITE
def test_it_has_its_versions_once_there_are_some(alice: Person, chat: str) -> None:
    assert "1 / 2" not in alice.get(chat).text
    first = Page(alice.get(chat)).articles[0].id
    alice.send("First, but better", chat, edits=first)
    assert "1 / 2" in articles(alice.get(f"{chat}?at={first}").text)[0]


@ON_SQLITE
def test_it_has_what_came_after_its_runner_had_fallen_silent(alice: Person, chat: str, database: Database) -> None:
    reply = Page(alice.get(chat)).articles[1].id
    for text in ("As far as", "As far as it came"):
        silent = dict(status="live", lease_until=0.0, settled_at=None, text=text)
        with database.write() as connection:
            connection.execute(update(messages).where(messages.c.id == reply).values(silent | dict(renderer=0)))
        assert f"<p>{text}</p>" in articles(alice.get(chat).text)[1]


@ON_SQLITE
def test_nobody_else_gets_it(alice: Person, mallory: Person, chat: str) -> None:
    alice.get(chat).get_data()
    mallory.send("I have a session")
    assert mallory.get(chat).status_code == 404


def test_what_was_used_last_is_kept_and_no_more_than_so_much() -> None:
    kept = Kept(10)
    kept.add("a", "12345")
    kept.add("b", "12345")
    assert kept.get("a") == "12345"
    kept.add("c", "1234")
    assert [kept.get(key) for key in "abc"] == ["12345", None, "1234"]
    kept.add("d", "12345678901")
    assert [kept.get(key) for key in "acd"] == [None, None, None]
    kept.add("e", "1234567890")
    kept.add("e", "123")
    kept.add("f", "1234567")
    assert [kept.get(key) for key in "ef"] == ["123", "1234567"]
