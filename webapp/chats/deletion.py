"""Deleting conversations for good, in short steps, and the newest messages first.

Each message takes along those that follow it, and a database follows such a chain only so far: SQLite 1 000 messages.
"""

from sqlalchemy import ColumnElement, Select, TextClause, Update, delete, select, update

from ..db import Database, conversations, messages

MESSAGES_AT_ONCE = 200
LONG_AGO = 0.0  # when what nobody can restore was deleted


def delete_some(database: Database, *which: ColumnElement[bool] | TextClause) -> bool:
    """One of these conversations, or the end of a long one, which nobody sees from then on; False if there is none.

    None that somebody sends to at this moment. The files of its pictures are swept later.
    """
    found = select(conversations.c.id).where(*which).order_by(conversations.c.updated_at).limit(1)
    with database.write() as connection:
        conversation_id = connection.execute(found.with_for_update(skip_locked=True)).scalar()
        if conversation_id is None:
            return False
        mine = conversations.c.id == conversation_id
        ids = connection.execute(_newest(conversation_id)).scalars().all()
        connection.execute(delete(messages).where(messages.c.id.in_(ids)))
        is_whole = len(ids) < MESSAGES_AT_ONCE
        connection.execute(delete(conversations).where(mine) if is_whole else _hidden(mine))
    return True


def _newest(conversation_id: str) -> Select[tuple[str]]:
    theirs = select(messages.c.id).where(messages.c.conversation_id == conversation_id)
    return theirs.order_by(messages.c.seq.desc()).limit(MESSAGES_AT_ONCE)


def _hidden(mine: ColumnElement[bool]) -> Update:
    return update(conversations).where(mine).values(deleted_at=LONG_AGO)
