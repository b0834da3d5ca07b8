"""The chats beside a page: whose they are, that they cost little, and that no page needs them."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from tests.support.databases import rows
from tests.support.people import Person
from tests.test_lists import begun
from tests.test_signin import PASSWORD, sign_in
from webapp.chats import lists
from webapp.db import Database, conversations
from webapp.pages.sidebar import MOST

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])

Asked = list[tuple[str, Any]]


def asked(database: Database) -> Asked:
    """What the database is asked from now on."""
    queries: Asked = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: queries.append((a[2], a[3])))
    return queries


def plan(database: Database, query: str, values: Any) -> str:
    with database.read() as connection:
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return str(connection.exec_driver_sql(f"{explain} {query}", values).all())


def beside(page: str) -> list[str]:
    """The titles, with a star at the one that is shown."""
    found = re.search('<nav class="sidebar".*?</nav>', page, re.DOTALL)
    links = re.findall(
        r'<a href="/chats/[0-9a-f]{32}" dir="auto"( aria-current="page")?>([^<]*)', found[0] if found else ""
    )
    return [f"{'*' if current else ''}{title}" for current, title in links]


def test_the_newest_chats_stand_beside_a_chat_and_a_new_one_the_pinned_on_top(alice: Person, bob: Person) -> None:
    bob.send("Bob's")
    one, two = alice.send("One"), alice.send("Two")
    alice.post(f"{alice.send('Three')}/pin", pinned="1")
    alice.post(f"{alice.send('Gone')}/delete")
    assert beside(alice.get("/").text) == ["Three", "Two", "One"]
    for _ in ("while it is written", "afterwards"):
        assert beside(alice.get(one).text) == ["Three", "Two", "*One"]
    assert beside(alice.get(two).text) == ["Three", "*Two", "One"]


@on_sqlite
def test_for_somebody_who_has_nothing_there_is_none_and_the_database_is_not_asked(app: Flask, mallory: Person) -> None:
    queries = asked(app.extensions["voichat"].database)
    assert "sidebar" not in mallory.get("/").text
    assert queries == []


@on_sqlite
def test_it_is_a_few_kilobytes_however_many_chats_there_are(alice: Person, database: Database) -> None:
    without = len(alice.get("/").data)
    alice.send("Hi")
    begun(database, rows(database, conversations)[0]["owner_id"], range(1000))
    page = alice.get("/")
    assert len(beside(page.text)) == MOST
    assert len(page.data) - without < 5000


def test_of_ten_thousand_chats_no_more_are_read_than_are_shown(database: Database) -> None:
    begun(database, "a" * 32, [float(number * 7919 % 10_000) for number in range(10_000)])
    if not database.is_sqlite:
        with database.write() as connection:
            connection.exec_driver_sql("ANALYZE conversations")
    queries = asked(database)
    assert len(lists.front(database, "a" * 32, MOST).recent) == MOST
    lists.recent(database, "a" * 32, lists.Place(5000.0, "a" * 32))
    pinned, newest, later = [plan(database, *query) for query in list(queries) if query[0].startswith("SELECT")]
    assert "ix_conversations_pinned" in pinned
    for found in (newest, later):
        assert "ix_conversations_listed" in found
        assert not re.search("Sort|TEMP B-TREE|SCAN", found)


# Titles that the browser keeps


@on_sqlite
@with_password
def test_where_somebody_can_sign_out_the_browser_keeps_no_titles(alice: Person) -> None:
    sign_in(alice)
    assert alice.get("/").headers["Cache-Control"] == "no-store"
    assert alice.post("/logout").headers["Clear-Site-Data"] == '"cache"'


@on_sqlite
def test_a_browser_that_is_forgotten_is_told_to_forget(alice: Person) -> None:
    alice.send("Hi")
    assert alice.get("/").headers["Cache-Control"] == "private, no-cache"
    assert alice.post("/forget").headers["Clear-Site-Data"] == '"cache"'
