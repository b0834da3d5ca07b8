"""What is added to a conversation, and what its model is told: what was said is only added to."""

import secrets
from dataclasses import asdict, fields, replace
from hashlib import sha256
from time import time
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    insert,
    select,
    update,
)

from .. import markdown
from ..db import Database, conversations, erasures, messages, presets, recoveries
from . import attachments, branches, lease, once, owned
from .instructions import Changed, Instructions, version
from .records import Draft, Message, NotFound, Sent
from .text import title

_ADD_CONVERSATION, _ADD_MESSAGES = insert(conversations), insert(messages)
INSTRUCTIONS = [conversations.c[field.name] for field in fields(Instructions)]
_INSTRUCTIONS = select(*INSTRUCTIONS).where(owned.mine(owned.OWNER, owned.CHAT))


def begin(database: Database, owner: str, draft: Draft, admit: lease.Admit = lease.admit_all) -> Sent:
    """A new conversation with its first message and an empty reply, unless this submit was stored before.

    Raises `Gone`, `attachments.Full`, and what `admit` raises: then nothing is stored.
    """
    key, html = _submission_key(owner, draft, ""), markdown.render(draft.words, breaks=True)
    with database.write_little() as connection:
        sent = Sent(new_id(), new_id())
        if not once.is_first(database, connection, key, sent):
            return once.sent_before(connection, key)
        draft = _with_preset(draft)
        connection.execute(_ADD_CONVERSATION, _conversation(sent.conversation_id, owner, draft, last_seq=2))
        admit(connection, _add_message_and_reply(connection, sent, draft, html, None, seq=2))
        attachments.add(connection, owner, sent, draft.pictures)
        return sent


def append(
    database: Database, owner: str, conversation_id: str, draft: Draft, admit: lease.Admit = lease.admit_all
) -> Sent:
    """The next message and an empty reply, unless this submit was stored before.

    It stands where the draft says, else after the newest reply. Raises `NotFound`, `Gone`, `attachments.Full`, and
    what `admit` raises: then nothing is stored.
    """
    key, html = _submission_key(owner, draft, conversation_id), markdown.render(draft.words, breaks=True)
    with database.write_little() as connection:
        owned.lock(connection, owner, conversation_id)
        sent = Sent(conversation_id, new_id())
        if not once.is_first(database, connection, key, sent):
            return once.sent_before(connection, key)
        parent, seq = _parent_id(connection, conversation_id, draft), _next_seqs(connection, sent, draft, 2)
        admit(connection, _add_message_and_reply(connection, sent, draft, html, parent, seq))
        attachments.add(connection, owner, sent, draft.pictures)
        return sent


def regenerate(
    database: Database, owner: str, reply: Message, submit_id: str, admit: lease.Admit = lease.admit_all
) -> Sent:
    """Another reply that waits beside this one, unless this submit was stored before; `message_id` is its id.

    Raises `NotFound`, `Gone`, and what `admit` raises: then nothing is stored.
    """
    draft = Draft("", reply.model, submit_id and f"{submit_id} regenerate", reply.id)
    with database.write_little() as connection:
        owned.lock(connection, owner, reply.conversation_id)
        sent = Sent(reply.conversation_id, new_id())
        if not once.is_first(database, connection, _submission_key(owner, draft, reply.conversation_id), sent):
            return once.sent_before(connection, _submission_key(owner, draft, reply.conversation_id))
        seq = _next_seqs(connection, sent, draft, 1)
        connection.execute(_ADD_MESSAGES, _waiting(sent, draft, sent.message_id, reply.parent_id, seq))
        admit(connection, sent.message_id)
        return sent


def instructions(database: Database, owner: str, conversation_id: str) -> Instructions:
    """Those that count from the next reply on. Raises `NotFound`."""
    with database.read() as connection:
        row = connection.execute(_INSTRUCTIONS, {"owner": owner, "chat": conversation_id}).first()
    if row is None:
        raise NotFound
    return Instructions(*row)


def instruct(database: Database, owner: str, conversation_id: str, told: Instructions, seen: str) -> None:
    """Store them. Raises `NotFound`, and `Changed` unless `seen` is empty or the version that is stored."""
    mine = owned.mine(owner, conversation_id)
    with database.write() as connection:
        owned.lock(connection, owner, conversation_id)
        now = _instructions(connection, mine)
        if seen and version(now) not in (seen, version(told)):
            raise Changed(now)
        connection.execute(update(conversations).where(mine).values(asdict(told)))


def context(database: Database, conversation_id: str, leaf_id: str) -> tuple[Instructions, list[Message]]:
    """What an upstream may be told: the branch up to `leaf_id`, without replies that never got a word."""
    with database.read() as connection:
        told = _instructions(connection, conversations.c.id == conversation_id)
        said = branches.path(connection, conversation_id, leaf_id)
    return told, [message for message in said if message.text]


