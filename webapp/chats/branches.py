"""The messages of a conversation, and the branches that they form: each follows its parent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select

from ..db import Database, conversations, messages
from . import lease, owned
from .records import Message, NotFound, Siblings


def branch(database: Database, owner: str, conversation_id: str, at: str = "") -> list[Message]:
    """The branch that holds the message `at`, down to its newest, or the newest of all. Raises `NotFound`."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        newest = _newest_below(conversation_id, at) if at else _newest(conversation_id)
        leaf_id = connection.execute(newest).scalar()
        return path(connection, conversation_id, leaf_id)


def messages_of(database: Database, owner: str, conversation_id: str) -> list[Message]:
    """All branches, in the order in which they were written. Raises `NotFound`."""
    query = select(messages).where(messages.c.conversation_id == conversation_id).order_by(messages.c.seq)
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        return [_message(row) for row in connection.execute(query).mappings()]


def message(database: Database, owner: str, conversation_id: str, message_id: str) -> Message:
    """Raises `NotFound`."""
    mine = owned.mine(owner, conversation_id)
    query = select(messages).join(conversations).where(mine, _in(conversation_id, message_id))
    with database.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound
    return _message(row)


def reply(database: Database, owner: str, conversation_id: str, reply_id: str) -> Message:
    """The message, if it is an answer. Raises `NotFound`."""
    found = message(database, owner, conversation_id, reply_id)
    if found.role != "assistant":
        raise NotFound
    return found


def siblings(database: Database, branch: Sequence[Message]) -> dict[str, Siblings]:
    """For each message of a branch that was written or answered several times, where it stands among the others."""
    columns = messages.c.id, messages.c.parent_id
    theirs = messages.c.conversation_id == branch[0].conversation_id
    beside: defaultdict[str | None, list[str]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(select(*columns).where(theirs).order_by(messages.c.seq)):
            beside[row.parent_id].append(row.id)
    return {message.id: Siblings(beside[message.parent_id], message.id) for message in branch if message.parent_id}


def path(connection: Connection, conversation_id: str, leaf_id: str | None) -> list[Message]:
    """The branch down to `leaf_id`. Raises `NotFound`."""
    columns = messages.c.id, messages.c.parent_id
    above = select(*columns).where(_in(conversation_id, leaf_id)).cte("above", recursive=True)
    above = above.union_all(select(*columns).join(above, messages.c.id == above.c.parent_id))
    rows = connection.execute(select(messages).join(above, messages.c.id == above.c.id).order_by(messages.c.seq))
    found = [_message(row) for row in rows.mappings()]
    if not found:
        raise NotFound
    return found


def _newest(conversation_id: str) -> Select[str]:
    query = select(messages.c.id).where(messages.c.conversation_id == conversation_id)
    return query.order_by(messages.c.seq.desc()).limit(1)


def _newest_below(conversation_id: str, message_id: str) -> Select[str]:
    columns = messages.c.id, messages.c.seq
    below = select(*columns).where(_in(conversation_id, message_id)).cte("below", recursive=True)
    below = below.union_all(select(*columns).join(below, messages.c.parent_id == below.c.id))
    return select(below.c.id).order_by(below.c.seq.desc()).limit(1)


def _in(conversation_id: str, message_id: str | None) -> ColumnElement[bool]:
    return (messages.c.conversation_id == conversation_id) & (messages.c.id == message_id)


def _message(row: RowMapping) -> Message:
    """A live reply whose lease has run out reads as interrupted, whether or not somebody has written that yet."""
    found = Message(**{item.name: row[item.name] for item in fields(Message)})
    if lease.is_stale(row["status"], row["lease_until"]):
        return replace(found, status="interrupted", problem=lease.INTERRUPTED)
    return found
