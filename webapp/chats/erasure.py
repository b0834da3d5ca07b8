"""Everything about a person, deleted for good; also what a request that was on its way stores afterwards."""

from time import time

from sqlalchemy import Connection, delete, select, update

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
from .files import Files

LATE_SECONDS = 86400.0
REWRITTEN_BYTES = 100_000_000  # above, nobody could write for too long


def unsettled_of(database: Database, owner: str) -> list[str]:
    """The owner's replies that wait or are being written, those that wait first: stopped so, none of them begins."""
    query = select(messages.c.id).join(conversations).where(conversations.c.owner_id == owner, UNSETTLED)
    with database.read() as connection:
        return list(connection.execute(query.order_by(messages.c.status.desc(), messages.c.seq)).scalars())


def erase(database: Database, files: Files, owner: str) -> None:
    """Chats, presets, links, the account, and the sessions of all browsers. Of what was sent only hashes stay."""
    mine = erasures.c.owner_id == owner
    with database.write() as connection:
        database.insert_once(connection, erasures, {"owner_id": owner, "erased_at": time(), "is_in_files": False})
        pictures = attachments.ids_of(connection, owner)
        if _delete(connection, owner):
            connection.execute(update(erasures).where(mine).values(is_in_files=True))
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
    with database.read() as connection:
        owners = connection.execute(select(erasures.c.owner_id).where(erasures.c.is_in_files)).scalars().all()
    if owners and database.file and database.file.stat().st_size < REWRITTEN_BYTES:
        database.rewrite()
    is_empty = database.checkpoint()
    if owners and is_empty:
        with database.write() as connection:
            done = update(erasures).where(erasures.c.owner_id.in_(owners))
            connection.execute(done.values(is_in_files=False))


def _delete(connection: Connection, owner: str) -> bool:
    """Whether there was anything that somebody wrote."""
    deleted = 0
    for table in (conversations, presets):
        deleted += connection.execute(delete(table).where(table.c.owner_id == owner)).rowcount
    for key in (recoveries, accounts):
        connection.execute(delete(key).where(key.c.owner_id == owner))
    connection.execute(delete(meters).where(meters.c.key.startswith(f"owner {owner} ")))
    theirs = sessions.c.data.contains(f'"{owner}"')  # JSON, as web.sessions writes it
    connection.execute(update(sessions).where(theirs).values(ended=True, data="{}"))
    return deleted > 0
