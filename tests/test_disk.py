"""The disk under the data folder is full or read-only: nothing is lost, and it heals by itself."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import update

from tests.providers.upstream import Upstream
from tests.support.databases import held_by_another
from tests.support.disks import Disk, small_disk
from tests.support.servers import Voichat, wait_until
from tests.support.servers import refusal as refusal_to_start
from tests.support.visitors import Visitor, refusal, said
from webapp.db import Database, sessions
from webapp.web.sessions import DAY

Serve = Callable[..., Voichat]

LETTER = "My long letter. " * 1000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def database_url(disk: Disk, sqlite_template: Path) -> str:
    path = disk.folder / "voichat.sqlite3"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def settings(disk: Disk) -> dict[str, str]:
    return {"VOICHAT_DATA": str(disk.folder)}


def words_and_ends(visitor: Visitor, chat: str) -> list[tuple[str, str]]:
    return [(each.words, each.status) for each in visitor.until_settled(chat)]


def asked(upstream: Upstream) -> list[str]:
    return [each.json["messages"][-1]["content"] for each in upstream.asked_for("POST")]


def let_days_pass(database: Database) -> None:
    """So that a visit is due to be written down."""
    with database.write() as connection:
        connection.execute(update(sessions).values(seen_at=sessions.c.seen_at - 2 * DAY))
    database.close()


def test_on_a_full_disk_the_words_stay_in_the_composer_and_a_reply_waits_to_be_stored_until_there_is_room(
    voichat: Voichat, disk: Disk, may_answer: Event, upstream: Upstream
) -> None:
    alice, bob, newcomer = Visitor(voichat), Visitor(voichat), Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    may_answer.clear()
    bobs = bob.send("Are you there?")
    with bob.open(bobs) as open_page:
        open_page.read_until("Writing…")
        wait_until(lambda: len(asked(upstream)) == 2)
        disk.fill()
        refused = alice.press("Send", alice.get(chat).text, message=LETTER)
        assert refusal(refused) == ("The server's database has no disk space left.", LETTER)
        assert refusal(newcomer.press("Send", newcomer.get("/").text, message="Hi")) == (
            "The server's database has no disk space left.",
            "Hi",
        )
        assert newcomer.cookie == ""
        assert [each.words for each in said(alice.get(chat).text)] == ["Hi", "Hello."]
        may_answer.set()
        wait_until(lambda: "cannot be stored yet" in voichat.output())

        disk.free()
        assert words_and_ends(bob, bobs) == [("Are you there?", "complete"), ("Hello.", "complete")]
        assert said(open_page.read_to_its_end())[-1].words.endswith("Hello.")
    assert alice.press("Send", refused.text, message=LETTER).headers["Location"] == chat
    assert words_and_ends(alice, chat)[2:] == [(LETTER.strip(), "complete"), ("Hello.", "complete")]
    assert asked(upstream) == ["Hi", "Are you there?", LETTER]


def test_a_read_only_disk_can_be_read_and_what_waits_is_answered_once_it_can_be_written(
    serve: Serve, environment: dict[str, str], disk: Disk, database: Database, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    voichat = serve("tests.support.kills:app", KILLS=str(disk.folder), WEB_CONCURRENCY="1", VOICHAT_REPLIES="1")
    alice, bob = Visitor(voichat), Visitor(voichat)
    alices = alice.send("I hold the only place")
    wait_until(lambda: asked(upstream))
    bobs = bob.send("I wait")
    let_days_pass(database)  # while the server has the database open too: whoever closes it last takes its WAL away
    with held_by_another(database):  # what a kill in the middle of a write leaves, nobody can recover without writing
        voichat.kill()  # nobody can make a disk read-only while files are open there, but a failing disk
    may_answer.set()
    disk.make_read_only()
    assert "cannot be written (Read-only file system)" in refusal_to_start(environment)

    voichat.start()
    refused = alice.press("Send", alice.get(alices).text, message="My letter")
    assert refusal(refused) == ("The server's database can only be read.", "My letter")
    with bob.open(bobs) as open_page:
        assert [each.words for each in said(open_page.read_until("Writing…"))] == ["I wait"]
        disk.make_writable()
        wait_until(lambda: "I wait" in asked(upstream))
        assert said(open_page.read_to_its_end())[-1].words.endswith("Hello.")
    assert alice.press("Send", refused.text, message="My letter").headers["Location"] == alices
    assert words_and_ends(alice, alices) == [
        ("I hold the only place", "complete"),
        ("", "interrupted"),
        ("My letter", "complete"),
        ("Hello.", "complete"),
    ]
    assert asked(upstream) == ["I hold the only place", "I wait", "My letter"]
