"""Links under which others read a branch of a chat: as it stood when the link was made, or as it goes on."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from datetime import time as clock
from functools import partial
from hashlib import sha256
from itertools import chain
from math import ceil, inf
from time import time
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, delete, or_, select, update

from ..db import Database, conversations, shares
from ..sentences import Sentence
from . import attachments, branches, lease, owned
from .copies import Source
from .records import Attachment, Message, NotFound

MOST_OF_A_CHAT = 20
MOST_OF_A_PERSON = 200
NAME_CHARACTERS = 60
KEPT_SECONDS = 86400.0  # after its end, so that to revoke it twice is no error
PAGE = branches.AT_ONCE

NOT_SHARED = Sentence("This reply was not shared with you.")
# What of a message is its owner's alone: how it came about.
OWNERS: dict[str, Any] = {
    "reasoning": "",
    "problem": "",
    "prompt_tokens": None,
    "completion_tokens": None,
    "seen_from": None,
}

# A share, as its fields are called.
COLUMNS = (
    *(shares.c[name] for name in ("id", "conversation_id", "leaf_id", "name", "goes_on", "created_at", "ends_at")),
    conversations.c.owner_id,
    case((shares.c.goes_on, conversations.c.title), else_=shares.c.title).label("title"),
)


@dataclass(frozen=True)
class Wish:
    """A link to the branch that holds `at`, or the newest. It ends after a while, when a day is over, or never."""

    conversation_id: str
    at: str = ""
    goes_on: bool = False
    ends: timedelta | date | None = None
    name: str = ""


@dataclass(frozen=True)
class Share:
    """A link. `title` is the chat's as its readers see it, `name` what they are told of its owner."""

    id: str
    conversation_id: str
    owner_id: str
    leaf_id: str
    title: str
    name: str
    goes_on: bool
    created_at: float
    ends_at: float | None

    def shows(self, role: str, status: str, settled_at: float | None) -> bool:
        """A question, and a reply that is finished and, where the chat is shared as it stood, was finished then."""
        if role == "user":
            return True
        return status not in ("waiting", "live") and (self.goes_on or (settled_at or inf) <= self.created_at)


@dataclass(frozen=True)
class Part:
    """Messages of a branch that has `last` parts, of which this is the one with the `number`."""

    messages: list[Message]
    number: int
    last: int


class TooMany(Exception):
    """`str(error)` is a sentence for the person."""


def of_chat(database: Database, owner: str, conversation_id: str) -> list[Share]:
    """The links that show something now, the newest first. Raises `NotFound`."""
    with database.read() as connection:
        owned.check(connection, owner, conversation_id)
        return _found(connection, _mine(owner).where(shares.c.conversation_id == conversation_id))


def of_owner(database: Database, owner: str) -> list[Share]:
    """All links of a person that show something now, the newest first."""
    with database.read() as connection:
        return _found(connection, _mine(owner))


def add(database: Database, owner: str, wish: Wish, submit_id: str, admit: Callable[[Connection], None]) -> None:
    """Make a link under an id that nobody can guess, unless this submit has made one.

    Raises `NotFound`, `TooMany`, and what `admit` raises: then nothing is stored. On PostgreSQL, those that come at
    the same moment for several chats may exceed `MOST_OF_A_PERSON` by as many.
    """
    leaf_id = branches.leaf(database, owner, wish.conversation_id, wish.at)
    with database.write() as connection:
        owned.lock(connection, owner, wish.conversation_id)
        row = _row(connection, wish) | {"id": _new_id(owner, wish, submit_id), "leaf_id": leaf_id}
        if not database.insert_once(connection, shares, row):
            return
        _check_room(_found(connection, _mine(owner)), wish.conversation_id)
        admit(connection)


def revoke(database: Database, owner: str, conversation_id: str, share_id: str) -> None:
    """It ends now, if it has not ended before. Raises `NotFound`."""
    theirs = (shares.c.id == share_id) & (shares.c.conversation_id == conversation_id)
    with database.write() as connection:
        owned.check(connection, owner, conversation_id)
        if connection.execute(update(shares).where(theirs).values(ends_at=time())).rowcount == 0:
            raise NotFound


def find(database: Database, share_id: str) -> Share:
    """Whoever asks. Raises `NotFound` if it was revoked, has ended, never was, or its chat is gone."""
    with database.read() as connection:
        found = _found(connection, _open().where(shares.c.id == share_id))
    if not found:
        raise NotFound
    return found[0]


