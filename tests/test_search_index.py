"""What was written gets into the index of search by itself, and out of it again, whoever writes at the same time."""

from collections.abc import Callable
from threading import Thread

import pytest
from sqlalchemy import delete, select, text, update

from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import Voichat, wait_until
from webapp.chats import history, passages
from webapp.chats.folding import fold, terms
from webapp.chats.indexer import Indexer
from webapp.chats.passages import index
from webapp.chats.tidying import Tidying
from webapp.db import Database, conversations, messages
from webapp.db import passages as table

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def index_all(database: Database) -> None:
    while index(database):
        pass


def tidy(database: Database) -> None:
    tidying = Tidying(database)
    while tidying.step():
        pass


def folded(database: Database) -> list[str]:
    """All that is indexed, without its marks, the oldest first."""
    return [row["folded"][3:] for row in sorted(rows(database, table), key=lambda row: int(row["number"]))]


def found(database: Database, term: str) -> int:
    """How many passages the index itself finds."""
    by_sqlite = "SELECT rowid FROM passages_index WHERE passages_index MATCH :term"
    by_postgresql = "SELECT number FROM passages WHERE search_terms(folded) @@ CAST(:term AS tsquery)"
    quoted = f'"{term}"' if database.is_sqlite else f"'{term}'"
    with database.read() as connection:
        return len(connection.execute(text(by_sqlite if database.is_sqlite else by_postgresql), {"term": quoted}).all())


def test_a_message_and_its_reply_are_indexed_once_they_have_settled(alice: Person, database: Database) -> None:
    chat = alice.send("Xylophone!")
    index_all(database)
    assert folded(database) == [fold("Xylophone!")]
    assert "Hello." in alice.get(chat).text
    index_all(database)
    assert folded(database) == [fold("Xylophone!"), fold("Hello.")]
    assert found(database, "xyl") == 1
    assert not index(database)


def test_a_title_is_indexed_where_it_is_not_the_first_words(alice: Person, database: Database) -> None:
    alice.send("Xylophone!")
    index_all(database)
    with database.write() as connection:
        connection.execute(update(conversations).values(title="Instruments", is_indexed=False))
    index_all(database)
    assert sorted(folded(database)) == sorted([fold("Xylophone!"), fold("Instruments")])
    with database.write() as connection:
        connection.execute(update(conversations).values(title="Xylophone!", is_indexed=False))
    index_all(database)
    assert folded(database) == [fold("Xylophone!")]
    assert found(database, "ins") == 0


def test_a_reply_that_is_written_again_is_indexed_again(alice: Person, database: Database) -> None:
    chat = alice.send("Hi")
    assert "Hello." in alice.get(chat).text
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.role == "assistant").values(status="failed", text="Zebra"))
    index_all(database)
    reply = next(article for article in Page(alice.get(chat)).articles if article.role == "assistant")
    assert alice.post(f"{chat}/replies/{reply.id}/retry").status_code == 303
    assert "Hello." in alice.get(chat).text
    index_all(database)
    assert folded(database) == [fold("Hi"), fold("Hello.")]
    assert found(database, "zeb") == 0


def test_a_long_message_is_indexed_in_parts_that_overlap(alice: Person, database: Database) -> None:
    before = "x" * (passages.CHARACTERS - 5)
    alice.send(f"{before} saxophone " + "y" * 40_000)
    index_all(database)
    assert len(folded(database)) == 2
    assert ["saxophone" in part for part in folded(database)].count(True) == 1
    assert found(database, "xop") == 1


def test_what_changes_its_owner_is_marked_anew(
    alice: Person, bob: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "BATCH", 1)
    chat = alice.send("Xylophone!")
    assert "Hello." in alice.get(chat).text
    index_all(database)
    [alices] = {row["owner_id"] for row in rows(database, conversations)}
    history.adopt(database, alices, "b" * 32)
    index_all(database)
    assert {row["folded"][:3] for row in rows(database, table)} == {passages.mark("b" * 32)}
    assert found(database, passages.mark("b" * 32)) == 2
    assert found(database, passages.mark(alices)) == 0
    assert folded(database) == [fold("Xylophone!"), fold("Hello.")]
    assert bob.get(chat).status_code == 404


def test_what_is_deleted_is_deleted_from_the_index(alice: Person, database: Database) -> None:
    alice.send("Xylophone!")
    index_all(database)
    with database.write() as connection:
        connection.execute(delete(conversations))
    assert (count(database, table), found(database, "xyl")) == (0, 0)


def test_two_at_once_index_each_message_once(alice: Person, database: Database) -> None:
    for number in range(20):
        alice.send(f"Xylophone {number}!")
    workers = [Thread(target=index_all, args=[database]) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    index_all(database)
    assert sorted(folded(database)) == sorted(fold(f"Xylophone {number}!") for number in range(20))


def test_passages_stand_in_the_order_of_time_whenever_they_were_indexed(alice: Person, database: Database) -> None:
    alice.send("First")
    alice.send("Second")
    index_all(database)
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.text == "First").values(is_indexed=False))
    index_all(database)
    assert folded(database) == [fold("First"), fold("Second")]


