"""The list of a person's conversations: the pinned ones, and the others, the newest first."""

from dataclasses import fields
from time import time
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, func, select, tuple_, update

from ..db import Database, conversations
from . import owned
from .records import Conversation, NotFound

PAGE = 100
MOST_PINNED = 50
COLUMNS = [conversations.c[field.name] for field in fields(Conversation)]

_ONE = select(*COLUMNS).where(owned.mine(owned.OWNER, owned.CHAT))
_LISTED, _SINCE = select(*COLUMNS).where(owned.listed(owned.OWNER)), conversations.c.pinned_at
_PINNED = _LISTED.where(_SINCE.is_not(None)).order_by(_SINCE.desc(), conversations.c.id.desc())
_NEWEST = (
    _LISTED.where(_SINCE.is_(None))
    .order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
    .limit(bindparam("most", type_=Integer))
)


class TooManyPinned(Exception):
    """The owner has pinned `MOST_PINNED`."""


class Place(NamedTuple):
    """Where a page of a list ends: no time is any conversation's alone."""

    time: float
    id: str


class Front(NamedTuple):
    """The pinned ones, the last one pinned first, and the newest of the others."""

    pinned: list[Conversation]
    recent: list[Conversation]


def conversation(database: Database, owner: str, conversation_id: str) -> Conversation:
    """Raises `NotFound`."""
    with database.read() as connection:
        row = connection.execute(_ONE, {"owner": owner, "chat": conversation_id}).first()
    if row is None:
        raise NotFound
    return Conversation(*row)


def front(database: Database, owner: str, most: int) -> Front:
    """How the list begins, with at most `most` that are not pinned."""
    with database.read() as connection:
        pinned = connection.execute(_PINNED, {"owner": owner}).all()
        recent = connection.execute(_NEWEST, {"owner": owner, "most": most}).all()
    return Front([Conversation(*row) for row in pinned], [Conversation(*row) for row in recent])


def recent(database: Database, owner: str, before: Place | None = None) -> list[Conversation]:
    """At most `PAGE` of the owner's conversations that are not pinned, last written to before `before`."""
    with database.read() as connection:
        of = owned.listed(owner) & conversations.c.pinned_at.is_(None)
        return page(connection, of, conversations.c.updated_at, before, PAGE)


def pin(database: Database, owner: str, conversation_id: str, *, is_pinned: bool) -> None:
    """Pin it, or no longer; it keeps its place if it is. Raises `NotFound` and `TooManyPinned`.

    On PostgreSQL, those that come at the same moment may exceed `MOST_PINNED` by as many.
    """
    mine = owned.mine(owner, conversation_id)
    with database.write() as connection:
        owned.lock(connection, owner, conversation_id)
        since = func.coalesce(conversations.c.pinned_at, time()) if is_pinned else None
        connection.execute(update(conversations).where(mine).values(pinned_at=since))
        if is_pinned and count_pinned(connection, owner) > MOST_PINNED:
            raise TooManyPinned


def count_pinned(connection: Connection, owner: str) -> int:
    pinned = select(func.count()).where(owned.listed(owner), conversations.c.pinned_at.is_not(None))
    return connection.execute(pinned).scalar_one()


def page(
    connection: Connection, of: ColumnElement[bool], by: ColumnElement[float], before: Place | None, most: int
) -> list[Conversation]:
    """The newest first, by one of the times that a conversation has; those of the same time by their ids."""
    query = select(*COLUMNS).where(of).order_by(by.desc(), conversations.c.id.desc()).limit(most)
    if before:
        query = query.where(tuple_(by, conversations.c.id) < before)
    return [Conversation(*row) for row in connection.execute(query)]