def part(database: Database, share: Share, number: int) -> Part:
    """What readers see, `PAGE` messages at once; `number` counts from 1. Raises `NotFound`."""
    ids = _ids(database, share)
    last = ceil(len(ids) / PAGE)
    number = min(max(number, 1), last)
    return Part(_shown(database, share, ids[(number - 1) * PAGE : number * PAGE]), number, last)


def picture(database: Database, share: Share, attachment_id: str) -> Attachment:
    """Of a message that readers see. Raises `NotFound`."""
    theirs = attachments.by_message(database, share.conversation_id)
    ids = [message_id for message_id in _ids(database, share) if message_id in theirs]
    for message in _shown(database, share, ids):
        for found in theirs[message.id]:
            if found.id == attachment_id:
                return found
    raise NotFound


def source(database: Database, share: Share) -> Source:
    """What readers may have a copy of. Raises `NotFound`."""
    with database.read() as connection:
        leaf_id = _leaf(connection, share)
    return Source(share.conversation_id, leaf_id, share.title, instead=partial(_instead, share))


def remove_ended(database: Database) -> None:
    with database.write() as connection:
        connection.execute(delete(shares).where(shares.c.ends_at < time() - KEPT_SECONDS))


def _ids(database: Database, share: Share) -> list[str]:
    with database.read() as connection:
        return branches.line(connection, share.conversation_id, _leaf(connection, share))


def _shown(database: Database, share: Share, ids: Sequence[str]) -> list[Message]:
    found = chain.from_iterable(branches.read(database, ids))
    shown = (message for message in found if share.shows(message.role, message.status, message.settled_at))
    return [replace(message, **OWNERS) for message in shown]


def _leaf(connection: Connection, share: Share) -> str:
    if share.goes_on:
        return branches.newest(connection, share.conversation_id, share.leaf_id)
    return share.leaf_id


def _instead(share: Share, row: RowMapping) -> dict[str, Any]:
    if share.shows(row["role"], row["status"], row["settled_at"]):
        return OWNERS
    return lease.UNRENDERED | lease.NOTHING_SAID | OWNERS | {"status": "interrupted", "problem": NOT_SHARED}


def _open() -> Select[Any]:
    """The links that show something now."""
    is_there = conversations.c.deleted_at.is_(None) & ~conversations.c.is_temporary
    has_not_ended = or_(shares.c.ends_at.is_(None), shares.c.ends_at > time())
    return select(*COLUMNS).join_from(shares, conversations).where(is_there, has_not_ended)


def _mine(owner: str) -> Select[Any]:
    return _open().where(conversations.c.owner_id == owner).order_by(shares.c.created_at.desc(), shares.c.id)


def _found(connection: Connection, query: Select[Any]) -> list[Share]:
    return [Share(**row) for row in connection.execute(query).mappings()]


def _row(connection: Connection, wish: Wish) -> dict[str, Any]:
    title = select(conversations.c.title).where(conversations.c.id == wish.conversation_id)
    told = dict(conversation_id=wish.conversation_id, goes_on=wish.goes_on, name=wish.name)
    now = time()
    return told | dict(title=connection.execute(title).scalar(), created_at=now, ends_at=_end(wish.ends, now))


def _end(ends: timedelta | date | None, now: float) -> float | None:
    """Of a day: midnight after it, in the server's time zone."""
    if ends is None:
        return None
    if isinstance(ends, timedelta):
        return now + ends.total_seconds()
    return datetime.combine(ends + timedelta(days=1), clock.min).astimezone().timestamp()


def _new_id(owner: str, wish: Wish, submit_id: str) -> str:
    """The same for the same submit of the same wish; random for a form without a submit id."""
    if not submit_id:
        return secrets.token_hex(16)
    return sha256("\0".join([owner, submit_id, repr(wish)]).encode()).hexdigest()[:32]


def _check_room(found: Sequence[Share], conversation_id: str) -> None:
    """Raises `TooMany`."""
    of_this_chat = [share for share in found if share.conversation_id == conversation_id]
    if len(of_this_chat) > MOST_OF_A_CHAT:
        raise TooMany(
            Sentence("This chat has {most} links, which is the most: revoke one to make another.", most=MOST_OF_A_CHAT)
        )
    if len(found) > MOST_OF_A_PERSON:
        raise TooMany(
            Sentence("You have {most} links, which is the most: revoke one to make another.", most=MOST_OF_A_PERSON)
        )
