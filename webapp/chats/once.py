"""What makes the same submit one thing, however often it comes: its hash is stored with what it made, for ever."""

from hashlib import sha256
from time import time

from sqlalchemy import Connection, select

from ..db import Database, messages, submissions
from .records import Gone, Sent


def key(submit_id: str, owner: str, *sent: str) -> str:
    """Of all that was sent. Empty for a form without a submit id, which is always new."""
    return sha256("\0".join([owner, submit_id, *sent]).encode()).hexdigest() if submit_id else ""


def is_first(database: Database, connection: Connection, key: str, sent: Sent) -> bool:
    """Whether this is to be made now: then it has been noted that it made `sent`."""
    if not key:
        return True
    return database.insert_once(connection, submissions, dict(key=key, message_id=sent.message_id, created_at=time()))


def sent_before(connection: Connection, key: str) -> Sent:
    """What it made the first time. Raises `Gone`."""
    found = (
        select(messages.c.conversation_id, messages.c.id)
        .join(submissions, submissions.c.message_id == messages.c.id)
        .where(submissions.c.key == key)
    )
    row = connection.execute(found).first()
    if row is None:
        raise Gone
    return Sent(row.conversation_id, row.id)