def adopt(database: Database, from_owner: str, to_owner: str) -> None:
    """All chats and presets of one owner become the other's, whose recovery link alone opens them from then on.

    Raises `NotFound` if everything about the other has just been deleted.
    """
    is_erased = select(erasures.c.owner_id).where(erasures.c.owner_id == to_owner)
    with database.write() as connection:
        if connection.execute(is_erased).first():
            raise NotFound
        for table, more in ((conversations, {"is_indexed": False}), (presets, {})):
            theirs = update(table).where(table.c.owner_id == from_owner)
            connection.execute(theirs.values(owner_id=to_owner, **more))
        connection.execute(delete(recoveries).where(recoveries.c.owner_id == from_owner))


def new_id() -> str:
    return secrets.token_hex(16)


def _submission_key(owner: str, draft: Draft, conversation_id: str) -> str:
    sent = conversation_id, draft.parent_id or "", draft.model, draft.words
    pictures = [sha256(picture.content).hexdigest() for picture in draft.pictures]
    return once.key(draft.submit_id, owner, *sent, *_wished(draft), *pictures)


def _wished(draft: Draft) -> list[str]:
    """As it was sent: an edited preset makes no other submit of it. Nothing if nothing was wished for."""
    preset = draft.preset.id if draft.preset else ""
    told = [preset, version(draft.instructions)] if preset or draft.instructions.set else []
    edited = ["edits", draft.edits] if draft.edits else []
    return [*edited, *told, "temporary"] if draft.is_temporary else [*edited, *told]


def _with_preset(draft: Draft) -> Draft:
    if draft.preset is None:
        return draft
    told = draft.instructions.over(draft.preset.instructions)
    return replace(draft, model=draft.preset.model or draft.model, instructions=told)


def _parent_id(connection: Connection, conversation_id: str, draft: Draft) -> str | None:
    if draft.edits:
        return branches.parent(connection, conversation_id, draft.edits)
    if draft.at and not draft.parent_id:
        return branches.newest(connection, conversation_id, draft.at)
    return _reply_id(connection, conversation_id, draft.parent_id)


def _reply_id(connection: Connection, conversation_id: str, parent_id: str | None) -> str:
    replies = select(messages.c.id).where(messages.c.conversation_id == conversation_id, messages.c.role == "assistant")
    if parent_id is not None:
        replies = replies.where(messages.c.id == parent_id)
    found = connection.execute(replies.order_by(messages.c.seq.desc()).limit(1)).scalar()
    if found is None:
        raise NotFound
    return str(found)


def _add_message_and_reply(
    connection: Connection, sent: Sent, draft: Draft, html: str, parent_id: str | None, seq: int
) -> str:
    """The reply has the number `seq`, the message the one before. Returns the id of the reply."""
    reply_id = new_id()
    asked = _asked(sent, draft, html, parent_id, seq - 1)
    connection.execute(_ADD_MESSAGES, [asked, _waiting(sent, draft, reply_id, sent.message_id, seq)])
    return reply_id


def _next_seqs(connection: Connection, sent: Sent, draft: Draft, count: int) -> int:
    """The last of the next `count` numbers of the conversation, which has been written to with this."""
    last_seq = (
        update(conversations)
        .where(conversations.c.id == sent.conversation_id)
        .values(last_seq=conversations.c.last_seq + count, updated_at=time(), model=draft.model)
        .returning(conversations.c.last_seq)
    )
    return int(connection.execute(last_seq).scalar_one())


def _asked(sent: Sent, draft: Draft, html: str, parent_id: str | None, seq: int) -> dict[str, Any]:
    now = time()
    words = dict(text=draft.words, html=html, renderer=markdown.RENDERER_VERSION, settled_at=now, waiting_since=None)
    place = dict(id=sent.message_id, parent_id=parent_id, seq=seq, role="user", status="complete", created_at=now)
    return _of(sent, draft) | place | words


def _waiting(sent: Sent, draft: Draft, reply_id: str, parent_id: str | None, seq: int) -> dict[str, Any]:
    now = time()
    words = dict(text="", html="", renderer=0, settled_at=None, waiting_since=now)
    place = dict(id=reply_id, parent_id=parent_id, seq=seq, role="assistant", status="waiting", created_at=now)
    return _of(sent, draft) | place | words


def _of(sent: Sent, draft: Draft) -> dict[str, Any]:
    return dict(conversation_id=sent.conversation_id, model=draft.model, problem="", attempt=0)


def _conversation(conversation_id: str, owner: str, draft: Draft, last_seq: int) -> dict[str, object]:
    now = time()
    named = dict(id=conversation_id, owner_id=owner, title=title(draft.words), model=draft.model)
    begun = dict(last_seq=last_seq, created_at=now, updated_at=now, is_temporary=draft.is_temporary)
    return named | begun | asdict(draft.instructions)


def _instructions(connection: Connection, of: ColumnElement[bool]) -> Instructions:
    row = connection.execute(select(*INSTRUCTIONS).where(of)).mappings().first()
    if row is None:
        raise NotFound
    return Instructions(**row)
