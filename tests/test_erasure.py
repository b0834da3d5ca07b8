"""Delete everything about me: gone from every page at once, and from the files; nothing late brings it back."""

import secrets
from pathlib import Path
from threading import Event
from time import time

import pytest
from flask import Flask
from sqlalchemy import insert, update

from tests.support.databases import count, rows
from tests.support.people import Person
from tests.support.servers import wait_until
from tests.support.world import dump
from tests.test_recovery import answered, made, opened, same_browser, status
from tests.test_signin import PASSWORD, sign_in
from webapp.chats import erasure, history, lease, passages
from webapp.chats.files import Files
from webapp.chats.records import Draft, NotFound
from webapp.db import (
    Database,
    accounts,
    attachments,
    conversations,
    erasures,
    messages,
    presets,
    recoveries,
    sessions,
    shares,
    submissions,
)

BY_PROXY = {"VOICHAT_AUTH": "proxy", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}
MODEL = "guide/gpt-3.5-turbo"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])
by_proxy = pytest.mark.parametrize("settings", [BY_PROXY], ids=["proxy"])
limited = pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_OWNER": "60/minute 8 replies"}], ids=["limits"])


def fail(*_conditions: object) -> bool:
    raise ZeroDivisionError


def keep_house(app: Flask) -> None:
    app.extensions["voichat"].housekeeping.do()


def kept_pictures(person: Person) -> list[str]:
    return sorted(path.name for path in (person.app.extensions["voichat"].settings.data / "attachments").iterdir())


def owner_of(database: Database, words: str) -> str:
    return next(str(row["owner_id"]) for row in rows(database, conversations) if words in row["title"])


def give_all(database: Database, person: Person, words: str) -> str:
    """Something of every kind; returns the owner's id."""
    chat_id = answered(person, f"Message {words}", system=f"Prompt {words}").rpartition("/")[2]
    answered(person, f"Secretly {words}", temporary="on")
    binned = answered(person, f"Binned {words}").rpartition("/")[2]
    person.post("/presets", name=f"Preset {words}", system=f"Told {words}")
    made(person)
    reply = next(row for row in rows(database, messages) if row["conversation_id"] == chat_id and row["parent_id"])
    picture_id = secrets.token_hex(16)
    person.app.extensions["voichat"].files.put(picture_id, f"Pixels {words}".encode())
    with database.write() as connection:
        connection.execute(update(conversations).where(conversations.c.id == binned).values(deleted_at=time()))
        thought = update(messages).where(messages.c.id == reply["id"])
        connection.execute(thought.values(reasoning=f"Thought {words}", text=f"Answer {words}", problem=f"No {words}"))
        picture = dict(id=picture_id, conversation_id=chat_id, message_id=reply["id"], position=0)
        file = dict(name=f"{words}.png", kind="image/png", size=1, width=1, height=1, created_at=time())
        connection.execute(insert(attachments).values(picture | file))
        share = dict(id=secrets.token_hex(16), conversation_id=chat_id, leaf_id=reply["id"], goes_on=False)
        connection.execute(
            insert(shares).values(share | dict(name=f"Name {words}", title=f"Title {words}", created_at=time()))
        )
    while passages.index(database):
        pass
    return owner_of(database, words)


@limited
def test_all_of_it_is_gone_at_once_and_nothing_of_anybody_elses(alice: Person, bob: Person, database: Database) -> None:
    give_all(database, bob, "Bobs")
    before, pictures = dump(database), kept_pictures(alice)
    owner = give_all(database, alice, "Alices")
    page = alice.get("/erase").text
    for line in ("3 chats", "1 preset", "1 share link", "1 attachment", "a recovery link"):
        assert line in page
    answer = alice.post("/erase", sure="on")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/erase")
    assert "Nothing is stored" in alice.get("/erase").text
    after = dump(database)
    assert kept_pictures(alice) == pictures
    for table in (conversations, messages, presets, attachments, shares, recoveries):
        assert after[table.name] == before[table.name], table.name
    assert owner not in repr(after | {"erasures": []})
    assert "Alices" not in repr(after)
    assert after["submissions"] != before["submissions"], "else a late resend would be a new message"


