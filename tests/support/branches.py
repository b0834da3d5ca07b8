"""A branch as its owner reads it, all of it."""

from webapp.chats import branches
from webapp.chats.records import Message
from webapp.db import Database


def branch(database: Database, owner: str, conversation_id: str, at: str = "") -> list[Message]:
    """The branch that holds the message `at`, down to its newest, or the newest of all. Raises `NotFound`."""
    ids = branches.ids(database, owner, conversation_id, at)
    return [message for some in branches.read(database, ids) for message in some]
