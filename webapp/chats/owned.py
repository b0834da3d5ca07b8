"""Whose a conversation is: owner and id are looked up together, and what is not yours is not there."""

from time import time
from typing import TypeAlias

from sqlalchemy import BindParameter, ColumnElement, Connection, String, bindparam, or_, select

from ..db import conversations
from .records import NotFound

KEPT_DAYS = 7
DAY = 86400.0

Id: TypeAlias = str | BindParameter[str]
OWNER, CHAT = bindparam("owner", type_=String), bindparam("chat", type_=String)
"""For statements that are put together once, as what a page asks each time: that takes longer than to execute them."""


def mine(owner: Id, conversation_id: Id) -> ColumnElement[bool]:
    """The owner's conversation, unless it was deleted."""
    return _named(owner, conversation_id) & conversations.c.deleted_at.is_(None)


def mine_or_deleted(owner: str, conversation_id: str) -> ColumnElement[bool]:
    """The owner's conversation, also one that was deleted and can be restored."""
    return _named(owner, conversation_id) & or_(conversations.c.deleted_at.is_(None), _is_restorable())


def listed(owner: Id) -> ColumnElement[bool]:
    """All of the owner's conversations that lists, searches and archives hold."""
    is_theirs = (conversations.c.owner_id == owner) & conversations.c.deleted_at.is_(None)
    return is_theirs & ~conversations.c.is_temporary


def deleted(owner: str) -> ColumnElement[bool]:
    """All of the owner's conversations that were deleted and can be restored: for `KEPT_DAYS`."""
    return (conversations.c.owner_id == owner) & _is_restorable()


def check(connection: Connection, owner: str, conversation_id: str) -> None:
    """Raises `NotFound`."""
    if connection.execute(_FOUND, {"owner": owner, "chat": conversation_id}).first() is None:
        raise NotFound


def lock(connection: Connection, owner: str, conversation_id: str) -> None:
    """No other transaction changes the conversation until this one ends. Raises `NotFound`."""
    query = select(conversations.c.id).where(mine(owner, conversation_id)).with_for_update()
    if connection.execute(query).first() is None:
        raise NotFound


def _named(owner: Id, conversation_id: Id) -> ColumnElement[bool]:
    return (conversations.c.id == conversation_id) & (conversations.c.owner_id == owner)


def _is_restorable() -> ColumnElement[bool]:
    return conversations.c.deleted_at > time() - KEPT_DAYS * DAY


_FOUND = select(conversations.c.id).where(mine(OWNER, CHAT))