@pytest.mark.parametrize("at", [-1e300, -1.0, 0.0, 2e10, 1e300])
def test_a_message_from_any_time_gets_a_number(alice: Person, database: Database, at: float) -> None:
    alice.send("Hi")
    with database.write() as connection:
        connection.execute(update(messages).values(settled_at=at))
    index_all(database)
    assert folded(database) == [fold("Hi")]


def test_what_waits_to_be_indexed_is_found_by_its_own_index(database: Database) -> None:
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        for query, name in (
            (passages._unread(), "ix_messages_unindexed"),
            (passages._untitled(), "ix_conversations_unindexed"),
        ):
            written = query.compile(database.engine, compile_kwargs={"literal_binds": True})
            plan = connection.exec_driver_sql(explain + str(written)).all()
            assert name in str(plan)


@on_sqlite
def test_a_word_that_was_deleted_is_in_no_file_after_tidying(alice: Person, database: Database) -> None:
    word = "Xylophonquax"
    for number in range(30):
        alice.send(f"Something else {number}")
        index_all(database)
    alice.send(f"A {word} it was")
    index_all(database)
    left = [part.encode() for part in (word, fold(word), "xyl", "nqu", "quax")]
    assert database.file
    assert database.checkpoint()
    assert all(part in database.file.read_bytes() for part in (left[0], left[1]))
    with database.write() as connection:
        of_it = select(messages.c.conversation_id).where(messages.c.text.contains(word))
        connection.execute(delete(conversations).where(conversations.c.id.in_(of_it)))
    tidy(database)
    for file in database.file.parent.glob(f"{database.file.name}*"):
        assert [part for part in left if part in file.read_bytes()] == [], file
    assert found(database, "som") == 30
    assert found(database, "xyl") == 0


@on_sqlite
def test_where_nothing_was_deleted_there_is_nothing_to_tidy(alice: Person, database: Database) -> None:
    alice.send("Hi")
    index_all(database)
    assert not Tidying(database).step()


@on_sqlite
def test_what_could_not_be_tidied_because_somebody_read_is_tidied_next_time(alice: Person, database: Database) -> None:
    alice.send("Xylophone!")
    index_all(database)
    with database.write() as connection:
        connection.execute(delete(conversations))
    with database.read() as reader:
        reader.execute(select(messages)).all()
        with database.write() as connection:
            connection.execute(update(messages).values(problem=""))
        tidy(database)
    assert database.file
    assert Tidying(database).step()
    tidy(database)
    assert not Tidying(database).step()
    assert b"xyl" not in database.file.read_bytes()


def test_an_indexer_takes_what_is_written_until_it_is_closed(alice: Person, database: Database) -> None:
    indexer = Indexer(database)
    indexer.open()
    alice.send("Xylophone!")
    wait_until(lambda: folded(database) == [fold("Xylophone!")])
    indexer.close()


@on_sqlite
def test_an_indexer_outlives_an_outage_and_logs_it_once(
    alice: Person, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("webapp.chats.indexer.TICK_SECONDS", 0.01)
    monkeypatch.setattr("webapp.chats.indexer.OUTAGE_SECONDS", 0.02)
    failures = iter([OSError("Xylophone")] * 3)

    def fail_three_times(database: Database) -> bool:
        if error := next(failures, None):
            raise error
        return index(database)

    monkeypatch.setattr(passages, "index", fail_three_times)
    indexer = Indexer(database)
    indexer.open()
    alice.send("Xylophone!")
    wait_until(lambda: count(database, table) == 1)
    indexer.close()
    assert len(caplog.records) == 1


@on_sqlite
def test_two_workers_index_what_people_send(serve: Callable[..., Voichat], database: Database) -> None:
    serve()
    with database.write() as connection:
        chat = dict(id="c" * 32, owner_id="a" * 32, title="Hi", model="m", last_seq=1, created_at=0.0, updated_at=1.0)
        connection.execute(conversations.insert().values(chat))
        said = dict(
            conversation_id="c" * 32, role="user", status="complete", html="", renderer=0, model="m", problem=""
        )
        for seq in range(300):
            row = said | dict(id=f"{seq:032x}", seq=seq, text=f"Word {seq}", attempt=0, created_at=1.0 + seq)
            connection.execute(messages.insert().values(row))
    wait_until(lambda: len(folded(database)) == 301)
    assert folded(database) == [fold("Hi"), *(fold(f"Word {seq}") for seq in range(300))]


def test_terms_are_all_pieces_of_three_characters() -> None:
    assert terms("abcab") == {"abc", "bca", "cab"}
    assert terms("ab") == set()
