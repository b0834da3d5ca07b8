"""Temporary chats and retention: in no list, gone in time, and never while somebody waits for an answer."""

from time import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, update

from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person, submit_id
from tests.test_signin import PASSWORD
from webapp.chats import deletion, expiry, history, lease, lists
from webapp.chats.records import Draft, NotFound
from webapp.db import Database, conversations, messages

DAY = 86400.0
ALICE = "a" * 32
KEPT_A_WEEK = {"VOICHAT_RETENTION_DAYS": "7"}
for_a_week = pytest.mark.parametrize("settings", [KEPT_A_WEEK], ids=["retention"])
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])


def age(database: Database, seconds: float) -> None:
    """All chats were written to so long ago."""
    with database.write() as connection:
        connection.execute(update(conversations).values(updated_at=time() - seconds))


def keep_house(app: Flask) -> None:
    app.extensions["voichat"].housekeeping.do()


def titles(database: Database) -> set[str]:
    return {row["title"] for row in rows(database, conversations)}


def answered(person: Person, words: str, **form: str) -> str:
    """A chat whose reply has come."""
    chat = person.send(words, **form)
    person.get(chat).get_data()
    return chat


def long_chat(database: Database, title: str, length: int, updated_at: float) -> str:
    """Of Alice's, each message following the one before; returns its id."""
    chat_id, ids = history.new_id(), [history.new_id() for _ in range(length)]
    chat = dict(id=chat_id, owner_id=ALICE, title=title, model="m", last_seq=length, created_at=1.0)
    same = dict(conversation_id=chat_id, role="user", status="complete", text="", html="", renderer=0)
    same |= dict(model="m", problem="", attempt=0, created_at=1.0)
    with database.write() as connection:
        connection.execute(insert(conversations).values(chat | {"updated_at": updated_at}))
        parents = [None, *ids[:-1]]
        said = [same | dict(id=each, parent_id=parents[n], seq=n + 1) for n, each in enumerate(ids)]
        connection.execute(insert(messages), said)
    return chat_id


def test_a_temporary_chat_is_in_no_list_and_opens_by_its_address(alice: Person, mallory: Person) -> None:
    chat = answered(alice, "Between us", temporary="on")
    answered(alice, "Ordinary")
    listed = alice.get("/chats").text
    assert "Ordinary" in listed
    assert "Between us" not in listed
    assert "Temporary chat" in alice.get(chat).text
    assert alice.post(f"{chat}/messages", message="And on").status_code == 303
    assert alice.post(f"{chat}/stop").status_code == 303
    assert mallory.get(chat).status_code == 404


def test_it_is_deleted_for_good_a_day_after_its_last_message(app: Flask, alice: Person, database: Database) -> None:
    chat = answered(alice, "Between us", temporary="on")
    answered(alice, "Ordinary")
    age(database, DAY - 60)
    keep_house(app)
    assert alice.get(chat).status_code == 200
    age(database, DAY + 1)
    keep_house(app)
    assert titles(database) == {"Ordinary"}
    assert count(database, messages) == 2
    assert alice.get(chat).status_code == 404


def test_its_page_says_when_it_goes_and_no_other_page_does(alice: Person) -> None:
    chat = answered(alice, "Between us", temporary="on")
    page = alice.get(chat).text
    assert "deleted for good a day after its last message" in page
    assert f'action="{chat}/keep"' in page
    assert "Temporary chat." not in alice.get(answered(alice, "Ordinary")).text


def test_a_temporary_chat_that_is_kept_is_an_ordinary_one_and_stays_so(
    app: Flask, alice: Person, database: Database
) -> None:
    chat = answered(alice, "Between us", temporary="on")
    for _ in range(2):
        answer = alice.post(f"{chat}/keep")
        assert (answer.status_code, answer.headers["Location"]) == (303, chat)
    assert "Between us" in alice.get("/chats").text
    age(database, 1000 * DAY)
    keep_house(app)
    assert alice.get(chat).status_code == 200


def test_who_keeps_a_branch_comes_back_to_it(alice: Person) -> None:
    chat = answered(alice, "Between us", temporary="on")
    reply = Page(alice.get(chat)).articles[-1].id
    assert alice.post(f"{chat}/keep", at=reply).headers["Location"] == f"{chat}?at={reply}"


def test_a_chat_that_was_deleted_cannot_be_kept(app: Flask, alice: Person, database: Database) -> None:
    chat = answered(alice, "Between us", temporary="on")
    age(database, DAY + 1)
    keep_house(app)
    assert alice.post(f"{chat}/keep").status_code == 404
    assert count(database, conversations) == 0


def test_a_double_click_is_one_chat_and_the_same_words_as_an_ordinary_chat_are_another(
    alice: Person, database: Database
) -> None:
    answered(alice, "I am known here")
    form = {"message": "Hi", "submit_id": submit_id(alice.get("/").text)}
    first = alice.post("/chats", temporary="on", **form).headers["Location"]
    assert alice.post("/chats", temporary="on", **form).headers["Location"] == first
    assert alice.post("/chats", **form).headers["Location"] != first
    assert [row["is_temporary"] for row in rows(database, conversations)].count(True) == 1


