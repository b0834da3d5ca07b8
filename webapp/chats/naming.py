"""What a conversation is called."""

from typing import NamedTuple

from sqlalchemy import select, update

from ..db import Database, conversations
from . import branches, owned
from .instructions import Changed, version
from .records import NotFound
from .text import title as first_words


class Untitled(NamedTuple):
    """A conversation's first turn, and its title, which is the question's first words."""

    title: str
    question: str
    answer: str


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


def untitled(database: Database, conversation_id: str, reply_id: str) -> Untitled | None:
    """None if the reply is not the first, or nobody would see a better title, or somebody has given one."""
    is_listed = conversations.c.deleted_at.is_(None) & ~conversations.c.is_temporary
    with database.read() as connection:
        query = select(conversations.c.title).where(conversations.c.id == conversation_id, is_listed)
        title = connection.execute(query).scalar()
        said = branches.path(connection, conversation_id, reply_id)
    if len(said) != 2 or title != first_words(said[0].text):
        return None
    return Untitled(str(title), *(message.text for message in said))


def improve(database: Database, conversation_id: str, title: str, better: str) -> None:
    """Unless it is no longer called that: who renames it meanwhile wins."""
    is_called_so = (conversations.c.id == conversation_id) & (conversations.c.title == title)
    with database.write() as connection:
        connection.execute(update(conversations).where(is_called_so).values(title=better, is_indexed=False))
