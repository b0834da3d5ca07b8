"""What a conversation is called."""

from sqlalchemy import select, update

from ..db import Database, conversations
from . import owned
from .instructions import Changed, version
from .records import NotFound


def rename(database: Database, owner: str, conversation_id: str, title: str, seen: str) -> None:
    """Raises `NotFound`, and `Changed` unless `seen` is empty or the version of the title that is stored."""
    mine = owned.mine(owner, conversation_id)
    with database.write() as connection:
        now = connection.execute(select(conversations.c.title).where(mine).with_for_update()).scalar()
        if now is None:
            raise NotFound
        if seen and version(now) not in (seen, version(title)):
            raise Changed(now)
        connection.execute(update(conversations).where(mine).values(title=title, is_indexed=False))
