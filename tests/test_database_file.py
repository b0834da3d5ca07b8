"""SQLite's file is moved, lost or damaged: people and the admin hear of it, and no empty history takes its place."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import Voichat
from tests.support.servers import refusal as refusal_to_start
from tests.support.visitors import Visitor, refusal, said
from webapp.chats import history
from webapp.chats.records import Draft
from webapp.db import Database

Serve = Callable[..., Voichat]

ALICE = "a" * 32
PAGE = 4096

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def file(database: Database) -> Path:
    assert database.file
    return database.file


def parts(file: Path) -> list[Path]:
    """The database and what SQLite keeps beside it."""
    return sorted(file.parent.glob(f"{file.name}*"))


def move(file: Path, to: Path) -> None:
    """The database first: without it, nobody opens the others."""
    to.mkdir(exist_ok=True)
    for part in parts(file):
        part.rename(to / part.name)


def overwrite(file: Path, at: int, size: int = PAGE) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(b"\xa5" * size)


def test_while_the_file_is_gone_pages_say_so_and_once_it_is_back_so_is_everything(
    voichat: Voichat, file: Path, tmp_path: Path
) -> None:
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    page = alice.get(chat).text
    move(file, tmp_path / "elsewhere")
    for _ in range(10):  # each worker, each of its connections
        refused = alice.press("Send", page, message="My letter")
        assert refusal(refused) == ("The server's database does not answer.", "My letter")
        assert refusal(alice.get(chat)) == ("The server's database does not answer.", "")
    assert parts(file) == []

    move(tmp_path / "elsewhere" / file.name, file.parent)
    assert alice.press("Send", refused.text, message="My letter").headers["Location"] == chat
    assert [each.words for each in alice.until_settled(chat)] == ["Hi", "Hello.", "My letter", "Hello."]


def test_a_backup_that_is_put_in_its_place_is_used_without_a_restart(
    voichat: Voichat, file: Path, tmp_path: Path
) -> None:
    alice = Visitor(voichat)
    chat = alice.send("Before the backup")
    alice.until_settled(chat)
    backup = tmp_path / "backup"
    with sqlite3.connect(file) as opened:
        opened.execute("VACUUM INTO ?", [str(backup)])
    opened.close()
    alice.until_settled(alice.send("After it", chat))
    move(file, tmp_path / "elsewhere")
    backup.rename(file)
    alice.until_settled(alice.send("Restored", chat))
    said_now = [each.words for each in said(alice.get(chat).text)]
    assert said_now == ["Before the backup", "Hello.", "Restored", "Hello."]


def test_a_lost_file_is_not_silently_begun_anew(voichat: Voichat, file: Path, tmp_path: Path) -> None:
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    voichat.kill()
    lost = file.rename(tmp_path / "lost")
    assert f"The database {file} is gone, but {file.name}-wal beside it is not" in refusal_to_start(voichat.environment)
    lost.rename(file)
    voichat.start()
    assert [each.words for each in said(alice.get(chat).text)] == ["Hi", "Hello."]
    assert "begins with a new, empty database" not in voichat.output()


def test_a_start_without_any_file_says_that_it_begins_a_new_one(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    voichat = serve(DATABASE_URL=f"sqlite:///{path}")
    assert f"Voichat begins with a new, empty database: {path}\n" in voichat.output()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["header", "middle", "truncated"])
def test_a_start_with_a_damaged_file_ends_with_one_sentence(
    database: Database, file: Path, environment: dict[str, str], harm: str
) -> None:
    for n in range(20):
        history.begin(database, ALICE, Draft(f"Letter {n} " * 500, "voigpt/gpt-3.5-turbo"))
    database.close()
    whole = file.stat().st_size
    if harm == "header":
        overwrite(file, 0, 100)
    elif harm == "middle":
        overwrite(file, whole // PAGE // 2 * PAGE, PAGE * 3)
    else:
        os.truncate(file, whole // 2)
    assert "The database is damaged and has to be restored: " in refusal_to_start(environment)


def test_damage_under_a_running_server_is_a_page_with_one_sentence_until_the_file_is_restored(
    voichat: Voichat, file: Path, tmp_path: Path
) -> None:
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    page = alice.get(chat).text
    voichat.kill()
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    shutil.copy(file, tmp_path / "backup")
    voichat.start()
    overwrite(file, PAGE, file.stat().st_size - PAGE)
    damaged = "The server's database is damaged and has to be restored."
    for _ in range(4):
        refused = alice.press("Send", page, message="My letter")
        assert refusal(refused) == (damaged, "My letter")
        assert refusal(alice.get(chat)) == (damaged, "")
    move(file, tmp_path / "damaged")
    (tmp_path / "backup").rename(file)
    assert alice.press("Send", refused.text, message="My letter").headers["Location"] == chat
    assert [each.words for each in alice.until_settled(chat)] == ["Hi", "Hello.", "My letter", "Hello."]


def test_a_damaged_write_ahead_log_costs_what_it_held_and_nothing_else(voichat: Voichat, file: Path) -> None:
    """SQLite cannot tell it from a commit that was never finished."""
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint").connection.close()
    alice.until_settled(alice.send("My letter", chat))
    voichat.kill()
    overwrite(Path(f"{file}-wal"), 32 + 24, 1000)
    voichat.start()
    assert [each.words for each in said(alice.get(chat).text)] == ["Hi", "Hello."]
    assert [each.words for each in alice.until_settled(alice.send("Again", chat))][2:] == ["Again", "Hello."]
