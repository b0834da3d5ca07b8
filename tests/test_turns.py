"""People who write at the same moment share a commit of SQLite's, and none of them pays for another's mistake."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, event, insert, select
from sqlalchemy.exc import OperationalError

from tests.support.servers import wait_until
from webapp import turns
from webapp.db import Database, meters
from webapp.outages import NoTurn

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def people() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(50) as pool:
        yield pool


@pytest.fixture
def commits(database: Database) -> list[Connection]:
    seen: list[Connection] = []
    event.listen(database.engine, "commit", seen.append)
    return seen


def stored(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(meters.c.key)).scalars())


def store(connection: Connection, key: str) -> None:
    connection.execute(insert(meters), {"key": key, "empty_at": 0.0})


def write(database: Database, key: str) -> None:
    with database.write_little() as connection:
        store(connection, key)


def spoil(database: Database, key: str) -> None:
    with database.write_little() as connection:
        store(connection, key)
        raise ValueError(key)


def lose_all(database: Database, key: str) -> None:
    """As SQLite does of itself when the disk is full in the middle of a statement."""
    with database.write_little() as connection:
        store(connection, key)
        connection.exec_driver_sql("ROLLBACK")
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def behind_another(
    database: Database, people: ThreadPoolExecutor, deeds: list[Callable[[Database, str], None]]
) -> list[BaseException | None]:
    """All of them come, one after the other, while somebody writes; what became of that one, and of each of them."""

    def write_long() -> None:
        with database.write_little() as connection:
            store(connection, "first")
            has_begun.set()
            may_end.wait(10)

    has_begun, may_end = Event(), Event()
    done: list[Future[None]] = [people.submit(write_long)]
    has_begun.wait(10)
    for number, deed in enumerate(deeds):
        done.append(people.submit(deed, database, f"{number:02}"))
        wait_until(lambda: database.writer.turns.waiting == len(done) - 1)
    may_end.set()
    return [each.exception(10) for each in done]


def test_those_who_wait_share_one_commit(
    database: Database, people: ThreadPoolExecutor, commits: list[Connection]
) -> None:
    assert behind_another(database, people, [write] * 5) == [None] * 6
    assert stored(database) == ["00", "01", "02", "03", "04", "first"]
    assert len(commits) == 1


def test_a_commit_is_shared_by_a_limited_number(
    database: Database, people: ThreadPoolExecutor, commits: list[Connection]
) -> None:
    assert not any(behind_another(database, people, [write] * (turns.MOST + 3)))
    assert len(commits) == 2


def test_who_fails_takes_back_nothing_but_their_own(database: Database, people: ThreadPoolExecutor) -> None:
    first, before, failed, after = behind_another(database, people, [write, spoil, write])
    assert isinstance(failed, ValueError)
    assert (first, before, after) == (None, None, None)
    assert stored(database) == ["00", "02", "first"]


def test_who_fails_last_does_not_keep_the_others_from_the_disk(database: Database, people: ThreadPoolExecutor) -> None:
    first, before, failed = behind_another(database, people, [write, spoil])
    assert isinstance(failed, ValueError)
    assert (first, before) == (None, None)
    assert stored(database) == ["00", "first"]


def test_who_fails_alone_leaves_nothing(database: Database) -> None:
    with pytest.raises(ValueError, match="lonely"):
        spoil(database, "lonely")
    write(database, "next")
    assert stored(database) == ["next"]


def test_when_everything_is_taken_back_nobody_is_told_that_it_is_stored(
    database: Database, people: ThreadPoolExecutor
) -> None:
    first, before, failed, after = behind_another(database, people, [write, lose_all, write])
    assert all(isinstance(each, OperationalError) for each in (first, before, failed))
    assert after is None
    assert stored(database) == ["02"]


def test_a_commit_that_fails_is_an_error_to_all_who_share_it(database: Database, people: ThreadPoolExecutor) -> None:
    def refuse(_connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(database.engine, "commit", refuse)
    found = behind_another(database, people, [write, write])
    event.remove(database.engine, "commit", refuse)
    assert all(isinstance(each, OperationalError) for each in found)
    assert stored(database) == []
    write(database, "well again")
    assert stored(database) == ["well again"]


def test_a_large_transaction_shares_with_nobody(
    database: Database, people: ThreadPoolExecutor, commits: list[Connection]
) -> None:
    def write_much(database: Database, key: str) -> None:
        with database.write() as connection:
            store(connection, key)

    assert behind_another(database, people, [write, write_much, write]) == [None] * 4
    assert len(commits) == 3


def test_a_turn_that_does_not_come_is_not_waited_for_for_ever(
    database: Database, people: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.writer, "_seconds", 0.05)
    with database.write_little() as connection:
        late = people.submit(write, database, "late")
        assert isinstance(late.exception(10), NoTurn)
        store(connection, "first")
    write(database, "next")
    assert stored(database) == ["first", "next"]
