"""Chats whose time is over: deleted for good by the housekeeping, the oldest first, a few at a time."""

from time import time

from sqlalchemy import ColumnElement, TextClause, delete, exists, select, update

from ..db import TEMPORARY, UNSETTLED, Database, conversations, messages
from . import owned
from .records import TEMPORARY_SECONDS

DAY = 86400.0
AT_ONCE = 10


def keep(database: Database, owner: str, conversation_id: str) -> None:
    """A temporary chat becomes an ordinary one, and an ordinary one stays so. Raises `NotFound`."""
    with database.write() as connection:
        owned.lock(connection, owner, conversation_id)
        kept = update(conversations).where(conversations.c.id == conversation_id)
        connection.execute(kept.values(is_temporary=False))


def temporary(database: Database) -> bool:
    """Delete those that have not been used for a day; True if there may be more of them."""
    return _delete(database, TEMPORARY, conversations.c.updated_at < time() - TEMPORARY_SECONDS)


def old(database: Database, days: int | None) -> bool:
    """Delete those whose last message is older, if any age is too old; True if there may be more of them."""
    return days is not None and _delete(database, conversations.c.updated_at < time() - days * DAY)


def _delete(database: Database, *over: ColumnElement[bool] | TextClause) -> bool:
    """None with a reply that waits or is being written, and none that somebody sends to at this moment."""
    is_answering = exists().where(messages.c.conversation_id == conversations.c.id, UNSETTLED)
    found = select(conversations.c.id).where(*over, ~is_answering).order_by(conversations.c.updated_at).limit(AT_ONCE)
    gone = conversations.c.id.in_(found.with_for_update(skip_locked=True))
    with database.write() as connection:
        return connection.execute(delete(conversations).where(gone)).rowcount == AT_ONCE
