"""Long chats, and people with many: their rows are written at once, nothing is sent."""

from time import time
from typing import Any

from sqlalchemy import insert, select, update

from webapp.chats.history import new_id
from webapp.db import Database, conversations, messages
from webapp.markdown import RENDERER_VERSION

MODEL = "voigpt/gpt-3.5-turbo"
NOW = time()


def lengthen(database: Database, conversation_id: str, count: int, text: str = "Message {}") -> list[str]:
    """Adds so many after the newest message, which is a reply; returns their ids, the oldest first."""
    with database.write() as connection:
        ordered = select(messages.c.id, messages.c.seq).where(messages.c.conversation_id == conversation_id)
        newest = connection.execute(ordered.order_by(messages.c.seq.desc()).limit(1)).one()
        ids = [newest.id, *(new_id() for _ in range(count))]
        numbered = range(newest.seq + 1, newest.seq + 1 + count)
        rows = [
            message(conversation_id, message_id, parent_id, seq, text.format(seq))
            for message_id, parent_id, seq in zip(ids[1:], ids, numbered, strict=False)
        ]
        connection.execute(insert(messages), rows)
        mine = conversations.c.id == conversation_id
        connection.execute(update(conversations).where(mine).values(last_seq=newest.seq + count))
    return ids[1:]


def message(conversation_id: str, message_id: str, parent_id: str | None, seq: int, text: str) -> dict[str, Any]:
    said = dict(id=message_id, conversation_id=conversation_id, parent_id=parent_id, seq=seq, status="complete")
    shown = dict(text=text, html=f"<p>{text}</p>", renderer=RENDERER_VERSION, model=MODEL, problem="", attempt=1)
    return said | shown | dict(role="user" if seq % 2 else "assistant", created_at=NOW, settled_at=NOW)


def begin(database: Database, owner: str, count: int, text: str = "Message {}") -> tuple[str, list[str]]:
    """A conversation of so many messages, a multiple of two; its id and theirs."""
    chat, first, second = new_id(), new_id(), new_id()
    row = dict(id=chat, owner_id=owner, title="Long", model=MODEL, last_seq=2, created_at=NOW, updated_at=NOW)
    with database.write() as connection:
        connection.execute(insert(conversations).values(row))
        connection.execute(insert(messages).values(message(chat, first, None, 1, text.format(1))))
        connection.execute(insert(messages).values(message(chat, second, first, 2, text.format(2))))
    return chat, [first, second, *(lengthen(database, chat, count - 2, text) if count > 2 else [])]


def begin_many(database: Database, owner: str, count: int) -> None:
    """So many conversations of two messages each, an hour apart."""
    chats, said = [], []
    for number in range(count):
        chat, first, second = new_id(), new_id(), new_id()
        when = NOW - 3600.0 * number
        named = dict(id=chat, owner_id=owner, title=f"Chat {number}", model=MODEL, last_seq=2)
        chats.append(named | dict(created_at=when, updated_at=when))
        said += [message(chat, first, None, 1, "Hi"), message(chat, second, first, 2, "Hello.")]
    with database.write() as connection:
        connection.execute(insert(conversations), chats)
        connection.execute(insert(messages), said)
