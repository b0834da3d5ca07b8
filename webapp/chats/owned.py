"""Whose a conversation is: owner and id are looked up together, and what is not yours is not there."""

from sqlalchemy import ColumnElement, Connection, select

from ..db import conversations
from .records import NotFound


def mine(owner: str, conversation_id: str) -> ColumnElement[bool]:
    """The owner's conversation, unless it was deleted."""
    is_theirs = (conversations.c.id == conversation_id) & (conversations.c.owner_id == owner)
    return is_theirs & conversations.c.deleted_at.is_(None)


def listed(owner: str) -> ColumnElement[bool]:
    """All of the owner's conversations that lists, searches and archives hold."""
    is_theirs = (conversations.c.owner_id == owner) & conversations.c.deleted_at.is_(None)
    return is_theirs & ~conversations.c.is_temporary


def check(connection: Connection, owner: str, conversation_id: str) -> None:
    """Raises `NotFound`."""
    if connection.execute(select(conversations.c.id).where(mine(owner, conversation_id))).first() is None:
        raise NotFound


def lock(connection: Connection, owner: str, conversation_id: str) -> None:
    """No other transaction changes the conversation until this one ends. Raises `NotFound`."""
    query = select(conversations.c.id).where(mine(owner, conversation_id)).with_for_update()
    if connection.execute(query).first() is None:
        raise NotFound