def test_without_the_tick_nothing_is_deleted(alice: Person, database: Database) -> None:
    chat = answered(alice, "Mine")
    answer = alice.post("/erase")
    assert answer.status_code == 400
    assert "Nothing was deleted" in answer.text
    assert status(alice, chat) == 200
    assert count(database, erasures) == 0


def test_every_browser_with_that_history_begins_anew(
    app: Flask, alice: Person, bob: Person, database: Database
) -> None:
    chat = answered(alice, "Mine")
    opened(bob, made(alice))
    late = same_browser(bob)
    alice.post("/erase", sure="on")
    assert alice.client.get_cookie("voichat") is None
    for browser in (bob, late):
        assert status(browser, chat) == 404
        assert browser.post(f"{chat}/messages", message="Late").status_code == 404
    assert "Mine" not in bob.get("/chats").text
    answered(bob, "Anew")
    keep_house(app)
    assert [row["title"] for row in rows(database, conversations)] == ["Anew"]
    assert len([row for row in rows(database, sessions) if not row["ended"]]) == 1


def test_pressing_it_twice_and_in_a_browser_that_holds_nothing_does_no_harm(
    alice: Person, mallory: Person, database: Database
) -> None:
    answered(alice, "Mine")
    twice = same_browser(alice)
    for browser in (alice, twice, mallory):
        assert browser.post("/erase", sure="on").status_code == 303
    assert count(database, conversations) == 0


def test_a_request_that_was_on_its_way_leaves_nothing_behind(app: Flask, alice: Person, database: Database) -> None:
    answered(alice, "Mine")
    owner = owner_of(database, "Mine")
    alice.post("/erase", sure="on")
    history.begin(database, owner, Draft("Late", MODEL))
    bobs = history.begin(database, "b" * 32, Draft("His", MODEL))
    keep_house(app)
    assert [row["id"] for row in rows(database, conversations)] == [bobs.conversation_id]


def test_what_somebody_brings_along_at_that_moment_is_not_deleted_with_it(database: Database, tmp_path: Path) -> None:
    history.begin(database, "a" * 32, Draft("Mine", MODEL))
    history.begin(database, "b" * 32, Draft("His", MODEL))
    erasure.erase(database, Files(tmp_path), "a" * 32)
    with pytest.raises(NotFound):
        history.adopt(database, "b" * 32, "a" * 32)
    erasure.late(database, Files(tmp_path))
    assert [row["title"] for row in rows(database, conversations)] == ["His"]


def test_what_a_kill_has_left_is_out_of_reach_and_deleted_by_the_housekeeping(
    app: Flask, alice: Person, bob: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = answered(alice, "Mine")
    opened(bob, made(alice))
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "delete_some", fail)
        assert alice.post("/erase", sure="on").status_code == 500
    assert count(database, conversations) == 1
    for browser in (alice, bob):
        assert status(browser, chat) == 404
        assert "Mine" not in browser.get("/chats").text
    keep_house(app)
    assert count(database, conversations) == count(database, messages) == 0


def test_after_a_day_nobody_knows_who_was_deleted(app: Flask, alice: Person, database: Database) -> None:
    answered(alice, "Mine")
    owner = owner_of(database, "Mine")
    alice.post("/erase", sure="on")
    keep_house(app)
    assert owner in repr(dump(database))
    with database.write() as connection:
        connection.execute(update(erasures).values(erased_at=time() - erasure.LATE_SECONDS - 1))
    keep_house(app)
    assert owner not in repr(dump(database))


