"""A chat that was checked is added to what a person has here, once."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from time import sleep, time
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from ...db import Database, conversations, messages, submissions
from .. import history, lists, owned

LEAST_PAUSE_SECONDS = 0.002
IDS_AT_ONCE = 500


class Wanted(NamedTuple):
    """A picture that is to be taken: the place of its message in the chat, its file in the zip, and the file's size."""

    place: int
    name: str
    file: str
    size: int


class Kept(NamedTuple):
    """A chat as it was kept aside: the same line whoever has exported it, the ids that its file says, and pictures."""

    line: bytes
    title: str
    ids: list[str]
    pictures: list[Wanted]


class New(NamedTuple):
    """The ids that a chat gets here."""

    conversation_id: str
    ids: list[str]

    @classmethod
    def of(cls, chat: Kept) -> "New":
        return cls(history.new_id(), [history.new_id() for _ in chat.ids])


@contextmanager
def transaction(database: Database) -> Iterator[Connection]:
    """One of many: afterwards others have as much time to write."""
    began = time()
    with database.write() as connection:
        yield connection
    sleep(max(time() - began, LEAST_PAUSE_SECONDS))


def is_there(database: Database, owner: str, chat: Kept) -> bool:
    before = select(submissions.c.message_id).where(submissions.c.key == _key(owner, chat))
    with database.read() as connection:
        first = connection.execute(before).scalar()
        return _are_there(connection, owner, chat.ids) or bool(first and _are_there(connection, owner, [first]))


def add(database: Database, connection: Connection, owner: str, chat: Kept, new: New) -> int:
    """How many messages were added: none if the chat is there."""
    key, first = _key(owner, chat), new.ids[0]
    if _are_there(connection, owner, chat.ids):
        return 0
    row = dict(key=key, message_id=first, created_at=time())
    if not database.insert_once(connection, submissions, row):
        before = connection.execute(select(submissions.c.message_id).where(submissions.c.key == key).with_for_update())
        if _are_there(connection, owner, [before.scalar_one()]):
            return 0
        connection.execute(update(submissions).where(submissions.c.key == key).values(message_id=first))
    said = json.loads(chat.line)
    is_pinned = said["is_pinned"] and lists.count_pinned(connection, owner) < lists.MOST_PINNED
    conversation = _conversation(new.conversation_id, owner, said, is_pinned=is_pinned)
    connection.execute(insert(conversations).values(conversation))
    connection.execute(insert(messages), list(_rows(new, said)))
    return len(new.ids)


def _key(owner: str, chat: Kept) -> str:
    return sha256(f"{owner} import ".encode() + chat.line).hexdigest()


def _are_there(connection: Connection, owner: str, ids: Sequence[str]) -> bool:
    """Whether all of these are messages of the owner's."""
    left = iter(ids)
    while batch := list(islice(left, IDS_AT_ONCE)):
        theirs = select(func.count()).select_from(messages).join(conversations)
        query = theirs.where(owned.listed(owner), messages.c.id.in_(batch))
        if connection.execute(query).scalar_one() < len(batch):
            return False
    return True


def _conversation(conversation_id: str, owner: str, chat: dict[str, Any], *, is_pinned: bool) -> dict[str, Any]:
    now, turns, told = time(), chat["turns"], dict(chat["told"])
    began = min(chat["created_at"] or now, now)
    times = dict(created_at=began, updated_at=min(chat["updated_at"] or began, now))
    named = dict(id=conversation_id, owner_id=owner, title=chat["title"], model=turns[-1]["model"])
    pinned = dict(pinned_at=times["updated_at"] if is_pinned else None)
    return named | times | pinned | dict(last_seq=len(turns)) | told


def _rows(new: New, chat: dict[str, Any]) -> Iterator[dict[str, Any]]:
    unknown = chat["created_at"] or time()
    for place, turn in enumerate(chat["turns"]):
        parent = None if turn["parent_id"] is None else new.ids[turn["parent_id"]]
        created = turn["created_at"] or unknown
        written = dict(created_at=created, settled_at=turn["settled_at"] or created, html="", renderer=0, attempt=0)
        placed = dict(id=new.ids[place], conversation_id=new.conversation_id, parent_id=parent, seq=place + 1)
        yield turn | written | placed
