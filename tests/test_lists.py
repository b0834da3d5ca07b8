"""The list of one's chats: in which order, page by page, renamed, pinned."""

import re
from collections.abc import Sequence
from html import unescape
from time import time

import pytest
from sqlalchemy import insert, update

from tests.support.databases import rows
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.test_pages import listed
from webapp.chats import lists
from webapp.chats.history import new_id
from webapp.chats.lists import Place
from webapp.chats.text import TITLE_CHARACTERS
from webapp.db import Database, conversations

ALICE = "a" * 32
DAY = 86400.0

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def begun(database: Database, owner: str, times: Sequence[float]) -> list[str]:
    """One chat last written to at each of these times; returns their ids."""
    same = {"owner_id": owner, "title": "Chat", "model": "m", "last_seq": 0, "created_at": 0.0}
    chats = [same | {"id": new_id(), "updated_at": time} for time in times]
    with database.write() as connection:
        connection.execute(insert(conversations), chats)
    return [str(chat["id"]) for chat in chats]


def shown(page: str) -> list[str]:
    """The ids of the chats on it."""
    return re.findall(r'<a href="/chats/([0-9a-f]{32})" dir="auto">', page)


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>([^<]*)</h2>", page)


def written_at(database: Database, chat: str, seconds: float) -> None:
    with database.write() as connection:
        mine = conversations.c.id == chat.rpartition("/")[2]
        connection.execute(update(conversations).where(mine).values(updated_at=seconds))


# Order and pages


def test_page_by_page_each_chat_comes_once_also_those_of_the_same_moment(
    alice: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE", 3)
    alice.send("Hi")
    [owner] = {row["owner_id"] for row in rows(database, conversations)}
    begun(database, owner, [1e9] * 5 + [1e9 - 0.1] * 4 + [1e9 + 1 / 3])
    found, path = [], "/chats"
    while path:
        page = alice.get(path).text
        found += shown(page)
        following = re.search(r'href="([^"]*)" rel="next"', page)
        path = unescape(following[1]) if following else ""
    newest = sorted(rows(database, conversations), key=lambda row: (row["updated_at"], row["id"]), reverse=True)
    assert found == [row["id"] for row in newest]


def test_a_chat_that_is_written_to_while_pages_are_turned_makes_no_other_come_twice(database: Database) -> None:
    ids = begun(database, ALICE, [5, 4, 3, 2, 1])
    [*_, last] = lists.recent(database, ALICE, None)[:2]
    written_at(database, ids[4], 9)
    assert [chat.id for chat in lists.recent(database, ALICE, Place(last.updated_at, last.id))] == ids[2:4]


def test_chats_stand_under_their_days(alice: Person, database: Database) -> None:
    for words, ago in (("Now", 0), ("One day", 1), ("Old", 400)):
        written_at(database, alice.send(words), time() - ago * DAY)
    page = alice.get("/chats").text
    assert headings(page)[:2] == ["Today", "Yesterday"]
    assert re.fullmatch(r"\w+day, \d{1,2} \w+ 20\d\d", headings(page)[2])


# Pins


def test_a_pinned_chat_stands_on_top_and_nowhere_else_until_it_is_unpinned(alice: Person) -> None:
    one, two = alice.send("One"), alice.send("Two")
    assert alice.post(f"{one}/pin", pinned="1").headers["Location"] == one
    page = alice.get("/chats").text
    assert (listed(alice), headings(page)) == (["One", "Two"], ["Pinned", "Today"])
    assert alice.post(f"{two}/pin", pinned="1", to="list", before="").headers["Location"] == "/chats"
    assert listed(alice) == ["Two", "One"]
    alice.post(f"{one}/pin", pinned="1")  # pressed twice
    assert listed(alice) == ["Two", "One"]
    alice.post(f"{two}/pin", pinned="")
    assert listed(alice) == ["One", "Two"]


def test_there_is_a_most_of_pins_which_is_named(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_PINNED", 1)
    one, two = alice.send("One"), alice.send("Two")
    alice.post(f"{one}/pin", pinned="1")
    refused = alice.post(f"{two}/pin", pinned="1")
    assert (refused.status_code, "which is the most: unpin one" in refused.text) == (409, True)
    assert alice.post(f"{one}/pin", pinned="1").status_code == 303
    assert listed(alice) == ["One", "Two"]
    alice.post(f"{one}/delete")
    assert alice.post(f"{two}/pin", pinned="1").status_code == 303


def test_of_two_tabs_one_deletes_and_the_other_cannot_pin_or_rename_what_is_not_there(alice: Person) -> None:
    chat = alice.send("One")
    form = Page(alice.get(f"{chat}/rename")).fields
    alice.post(f"{chat}/delete")
    assert alice.post(f"{chat}/pin", pinned="1").status_code == 404
    refused = alice.post(f"{chat}/rename", **form | {"name": "My long name"})
    assert (refused.status_code, Page(refused).words) == (404, "My long name")
    alice.post(f"{chat}/restore")
    assert alice.post(f"{chat}/rename", **form | {"name": "My long name"}).status_code == 303


# Names


def test_a_chat_is_renamed(alice: Person) -> None:
    chat = alice.send("One")
    form = Page(alice.get(f"{chat}/rename")).fields
    assert form["name"] == "One"
    for _ in range(2):  # pressed twice
        assert alice.post(f"{chat}/rename", **form | {"name": " Better \n"}).headers["Location"] == chat
    assert listed(alice) == ["Better"]
    assert Page(alice.get(chat)).title.startswith("Better")


def test_of_two_tabs_the_second_is_shown_both_names_and_saves_hers_over_the_first(alice: Person) -> None:
    chat = alice.send("One")
    first, second = (Page(alice.get(f"{chat}/rename")).fields for _ in range(2))
    assert alice.post(f"{chat}/rename", **first | {"name": "First"}).status_code == 303
    conflict = alice.post(f"{chat}/rename", **second | {"name": "Second"})
    page = Page(conflict)
    assert (conflict.status_code, page.fields["name"], "First" in page.text) == (409, "Second", True)
    assert listed(alice) == ["First"]
    assert alice.post(f"{chat}/rename", **page.fields).status_code == 303
    assert listed(alice) == ["Second"]


@on_sqlite
@pytest.mark.parametrize(
    ("name", "status", "sentence"),
    [
        ("", 400, "Give the chat a name."),
        (" \u200b\n", 400, "Give the chat a name."),
        ("x" * (TITLE_CHARACTERS + 1), 413, "has 61 characters; at most 60 are taken"),
    ],
)
def test_a_name_that_is_none_or_too_long_is_refused_and_kept(
    alice: Person, name: str, status: int, sentence: str
) -> None:
    chat = alice.send("One")
    refused = alice.post(f"{chat}/rename", name=name)
    assert (refused.status_code, sentence in Page(refused).text) == (status, True)
    assert Page(refused).fields["name"] == name
    assert listed(alice) == ["One"]


@on_sqlite
def test_a_name_is_text_wherever_it_is_shown(alice: Person) -> None:
    chat = alice.send("One")
    alice.post(f"{chat}/rename", name=SCRIPT[:TITLE_CHARACTERS])
    undo = alice.post(f"{chat}/delete").headers["Location"]
    alice.post(f"{chat}/restore")
    paths = [chat, "/chats", "/", f"{chat}/rename"]
    answers = [*map(alice.get, paths), alice.post(f"{chat}/rename", version="x", name="Other")]
    alice.post(f"{chat}/delete")
    for answer in (*answers, alice.get(undo), alice.get("/chats/deleted")):
        assert Page(answer).is_harmless
