"""The pictures of messages: a row here, and a file by the same id. The file comes first and goes last."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import islice
from secrets import token_hex
from time import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select

from ..db import Database, attachments, conversations
from . import owned
from .files import Files
from .records import Attachment, NotFound, Picture, Sent

A_MESSAGE = 10
OWNER_MEGABYTES = 1000
MEGABYTE = 1_000_000
UNUSED_SECONDS = 3600.0
BATCH = 500

COLUMNS = [attachments.c[field.name] for field in fields(Attachment)]


class Full(Exception):
    """The owner's pictures take as much as one person may keep."""


@contextmanager
def kept(database: Database, files: Files, pictures: Iterable[Picture]) -> Iterator[None]:
    """Their files are on the disk within, and afterwards those that a message has. Raises `Unwritable`."""
    with keeping(database, files) as keep:
        for picture in pictures:
            keep(picture)
        yield


@contextmanager
def keeping(database: Database, files: Files) -> Iterator[Callable[[Picture], None]]:
    """As `kept`, for pictures that come one at a time."""
    ids: list[str] = []

    def keep(picture: Picture) -> None:
        ids.append(picture.id)
        files.put(picture.id, picture.content)

    try:
        yield keep
    finally:
        for names in _batches(ids):
            _remove_unused(database, files, names)


def add(connection: Connection, owner: str, sent: Sent, pictures: Sequence[Picture]) -> None:
    """Give them to a message of the owner's. Raises `Full`."""
    add_all(connection, owner, [attached(sent, position, picture) for position, picture in enumerate(pictures)])


def attached(sent: Sent, position: int, picture: Picture) -> Attachment:
    """What it is once it has been added."""
    chat_id, message_id, size = sent.conversation_id, sent.message_id, len(picture.content)
    of_picture = picture.name, picture.kind, size, picture.width, picture.height
    return Attachment(picture.id, chat_id, message_id, position, *of_picture)


def add_all(connection: Connection, owner: str, found: Sequence[Attachment]) -> None:
    """Give each to its message of the owner's. Raises `Full`."""
    if found:
        connection.execute(insert(attachments), [vars(each) | dict(created_at=time()) for each in found])
        _check_room(connection, owner)


def copy(connection: Connection, files: Files, owner: str, conversation_id: str, messages: Mapping[str, str]) -> None:
    """Give those of each message to another, in this conversation of the owner's. One that has been lost is left out.

    Raises `Unwritable` and `Full`.
    """
    for found in _found(connection, attachments.c.message_id.in_(list(messages))):
        mine = dict(id=token_hex(16), conversation_id=conversation_id, message_id=messages[found.message_id])
        with suppress(FileNotFoundError):
            files.link(found.id, mine["id"])
            connection.execute(insert(attachments).values(vars(found) | mine | dict(created_at=time())))
            _check_room(connection, owner)


def one(database: Database, owner: str, conversation_id: str, message_id: str, attachment_id: str) -> Attachment:
    """Raises `NotFound`."""
    is_there = (attachments.c.message_id == message_id) & (attachments.c.id == attachment_id)
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        found = _found(connection, (attachments.c.conversation_id == conversation_id) & is_there)
    if not found:
        raise NotFound
    return found[0]


def of_chat(database: Database, owner: str, conversation_id: str) -> list[Attachment]:
    """Those of all its branches. Raises `NotFound`."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        return _found(connection, attachments.c.conversation_id == conversation_id)


def by_message(database: Database, conversation_id: str) -> dict[str, list[Attachment]]:
    """Those of all branches. Whose the conversation is, the caller knows."""
    found: defaultdict[str, list[Attachment]] = defaultdict(list)
    with database.read() as connection:
        rows = connection.execute(_OF_CHAT, {"chat": conversation_id}).all()
    for row in rows:
        found[row.message_id].append(Attachment(*row))
    return dict(found)


def names(database: Database, conversation_id: str) -> dict[str, list[str]]:
    """By message, what the files were called."""
    return {
        message_id: [each.name for each in found] for message_id, found in by_message(database, conversation_id).items()
    }


def room(database: Database, owner: str) -> int:
    """Bytes that the owner's pictures may still take."""
    with database.read() as connection:
        return int(OWNER_MEGABYTES * MEGABYTE) - _bytes_of(connection, owner)


def ids_of(connection: Connection, owner: str) -> list[str]:
    """Whose files are to go once the rows have gone."""
    return list(connection.execute(select(attachments.c.id).where(_of(owner))).scalars())


def sweep(database: Database, files: Files) -> None:
    """Remove the files of messages that are gone, and those that no message ever had."""
    for names in _batches(files.older_than(UNUSED_SECONDS)):
        _remove_unused(database, files, names)


def _remove_unused(database: Database, files: Files, names: Sequence[str]) -> None:
    with database.read() as connection:
        used = set(connection.execute(select(attachments.c.id).where(attachments.c.id.in_(names))).scalars())
    files.remove(name for name in names if name not in used)


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while batch := list(islice(left, BATCH)):
        yield batch


def _check_room(connection: Connection, owner: str) -> None:
    """Raises `Full`."""
    if _bytes_of(connection, owner) > OWNER_MEGABYTES * MEGABYTE:
        raise Full


def _bytes_of(connection: Connection, owner: str) -> int:
    total = func.coalesce(func.sum(attachments.c.size), 0)
    return int(connection.execute(select(total).where(_of(owner))).scalar_one())


def _of(owner: str) -> ColumnElement[bool]:
    theirs = select(conversations.c.id).where(conversations.c.owner_id == owner)
    return attachments.c.conversation_id.in_(theirs)


def _found(connection: Connection, where: ColumnElement[bool]) -> list[Attachment]:
    return [Attachment(*row) for row in connection.execute(_where(where))]


def _where(where: ColumnElement[bool]) -> Select[Any]:
    return select(*COLUMNS).where(where).order_by(attachments.c.position)


_OF_CHAT = _where(attachments.c.conversation_id == owned.CHAT)