def test_a_reply_that_is_being_written_is_stopped_and_stores_nothing(
    app: Flask, alice: Person, database: Database, may_answer: Event
) -> None:
    may_answer.clear()
    alice.send("Mine")
    [reply] = lease.unsettled(database)
    app.extensions["voichat"].replies.start(reply.id)
    assert [row["status"] for row in rows(database, messages)] == ["complete", "live"]
    alice.post("/erase", sure="on")
    wait_until(lambda: not app.extensions["voichat"].replies._writers._live)
    assert count(database, messages) == 0


def test_a_reply_is_given_up_by_whoever_writes_it_once_its_row_is_gone(
    app: Flask, alice: Person, database: Database, may_answer: Event, tmp_path: Path
) -> None:
    """As another process does, which cannot see any more that it is to stop."""
    may_answer.clear()
    alice.send("Mine")
    [reply] = lease.unsettled(database)
    app.extensions["voichat"].replies.start(reply.id)
    erasure.erase(database, Files(tmp_path), reply.owner_id)
    wait_until(lambda: not app.extensions["voichat"].replies._writers._live)
    assert count(database, messages) == 0


@by_proxy
def test_with_an_account_the_account_goes_too(alice: Person, database: Database) -> None:
    name, other = {"X-Forwarded-User": "alice"}, {"X-Forwarded-User": "mallory"}
    for given, words in ((name, "Mine"), (other, "Hers")):
        chat = alice.client.post("/chats", data={"message": words}, headers=given).headers["Location"]
        alice.get(chat, headers=given).get_data()
    page = alice.get("/chats", headers=name).text
    assert 'href="/erase"' in page
    assert "alice" in alice.get("/erase", headers=name).text
    assert alice.client.post("/erase", data={"sure": "on"}, headers=name).status_code == 303
    assert [row["name"] for row in rows(database, accounts)] == ["mallory"]
    assert [row["title"] for row in rows(database, conversations)] == ["Hers"]
    assert "Nothing is stored" in alice.get("/erase", headers=name).text


@with_password
@on_sqlite
def test_who_has_signed_out_deletes_nothing(alice: Person, database: Database) -> None:
    sign_in(alice)
    answered(alice, "Mine")
    alice.post("/logout")
    assert alice.post("/erase", sure="on").status_code == 403
    assert count(database, conversations) == 1


# In the files


def found_in(folder: Path, words: bytes) -> list[str]:
    """The files that hold the words, in whatever case."""
    return [path.name for path in folder.rglob("*") if path.is_file() and words.lower() in path.read_bytes().lower()]


@on_sqlite
def test_no_file_of_the_data_folder_holds_a_word_of_it(
    app: Flask, alice: Person, bob: Person, database: Database, tmp_path: Path
) -> None:
    """Among chats of others, with text that grew as replies do, so that rows moved from page to page."""
    words = "Xylophonquux"
    for number in range(12):
        answered(bob, f"Bob's {number} " + "ordinary words " * 60)
        answered(alice, f"{words} {number} " + f"{words} " * 40, system=f"{words} " * 10)
    give_all(database, alice, words)
    for row in rows(database, messages):
        for size in (50, 300, 900):
            with database.write() as connection:
                grown = row["text"] + f" {words if words in row['text'] else 'ordinary'}" * size
                connection.execute(update(messages).where(messages.c.id == row["id"]).values(text=grown))
    assert found_in(tmp_path, words.encode())
    alice.post("/erase", sure="on")
    keep_house(app)
    assert count(database, conversations) == 12
    assert found_in(tmp_path, words.encode()) == []


@on_sqlite
def test_a_reader_in_the_way_puts_it_off_and_takes_nothing(alice: Person, database: Database) -> None:
    answered(alice, "Mine")
    with database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM messages").scalar()
        alice.post("/erase", sure="on")
        assert not database.checkpoint()
    assert database.checkpoint()


@on_sqlite
def test_the_hashes_of_what_was_sent_stay(alice: Person, database: Database) -> None:
    answered(alice, "Mine")
    kept = rows(database, submissions)
    alice.post("/erase", sure="on")
    assert rows(database, submissions) == kept
