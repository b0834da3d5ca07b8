"""The messages of a conversation, and the branches that they form: each follows its parent."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from ..db import Database, conversations, messages
from . import lease, owned
from .records import Message, NotFound, Siblings

AT_ONCE = 100
"""Messages that are read with one query where all of them are wanted."""

ALL = 2**31 - 1

COLUMNS = [*(messages.c[field.name] for field in fields(Message)), messages.c.lease_until]
"""As `_message` takes them."""


def leaf(database: Database, owner: str, conversation_id: str, at: str = "") -> str:
    """The id of the newest message of the branch that holds `at`, or of the newest branch. Raises `NotFound`."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        return newest(connection, conversation_id, at)


def ids(database: Database, owner: str, conversation_id: str, at: str = "") -> list[str]:
    """Those of the same branch, the oldest first. Raises `NotFound`."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        return line(connection, conversation_id, newest(connection, conversation_id, at))


def read(database: Database, ids: Sequence[str]) -> Iterator[list[Message]]:
    """The messages of a long branch, in its order, a few at a time; the connection is not held in between.

    Whose they are was asked when the ids were found. What has been deleted since is left out.
    """
    for start in range(0, len(ids), AT_ONCE):
        query = select(*COLUMNS).where(messages.c.id.in_(ids[start : start + AT_ONCE])).order_by(messages.c.seq)
        with database.read() as connection:
            found = [_message(row) for row in connection.execute(query).all()]
        yield found


def messages_of(database: Database, owner: str, conversation_id: str) -> Iterator[Message]:
    """All branches, in the order in which they were written; read as `read` does. Raises `NotFound` at once."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
    return _in_order(database, conversation_id)


def message(database: Database, owner: str, conversation_id: str, message_id: str) -> Message:
    """Raises `NotFound`."""
    named = {"owner": owner, "chat": conversation_id, "message": message_id}
    with database.read() as connection:
        row = connection.execute(_MINE_OF_ALL, named).first()
    if row is None:
        raise NotFound
    return _message(row)


def reply(database: Database, owner: str, conversation_id: str, reply_id: str) -> Message:
    """The message, if it is an answer. Raises `NotFound`."""
    return _by(message(database, owner, conversation_id, reply_id), "assistant")


def question(database: Database, owner: str, conversation_id: str, message_id: str) -> Message:
    """The message, if the person wrote it. Raises `NotFound`."""
    return _by(message(database, owner, conversation_id, message_id), "user")


def siblings(database: Database, shown: Sequence[Message]) -> dict[str, Siblings]:
    """For each of them that was written or answered several times, where it stands among the others."""
    beside: defaultdict[str | None, list[str]] = defaultdict(list)
    with database.read() as connection:
        members = connection.execute(_FAMILIES, _parents(shown)).all()
    for message_id, parent_id in members:
        beside[parent_id].append(message_id)
    several = (message for message in shown if len(beside[message.parent_id]) > 1)
    return {message.id: Siblings(beside[message.parent_id], message.id) for message in several}


def parent(connection: Connection, conversation_id: str, message_id: str) -> str | None:
    """What a message of the person's follows; None if it begins the conversation. Raises `NotFound`."""
    asked = select(messages.c.parent_id).where(_in(conversation_id, message_id), messages.c.role == "user")
    row = connection.execute(asked).first()
    if row is None:
        raise NotFound
    parent_id: str | None = row.parent_id
    return parent_id


def newest(connection: Connection, conversation_id: str, at: str = "") -> str:
    """The id of the newest message of all, or of those that come after `at`. Raises `NotFound`."""
    if at:
        return _newest_below(_links(connection, conversation_id, at), at)
    found = connection.execute(_NEWEST, {"chat": conversation_id}).scalar()
    if found is None:
        raise NotFound
    return found


def following(connection: Connection, conversation_id: str, first_id: str, at: str) -> list[str]:
    """The ids of the branch that holds `at`, from `first_id` in it down to its newest. Raises `NotFound`."""
    links = _links(connection, conversation_id, first_id, at)
    ids, parents = list(links), list(links.values())
    if parents[1:] == ids[:-1]:  # no branches
        return ids[ids.index(first_id) :]
    return _line(links, _newest_below(links, at), first_id)


def path(connection: Connection, conversation_id: str, leaf_id: str, most: int = ALL) -> list[Message]:
    """The branch down to `leaf_id`, the last `most` of it. Raises `NotFound`."""
    return _some(connection, _PATH, {"chat": conversation_id, "leaf": leaf_id, "most": most})


def tail(connection: Connection, owner: str, conversation_id: str, most: int) -> list[Message]:
    """The last of the branch that ends with the newest message of all, at most so many. Raises `NotFound`."""
    return _some(connection, _TAIL, {"owner": owner, "chat": conversation_id, "most": most})


def line(connection: Connection, conversation_id: str, leaf_id: str) -> list[str]:
    """The ids of the branch down to `leaf_id`, the oldest first. Raises `NotFound`."""
    return _line(_links(connection, conversation_id), leaf_id)


