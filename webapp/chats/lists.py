"""The list of a person's conversations."""

from dataclasses import fields
from math import inf

from sqlalchemy import select

from ..db import Database, conversations
from . import owned
from .records import Conversation, NotFound

PAGE = 100
COLUMNS = [conversations.c[field.name] for field in fields(Conversation)]


def conversation(database: Database, owner: str, conversation_id: str) -> Conversation:
    """Raises `NotFound`."""
    query = select(*COLUMNS).where(owned.mine(owner, conversation_id))
    with database.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound
    return Conversation(**row)


def recent(database: Database, owner: str, before: float = inf) -> list[Conversation]:
    """At most `PAGE` of the owner's conversations, last written to before `before`, the newest first."""
    query = (
        select(*COLUMNS)
        .where(owned.listed(owner), conversations.c.updated_at < before)
        .order_by(conversations.c.updated_at.desc())
        .limit(PAGE)
    )
    with database.read() as connection:
        return [Conversation(**row) for row in connection.execute(query).mappings()]
