"""Everything about a person, deleted for good; also what a request that was on its way stores afterwards."""

from time import time

from sqlalchemy import Connection, delete, exists, select, update

from ..db import (
    UNSETTLED,
    Database,
    accounts,
    conversations,
    erasures,
    messages,
    meters,
    presets,
    recoveries,
    sessions,
)
from . import attachments
from .deletion import LONG_AGO, delete_some
from .files import Files

LATE_SECONDS = 86400.0
REWRITTEN_BYTES = 100_000_000  # above, nobody could write for too long


def unsettled_of(database: Database, owner: str) -> list[str]:
    """The owner's replies that wait or are being written, those that wait first: stopped so, none of them begins."""
    query = select(messages.c.id).join(conversations).where(conversations.c.owner_id == owner, UNSETTLED)
    with database.read() as connection:
        return list(connection.execute(query.order_by(messages.c.status.desc(), messages.c.seq)).scalars())


def erase(database: Database, files: Files, owner: str) -> None:
    """Chats, presets, links, the account, and the sessions of all browsers. Of what was sent only hashes stay.

    All of it is out of reach with the first transaction, and then deleted chat by chat: others write in between. What
    a kill leaves is for `late`.
    """
    has_chats = exists().where(conversations.c.owner_id == owner)
    with database.write() as connection:
        database.insert_once(connection, erasures, {"owner_id": owner, "erased_at": time(), "is_in_files": True})
        if connection.execute(select(has_chats)).scalar():
            connection.execute(update(erasures).where(erasures.c.owner_id == owner).values(is_in_files=True))
        pictures = attachments.ids_of(connection, owner)
        _put_out_of_reach(connection, owner)
    while delete_some(database, conversations.c.owner_id == owner):
        pass
    files.remove(pictures)


def late(database: Database, files: Files) -> None:
    """Delete what was stored after all, for a day."""
    with database.read() as connection:
        owners = connection.execute(select(erasures.c.owner_id)).scalars().all()
    for owner in owners:
        erase(database, files, owner)
    if owners:
        with database.write() as connection:
            connection.execute(delete(erasures).where(erasures.c.erased_at < time() - LATE_SECONDS))


def scrub(database: Database) -> None:
    """Leave nothing of it in SQLite's files."""
    has_chats = exists().where(conversations.c.owner_id == erasures.c.owner_id)
    with database.read() as connection:
        due = select(erasures.c.owner_id).where(erasures.c.is_in_files, ~has_chats)
        owners = connection.execute(due).scalars().all()
    if owners and database.file and database.file.stat().st_size < REWRITTEN_BYTES:
        database.rewrite()
    is_empty = database.checkpoint()
    if owners and is_empty:
        with database.write() as connection:
            done = update(erasures).where(erasures.c.owner_id.in_(owners))
            connection.execute(done.values(is_in_files=False))


def _put_out_of_reach(connection: Connection, owner: str) -> None:
    for table in (presets, recoveries, accounts):
        connection.execute(delete(table).where(table.c.owner_id == owner))
    connection.execute(delete(meters).where(meters.c.key.startswith(f"owner {owner} ")))
    connection.execute(update(conversations).where(conversations.c.owner_id == owner).values(deleted_at=LONG_AGO))
    theirs = sessions.c.data.contains(f'"{owner}"')  # JSON, as web.sessions writes it
    connection.execute(update(sessions).where(theirs).values(ended=True, data="{}"))