def _links(connection: Connection, conversation_id: str, *ids: str) -> dict[str, str]:
    """By message its parent, or nothing: all from the oldest of these on, or all there are, in the order of writing.

    Where the newest of a branch is far away, this is quicker than to walk, and one long row quicker than many short
    ones. Raises `NotFound` if one of them is missing.
    """
    theirs = messages.c.conversation_id == conversation_id
    link = (messages.c.id + " " + func.coalesce(messages.c.parent_id, "")).label("link")
    links = select(link).where(theirs).order_by(messages.c.seq)
    if ids:
        oldest = select(func.min(messages.c.seq)).where(messages.c.id.in_(ids)).scalar_subquery()
        links = links.where(messages.c.seq >= oldest)
    in_order = links.subquery()
    words = connection.execute(select(func.aggregate_strings(in_order.c.link, " "))).scalar() or ""
    pairs = words.split(" ")
    found = dict(zip(pairs[::2], pairs[1::2], strict=False))
    if not found.keys() >= set(ids):
        raise NotFound
    return found


def _newest_below(links: Mapping[str, str], at: str) -> str:
    below = {at: None}
    for message_id, parent_id in links.items():
        if parent_id in below:
            below[message_id] = None
    return next(reversed(below))


def _line(links: Mapping[str, str], leaf_id: str, first_id: str | None = None) -> list[str]:
    upwards = [leaf_id]
    while upwards[-1] != first_id and (parent_id := links.get(upwards[-1])):
        upwards.append(parent_id)
    if leaf_id not in links or first_id not in (None, upwards[-1]):
        raise NotFound
    return upwards[::-1]


def _newest(conversation_id: owned.Id) -> Select[str]:
    query = select(messages.c.id).where(messages.c.conversation_id == conversation_id)
    return query.order_by(messages.c.seq.desc()).limit(1)


def _path(leaf: ColumnElement[bool]) -> Select[Any]:
    """The messages of the branch that ends with `leaf`, the last `most` of them."""
    columns = messages.c.id, messages.c.parent_id
    above = select(*columns, literal_column("1").label("depth")).where(leaf).cte("above", recursive=True)
    up = select(*columns, above.c.depth + 1).join(above, messages.c.id == above.c.parent_id)
    above = above.union_all(up.where(above.c.depth < bindparam("most", type_=Integer)))
    return select(*COLUMNS).join(above, messages.c.id == above.c.id).order_by(messages.c.seq)


def _some(connection: Connection, query: Select[Any], values: Mapping[str, Any]) -> list[Message]:
    found = [_message(row) for row in connection.execute(query, values).all()]
    if not found:
        raise NotFound
    return found


def _in_order(database: Database, conversation_id: str) -> Iterator[Message]:
    seq = 0
    while True:
        query = select(*COLUMNS, messages.c.seq).where(
            messages.c.conversation_id == conversation_id, messages.c.seq > seq
        )
        with database.read() as connection:
            found = connection.execute(query.order_by(messages.c.seq).limit(AT_ONCE)).all()
        if not found:
            return
        yield from (_message(row[:-1]) for row in found)
        seq = found[-1].seq


def _parents(shown: Sequence[Message]) -> dict[str, Any]:
    """For `_FAMILIES`: beginnings have no parent, but all of a conversation are one family."""
    parents = [message.parent_id for message in shown if message.parent_id]
    return {"parents": parents, "chat": shown[0].conversation_id if len(parents) < len(shown) else None}


def _in(conversation_id: owned.Id, message_id: owned.Id) -> ColumnElement[bool]:
    return (messages.c.conversation_id == conversation_id) & (messages.c.id == message_id)


def _by(message: Message, role: str) -> Message:
    if message.role != role:
        raise NotFound
    return message


def _message(row: Sequence[Any]) -> Message:
    """A live reply whose lease has run out reads as interrupted, whether or not somebody has written that yet."""
    *values, lease_until = row
    found = Message(*values)
    if lease.is_stale(found.status, lease_until):
        return replace(found, status="interrupted", problem=lease.INTERRUPTED)
    return found


_NEWEST = _newest(owned.CHAT)
_PATH = _path(_in(owned.CHAT, bindparam("leaf", type_=String)))
_MINE = select(conversations.c.id).where(owned.mine(owned.OWNER, owned.CHAT))
_MINE_OF_ALL = (
    select(*COLUMNS)
    .join(conversations)
    .where(owned.mine(owned.OWNER, owned.CHAT), _in(owned.CHAT, bindparam("message", type_=String)))
)
_TAIL = _path((messages.c.id == _NEWEST.scalar_subquery()) & _MINE.exists())
_OTHER = messages.alias("other")
_HAS_SIBLINGS = (
    select(_OTHER.c.id).where(_OTHER.c.parent_id == messages.c.parent_id, _OTHER.c.id != messages.c.id).exists()
)
_FAMILIES = (
    select(messages.c.id, messages.c.parent_id)
    .where(
        or_(
            messages.c.parent_id.in_(bindparam("parents", expanding=True)) & _HAS_SIBLINGS,
            (messages.c.conversation_id == owned.CHAT) & messages.c.parent_id.is_(None),
        )
    )
    .order_by(messages.c.seq)
)
