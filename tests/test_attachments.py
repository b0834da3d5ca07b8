"""Pictures of messages on the disk: there once a message has them, gone once it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.support.databases import rows
from webapp.chats import attachments, history
from webapp.chats.files import Files
from webapp.chats.records import Draft, NotFound, Picture, Sent
from webapp.db import Database, conversations

ALICE, MALLORY = "a" * 32, "f" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attachments"


@pytest.fixture
def files(folder: Path) -> Files:
    return Files(folder)


def picture(content: bytes = b"cat", name: str = "cat.png") -> Picture:
    return Picture(name, "image/png", content, 3, 2)


def send(database: Database, files: Files, *pictures: Picture, words: str = "Look", submit_id: str = "") -> Sent:
    draft = Draft(words, "openai/small", submit_id, pictures=pictures)
    with attachments.kept(database, files, pictures):
        return history.begin(database, ALICE, draft)


def content(files: Files, name: str) -> bytes:
    with files.open(name) as file:
        return file.read()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on nothing that is on the disk is new."""
    return lambda: monkeypatch.setattr("webapp.chats.attachments.UNUSED_SECONDS", -60.0)


def test_a_message_has_its_pictures_in_their_order(database: Database, files: Files) -> None:
    cat, dog = picture(), picture(b"a dog", "dog.png")
    sent = send(database, files, cat, dog)
    found = attachments.of_chat(database, ALICE, sent.conversation_id)
    assert [(each.id, each.message_id, each.name, each.size) for each in found] == [
        (cat.id, sent.message_id, "cat.png", 3),
        (dog.id, sent.message_id, "dog.png", 5),
    ]
    assert [content(files, each.id) for each in found] == [b"cat", b"a dog"]


def test_nobody_but_the_server_may_read_the_files(database: Database, files: Files, folder: Path) -> None:
    sent = picture()
    send(database, files, sent)
    assert (folder.stat().st_mode & 0o777, (folder / sent.id).stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_double_click_leaves_one_message_and_one_file(database: Database, files: Files, folder: Path) -> None:
    first, second = picture(), picture()
    sent = send(database, files, first, submit_id="id")
    assert send(database, files, second, submit_id="id") == sent
    assert names(folder) == {first.id}


def test_the_same_words_with_another_picture_are_another_message(database: Database, files: Files) -> None:
    sent = send(database, files, picture(), submit_id="id")
    assert send(database, files, picture(b"dog"), submit_id="id") != sent
    assert send(database, files, submit_id="id") != sent


def test_what_is_refused_leaves_no_file(database: Database, files: Files, folder: Path) -> None:
    with pytest.raises(NotFound), attachments.kept(database, files, [sent := picture()]):
        history.append(database, ALICE, "0" * 32, Draft("Look", "openai/small", pictures=(sent,)))
    assert names(folder) == set()


def test_a_person_may_keep_so_much_and_no_more(
    database: Database, files: Files, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.chats.attachments.MEGABYTE", 0.005)
    monkeypatch.setattr("webapp.chats.attachments.OWNER_MEGABYTES", 1000)
    send(database, files, kept := picture(b"five!"))
    with pytest.raises(attachments.Full):
        send(database, files, picture(b"!"), words="More")
    assert names(folder) == {kept.id}
    assert [row["title"] for row in rows(database, conversations)] == ["Look"]


def test_files_of_deleted_messages_and_of_no_message_are_swept_after_an_hour(
    database: Database, files: Files, folder: Path, later: Callable[[], None]
) -> None:
    deleted, kept = picture(), picture()
    gone = send(database, files, deleted)
    send(database, files, kept)
    files.put("0" * 32, b"of a message that a kill came before")
    with database.write() as connection:
        connection.execute(delete(conversations).where(conversations.c.id == gone.conversation_id))
    attachments.sweep(database, files)
    assert names(folder) == {deleted.id, kept.id, "0" * 32}
    later()
    attachments.sweep(database, files)
    assert names(folder) == {kept.id}


def test_a_folder_that_is_not_there_has_nothing_to_sweep(database: Database, files: Files) -> None:
    attachments.sweep(database, files)


def test_a_copy_takes_room_too(database: Database, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = send(database, files, picture()), send(database, files, words="Another")
    monkeypatch.setattr(attachments, "MEGABYTE", 0)
    with pytest.raises(attachments.Full), database.write() as connection:
        attachments.copy(connection, files, ALICE, second.conversation_id, {first.message_id: second.message_id})


def test_a_copy_outlives_what_it_was_made_from(
    database: Database, files: Files, folder: Path, later: Callable[[], None]
) -> None:
    first, second = send(database, files, original := picture()), send(database, files, words="Another")
    with database.write() as connection:
        attachments.copy(connection, files, ALICE, second.conversation_id, {first.message_id: second.message_id})
    with database.write() as connection:
        connection.execute(delete(conversations).where(conversations.c.id == first.conversation_id))
    later()
    attachments.sweep(database, files)
    [copied] = attachments.of_chat(database, ALICE, second.conversation_id)
    assert names(folder) == {copied.id} != {original.id}
    assert (copied.message_id, content(files, copied.id)) == (second.message_id, b"cat")


def test_files_are_copied_where_there_are_no_links(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    files.put("a", b"cat")
    files.link("a", "b")
    assert content(files, "b") == b"cat"


def test_pictures_are_found_by_owner_chat_message_and_id_together(database: Database, files: Files) -> None:
    mine, other = picture(), picture()
    sent, elsewhere = send(database, files, mine), send(database, files, other)
    chat, message = sent.conversation_id, sent.message_id
    assert attachments.one(database, ALICE, chat, message, mine.id).name == "cat.png"
    for wrong in (
        (MALLORY, chat, message, mine.id),
        (ALICE, elsewhere.conversation_id, message, mine.id),
        (ALICE, chat, elsewhere.message_id, mine.id),
        (ALICE, chat, message, other.id),
        (ALICE, elsewhere.conversation_id, elsewhere.message_id, mine.id),
    ):
        with pytest.raises(NotFound):
            attachments.one(database, *wrong)
    with pytest.raises(NotFound):
        attachments.of_chat(database, MALLORY, chat)


def test_the_files_of_one_person_are_known(database: Database, files: Files) -> None:
    sent = send(database, files, mine := picture())
    found = attachments.by_message(database, sent.conversation_id)
    assert [each.id for each in found[sent.message_id]] == [mine.id]
    with database.read() as connection:
        assert (attachments.ids_of(connection, ALICE), attachments.ids_of(connection, MALLORY)) == ([mine.id], [])
