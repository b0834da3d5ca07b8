"""Chats that are deleted: an Undo, a page from which they are restored, and then they are gone."""

import re
from time import time

import pytest
from sqlalchemy import update

from tests.providers.upstream import Upstream
from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.test_pages import listed
from webapp.chats import lease
from webapp.chats.owned import DAY
from webapp.db import Database, conversations, messages

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def delete(person: Person, chat: str) -> str:
    """Where it leads."""
    answer = person.post(f"{chat}/delete")
    assert answer.status_code == 303
    return answer.headers["Location"]


def bin_of(person: Person) -> str:
    return person.get("/chats/deleted").text


def a_week_later(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(conversations).values(deleted_at=conversations.c.deleted_at - 7 * DAY))


def test_a_deleted_chat_is_gone_from_everywhere_and_undo_brings_it_back_as_it_was(alice: Person) -> None:
    chat, other = alice.send("One"), alice.send("Two")
    alice.get(chat).get_data()
    alice.post(f"{chat}/pin", pinned="1")
    undo = delete(alice, chat)
    assert listed(alice) == ["Two"]
    assert [alice.get(f"{chat}{page}").status_code for page in ("", "/rename", "/settings", ".md")] == [404] * 4
    assert alice.post(f"{chat}/messages", message="Late").status_code == 404
    notice = alice.get(undo)
    assert "Deleted: <bdi>One</bdi>" in notice.text
    assert alice.post(f"{chat}/restore", to="list").headers["Location"] == "/chats"
    assert listed(alice) == ["One", "Two"]
    assert "Undo" not in alice.get(undo).text
    assert [article.end or article.status for article in Page(alice.get(chat)).articles] == ["complete"] * 2
    assert alice.get(other).status_code == 200


def test_pressing_delete_or_restore_twice_is_once(alice: Person, database: Database) -> None:
    chat = alice.send("One")
    assert delete(alice, chat) == delete(alice, chat)
    [first] = rows(database, conversations)
    delete(alice, chat)
    assert rows(database, conversations) == [first]
    for _ in range(2):
        assert alice.post(f"{chat}/restore").headers["Location"] == "/chats/deleted"
    assert listed(alice) == ["One"]


def test_a_reply_that_waits_or_is_written_is_stopped_with_its_chat(
    alice: Person, database: Database, upstream: Upstream
) -> None:
    chat = alice.send("One")
    delete(alice, chat)
    assert [row["status"] for row in rows(database, messages) if row["role"] == "assistant"] == ["stopped"]
    assert lease.unsettled(database) == []
    assert upstream.asked_for("POST") == []


def test_mallory_sees_no_notice_and_restores_nothing(alice: Person, mallory: Person) -> None:
    chat = alice.send("Secret")
    mallory.send("Mine")
    undo = delete(alice, chat)
    assert "Undo" not in mallory.get(undo).text
    assert "Secret" not in bin_of(mallory)
    for verb in ("restore", "erase", "delete"):
        assert mallory.post(f"{chat}/{verb}").status_code == 404
    mallory.post("/chats/deleted", restore=moment(alice), until=str(time() + 1))
    assert "Secret" in bin_of(alice)


def moment(person: Person) -> str:
    """When the last one was deleted."""
    [found] = re.findall(r'name="until" value="([^"]*)"', bin_of(person))
    return str(found)


def test_deleted_chats_can_be_restored_one_by_one_until_they_are_deleted_for_good(
    alice: Person, database: Database
) -> None:
    kept, erased = alice.send("Keep"), alice.send("Erase")
    for chat in (kept, erased):
        delete(alice, chat)
    assert bin_of(alice).index("Erase") < bin_of(alice).index("Keep")
    assert alice.post(f"{erased}/erase").headers["Location"] == "/chats/deleted"
    assert "Erase" not in bin_of(alice)
    assert alice.post(f"{erased}/restore").status_code == 404
    assert alice.post(f"{erased}/delete").status_code == 404
    alice.app.extensions["voichat"].housekeeping.do()
    assert (count(database, conversations), count(database, messages)) == (1, 2)
    alice.post(f"{kept}/restore")
    assert listed(alice) == ["Keep"]


def test_what_was_restored_in_another_tab_is_not_deleted_for_good(alice: Person) -> None:
    chat = alice.send("One")
    delete(alice, chat)
    until = moment(alice)
    alice.post(f"{chat}/restore")
    assert alice.post(f"{chat}/erase").headers["Location"] == chat
    alice.post("/chats/deleted", until=until)
    assert listed(alice) == ["One"]


def test_what_was_deleted_after_the_page_was_shown_is_not_deleted_for_good_with_it(alice: Person) -> None:
    for words in ("One", "Two"):
        delete(alice, alice.send(words))
    until = moment(alice)
    delete(alice, alice.send("Three"))
    assert alice.post("/chats/deleted", until=until).headers["Location"] == "/chats/deleted"
    assert [title in bin_of(alice) for title in ("One", "Two", "Three")] == [False, False, True]


def test_after_a_week_a_deleted_chat_is_gone(alice: Person, database: Database) -> None:
    alice.send("Keep")
    chats = [alice.send(words) for words in ("One", "Two", "Three")]
    for chat in chats:
        delete(alice, chat)
    alice.app.extensions["voichat"].housekeeping.do()
    assert count(database, conversations) == 4
    a_week_later(database)
    assert alice.post(f"{chats[0]}/restore").status_code == 404
    assert "There are none." in bin_of(alice)
    alice.app.extensions["voichat"].housekeeping.do()
    assert (count(database, conversations), count(database, messages)) == (1, 2)


def test_all_chats_are_deleted_at_once_and_undo_brings_back_those_alone(alice: Person, bob: Person) -> None:
    bob.send("Bob's")
    delete(alice, alice.send("Before"))
    for words in ("One", "Two"):
        alice.send(words)
    assert "Delete all chats" in alice.get("/chats/delete").text
    undo = alice.post("/chats/delete").headers["Location"]
    assert listed(alice) == []
    assert "There are no chats to delete." in alice.get("/chats/delete").text
    assert alice.post("/chats/delete").headers["Location"] == undo  # pressed twice
    page = Page(alice.get(undo))
    assert "Deleted: 2 chats" in page.text
    assert alice.post("/chats/deleted", restore=page.fields["restore"]).headers["Location"] == "/chats"
    assert listed(alice) == ["Two", "One"]
    assert len(listed(bob)) == 1


@on_sqlite
@pytest.mark.parametrize("odd", ["", "x", "nan", "inf", "-inf", "1e999", "-1", "9" * 400, "\0", "' OR 1=1 --"])
def test_an_odd_moment_restores_and_deletes_nothing_of_anybody_elses(alice: Person, mallory: Person, odd: str) -> None:
    mallory.send("Mine")
    delete(alice, alice.send("Secret"))
    for name in ("restore", "until"):
        assert mallory.post("/chats/deleted", **{name: odd}).status_code == 303
    assert mallory.get("/chats", query_string={"deleted": odd, "deleted_at": odd}).status_code == 200
    assert alice.get("/chats", query_string={"deleted": odd, "deleted_at": odd, "before": odd}).status_code == 200
    assert "Secret" in bin_of(alice)


@on_sqlite
def test_who_has_nothing_sees_empty_pages(mallory: Person) -> None:
    assert "There are none." in bin_of(mallory)
    assert "There are no chats to delete." in mallory.get("/chats/delete").text
    assert mallory.post("/chats/delete").status_code == 404
