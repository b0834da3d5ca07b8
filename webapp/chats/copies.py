"""A branch of a conversation as a conversation of its own, whose owner may be somebody else."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import time
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from ..db import Database, conversations, messages
from ..sentences import Sentence
from . import attachments, branches, lease, once
from .files import Files
from .history import new_id
from .instructions import NOTHING, Instructions
from .records import Sent

UNFINISHED = Sentence("This reply was still being written when the chat was copied.")


@dataclass(frozen=True)
class Source:
    """The branch down to `leaf_id`, and what else the copy begins with.

    Who calls `copy` has seen to it that the new owner may read this.
    """

    conversation_id: str
    leaf_id: str
    title: str
    instructions: Instructions = NOTHING
    is_temporary: bool = False
    instead: Callable[[RowMapping], dict[str, Any]] = lambda _row: {}
    """What the copy of a message has instead of the original's, where the new owner may not read that."""


def copy(
    database: Database,
    files: Files,
    source: Source,
    to_owner: str,
    submit_id: str,
    admit: lease.Admit = lease.admit_all,
) -> Sent:
    """A new conversation of `to_owner` with all of the branch, unless this submit was stored before.

    `Sent.message_id` is that of its first message. A reply that is still being written is copied as far as it has
    come, as interrupted. Raises `NotFound`, `Gone`, `OSError`, `attachments.Full`, and what `admit` raises: then
    nothing is stored.
    """
    key = once.key(submit_id, to_owner, "copy", source.conversation_id)
    whole = select(conversations.c.id).where(conversations.c.id == source.conversation_id)
    with database.write() as connection:
        connection.execute(whole.with_for_update())
        ids = branches.line(connection, source.conversation_id, source.leaf_id)
        new_ids = {message_id: new_id() for message_id in ids}
        sent = Sent(new_id(), new_ids[ids[0]])
        if not once.is_first(database, connection, key, sent):
            return once.sent_before(connection, key)
        connection.execute(insert(conversations).values(_conversation(connection, source, sent, to_owner, len(ids))))
        for start in range(0, len(ids), branches.AT_ONCE):
            some = ids[start : start + branches.AT_ONCE]
            _copy_messages(connection, source, some, start, sent, new_ids)
            attachments.copy(connection, files, to_owner, sent.conversation_id, {each: new_ids[each] for each in some})
        admit(connection, "")
        return sent


def _conversation(
    connection: Connection, source: Source, sent: Sent, to_owner: str, last_seq: int
) -> dict[str, object]:
    now = time()
    model = connection.execute(select(messages.c.model).where(messages.c.id == source.leaf_id)).scalar_one()
    named = dict(id=sent.conversation_id, owner_id=to_owner, title=source.title, model=model)
    begun = dict(last_seq=last_seq, created_at=now, updated_at=now, is_temporary=source.is_temporary)
    return named | begun | asdict(source.instructions)


def _copy_messages(
    connection: Connection, source: Source, ids: list[str], number: int, sent: Sent, new_ids: dict[str, str]
) -> None:
    """Those before them were `number`."""
    query = select(messages).where(messages.c.id.in_(ids)).order_by(messages.c.seq)
    found = connection.execute(query).mappings().all()
    rows = [_copied(row, sent, new_ids) | source.instead(row) for row in found]
    connection.execute(insert(messages), [row | {"seq": seq} for seq, row in enumerate(rows, start=number + 1)])


def _copied(row: RowMapping, sent: Sent, new_ids: dict[str, str]) -> dict[str, Any]:
    pointers = {name: new_ids.get(row[name]) for name in ("id", "parent_id", "seen_from")}
    own = {"conversation_id": sent.conversation_id, "waiting_since": None, "is_indexed": False}
    copied = dict(row) | pointers | own | lease.NOBODYS
    if row["status"] in ("waiting", "live"):
        copied |= {"status": "interrupted", "problem": UNFINISHED, "settled_at": time()}
    return copied
