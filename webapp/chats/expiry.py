"""Chats whose time is over: deleted for good by the housekeeping, the oldest first, one at a time."""

from time import time

from sqlalchemy import exists, update

from ..db import TEMPORARY, UNSETTLED, Database, conversations, messages
from . import owned
from .deletion import delete_some
from .records import TEMPORARY_SECONDS

DAY = 86400.0
IS_ANSWERING = exists().where(messages.c.conversation_id == conversations.c.id, UNSETTLED)


def keep(database: Database, owner: str, conversation_id: str) -> None:
    """A temporary chat becomes an ordinary one, and an ordinary one stays so. Raises `NotFound`."""
    with database.write() as connection:
        owned.lock(connection, owner, conversation_id)
        kept = update(conversations).where(conversations.c.id == conversation_id)
        connection.execute(kept.values(is_temporary=False))


def temporary(database: Database) -> bool:
    """Delete one that has not been used for a day; False if there is none."""
    return delete_some(database, TEMPORARY, conversations.c.updated_at < time() - TEMPORARY_SECONDS, ~IS_ANSWERING)


def old(database: Database, days: int | None) -> bool:
    """Delete one whose last message is older, if any age is too old, whatever else it is; False if there is none."""
    return days is not None and delete_some(database, conversations.c.updated_at < time() - days * DAY, ~IS_ANSWERING)