@on_sqlite
def test_the_tick_is_kept_with_the_words_on_an_error(alice: Person) -> None:
    assert "temporary" in Page(alice.post("/chats", message="Hi", model="none/none", temporary="on")).fields
    assert "temporary" not in Page(alice.post("/chats", message="Hi", model="none/none")).fields
    assert "temporary" not in Page(alice.get("/")).fields


@with_password
@on_sqlite
def test_the_tick_is_kept_while_somebody_signs_in(alice: Person) -> None:
    form = Page(alice.post("/chats", message="Hi", temporary="on")).fields
    kept = Page(alice.post("/login", **form | {"password": PASSWORD["VOICHAT_PASSWORD"]}))
    assert kept.words == "Hi"
    assert "temporary" in kept.fields


def test_a_chat_with_a_reply_that_waits_or_is_written_is_not_cut_off(database: Database) -> None:
    sent = history.begin(database, ALICE, Draft("Hi", "guide/gpt-3.5-turbo", is_temporary=True))
    age(database, 30 * DAY)
    assert not expiry.temporary(database)
    assert not expiry.old(database, 7)
    [reply_id] = lease.unsettled_of(database, sent.conversation_id)
    claim = lease.claim(database, reply_id, "runner")
    assert claim
    assert not expiry.temporary(database)
    assert count(database, conversations) == 1
    assert lease.settle(database, claim, lease.Outcome("complete", "Hello."))
    expiry.temporary(database)
    assert count(database, conversations) == 0


@for_a_week
def test_what_is_past_its_time_is_deleted_pinned_or_not_and_nothing_else(
    app: Flask, alice: Person, database: Database
) -> None:
    for words in ("Old", "Pinned"):
        answered(alice, words)
    with database.write() as connection:
        connection.execute(update(conversations).where(conversations.c.title == "Pinned").values(pinned_at=time()))
    age(database, 7 * DAY + 1)
    answered(alice, "New")
    keep_house(app)
    assert titles(database) == {"New"}


@for_a_week
def test_a_week_is_a_week(app: Flask, alice: Person, database: Database) -> None:
    answered(alice, "Young")
    age(database, 7 * DAY - 60)
    keep_house(app)
    assert titles(database) == {"Young"}


def test_nothing_is_deleted_where_nobody_asked_for_it(app: Flask, alice: Person, database: Database) -> None:
    answered(alice, "Old")
    age(database, 10_000 * DAY)
    keep_house(app)
    assert titles(database) == {"Old"}


@for_a_week
@on_sqlite
def test_every_page_of_chats_says_how_long_they_are_kept(alice: Person) -> None:
    for path in ("/", "/chats", answered(alice, "Hi")):
        assert "deleted for good 7 days after their last message, pinned ones too" in alice.get(path).text


@on_sqlite
def test_where_they_are_kept_no_page_says_anything(alice: Person) -> None:
    for path in ("/", "/chats", answered(alice, "Hi")):
        assert "after their last message" not in alice.get(path).text


def test_they_go_one_at_a_time_the_oldest_first(database: Database) -> None:
    for number in range(3):
        long_chat(database, f"{number}", 2, updated_at=float(3 - number))
    assert expiry.old(database, 7)
    assert titles(database) == {"0", "1"}
    assert [expiry.old(database, 7) for _ in range(3)] == [True, True, False]
    assert titles(database) == set()


def test_a_long_chat_goes_in_short_steps_and_is_not_seen_from_the_first_on(database: Database) -> None:
    """Each message takes along those that follow it: from the first, SQLite would have to follow 1 500 of them."""
    chat_id = long_chat(database, "Long", 1500, updated_at=1.0)
    assert lists.conversation(database, ALICE, chat_id)
    assert expiry.old(database, 7)
    assert count(database, messages) == 1500 - deletion.MESSAGES_AT_ONCE
    with pytest.raises(NotFound):
        lists.conversation(database, ALICE, chat_id)
    while expiry.old(database, 7):
        pass
    assert (count(database, conversations), count(database, messages)) == (0, 0)


@on_sqlite
@pytest.mark.parametrize(("days", "index"), [(None, "temporary"), (7, "updated_at")])
def test_what_is_over_is_found_by_an_index_however_many_chats_there_are(
    database: Database, days: int | None, index: str
) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: statements.append((a[2], a[3])))
    assert not (expiry.old(database, days) if days else expiry.temporary(database))
    with database.read() as connection:
        steps = [
            row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[-1][0]}", statements[-1][1])
        ]
    assert any(f"ix_conversations_{index}" in step for step in steps)
    assert not any(step.startswith("SCAN") or "TEMP B-TREE" in step for step in steps), steps
