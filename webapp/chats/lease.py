"""A reply's states in the database: waiting → live (leased by one runner) → settled. Every change is one UPDATE.

The attempt's number is the fence: who holds an older one writes nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from time import time
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Integer,
    String,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from ..db import UNSETTLED, Database, conversations, messages
from ..sentences import Sentence
from .endings import LENGTH
from .records import BROKEN_OFF, Said

LEASE_SECONDS = 10.0
RENEW_SECONDS = 2.0
INTERRUPTED = Sentence("The server stopped before this reply was finished.")

# Of a reply that nobody writes.
NOBODYS: dict[str, Any] = {"runner": None, "lease_until": None, "address": None, "is_stopping": False}
# Of one that is written again …
UNRENDERED: dict[str, Any] = {"html": "", "renderer": 0, "problem": "", "finish_reason": "", "is_indexed": False}
# … from its beginning.
NOTHING_SAID: dict[str, Any] = {"text": "", "reasoning": "", "prompt_tokens": None, "completion_tokens": None}

_NOW = bindparam("now", type_=Double, callable_=time)
_IS_STALE = and_(UNSETTLED, messages.c.status == "live", messages.c.lease_until < _NOW)

# Called in the transaction that makes a reply wait, with its id; what it raises takes that back.
Admit: TypeAlias = Callable[[Connection, str], None]


@dataclass(frozen=True)
class Claim:
    """The right to write one reply."""

    reply_id: str
    conversation_id: str
    parent_id: str
    model: str
    attempt: int
    text: str = ""
    """What an earlier attempt has left to go on from, as is the rest."""
    reasoning: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a reply ended: its state, all of its text, and for the person who waits what there is to say about that."""

    status: str
    text: str
    problem: str = ""
    html: str = ""
    renderer: int = 0
    reasoning: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seen_from: str | None = None


@dataclass(frozen=True)
class Unsettled:
    """A reply that waits, or that is live until its lease runs out."""

    id: str
    conversation_id: str
    owner_id: str
    status: str
    waiting_since: float
    lease_until: float | None
    is_stopping: bool

    @property
    def is_stale(self) -> bool:
        return is_stale(self.status, self.lease_until)

    @property
    def is_live(self) -> bool:
        return self.status == "live" and not self.is_stale


def is_stale(status: str, lease_until: float | None) -> bool:
    """Whether a reply is live in name only: its runner has not renewed its lease in time."""
    return status == "live" and (lease_until or 0) < time()


def admit_all(_connection: Connection, _reply_id: str) -> None:
    """An `Admit` without limits."""


@dataclass(frozen=True)
class Caps:
    """How many replies may be live at once: of one person, and of all people and workers together."""

    each: float = inf
    everybody: float = inf

    def have_room(self, theirs: int, everybodys: int) -> bool:
        """For one more of an owner's who has `theirs` live replies, while there are `everybodys`."""
        return theirs < self.each and everybodys < self.everybody


NO_CAPS = Caps()


def claim(database: Database, reply_id: str, runner: str, caps: Caps = NO_CAPS) -> Claim | None:
    """Take a waiting reply whose turn it is; None if it is not, or somebody else was first.

    On PostgreSQL, claims at the same moment may exceed the caps by as many.
    """
    taken = {"reply": reply_id, "by": runner}
    with database.write_little() as connection:
        owner = connection.execute(_ONE_AT_A_TIME, taken).scalar()
        if owner is None or not caps.have_room(*_live(connection, owner)):
            return None
        row = connection.execute(_TAKE, taken).first()
    return Claim(*row) if row else None


def keep(database: Database, grown: Sequence[tuple[Claim, Said]]) -> None:
    """Store what has come so far of replies that are live, all in one transaction."""
    rows = [
        {"reply": claim.reply_id, "at": claim.attempt, "so_far": said.text, "thought": said.reasoning}
        for claim, said in grown
    ]
    with database.write(durable=False) as connection:
        connection.execute(_KEEP, rows)


def renew(database: Database, runner: str, reply_ids: Collection[str]) -> None:
    """Say of all replies that this runner writes that it still does."""
    mine = (messages.c.runner == runner) & messages.c.id.in_(reply_ids) & (messages.c.status == "live")
    with database.write(durable=False) as connection:
        connection.execute(update(messages).where(mine).values(lease_until=time() + LEASE_SECONDS))


def gone(database: Database, reply_ids: Collection[str]) -> set[str]:
    """Those of them that have been deleted."""
    with database.read() as connection:
        return set(reply_ids) - set(
            connection.execute(select(messages.c.id).where(messages.c.id.in_(reply_ids))).scalars()
        )


def settle(database: Database, claim: Claim, outcome: Outcome) -> bool:
    """Store how the reply ended; False if another attempt has begun since."""
    ended = {"reply": claim.reply_id, "at": claim.attempt, **asdict(outcome), "settled_at": time(), **NOBODYS}
    with database.write_little() as connection:
        return connection.execute(_SETTLE, ended).rowcount == 1


def retry(database: Database, reply_id: str, attempt: int, admit: Admit = admit_all) -> bool:
    """Make a reply wait again that did not end well; False if this attempt's Retry came before.

    Raises what `admit` raises.
    """
    has_broken_off = messages.c.status.in_(BROKEN_OFF)
    return _again(database, reply_id, attempt, admit, has_broken_off, **NOTHING_SAID)


def go_on(database: Database, reply_id: str, attempt: int, admit: Admit = admit_all) -> bool:
    """As `retry`, and the reply goes on from the text that it has; also one that was cut at its length."""
    is_cut = and_(messages.c.status == "complete", messages.c.finish_reason == LENGTH)
    return _again(database, reply_id, attempt, admit, or_(messages.c.status.in_(BROKEN_OFF), is_cut))


def stop(database: Database, reply_id: str) -> None:
    """End a reply that waits; one that is live is ended by its runner, which is told."""
    mine = messages.c.id == reply_id
    waits = mine & or_(messages.c.status == "waiting", _IS_STALE)
    stopped = update(messages).where(waits).values(status="stopped", settled_at=time(), **NOBODYS)
    told = update(messages).where(mine, messages.c.status == "live").values(is_stopping=True)
    with database.write() as connection:
        if connection.execute(stopped).rowcount == 0:
            connection.execute(told)


def _again(
    database: Database, reply_id: str, attempt: int, admit: Admit, may_wait: ColumnElement[bool], **values: Any
) -> bool:
    again = (
        update(messages)
        .where(
            messages.c.id == reply_id,
            messages.c.role == "assistant",
            messages.c.attempt == attempt,
            or_(may_wait, _IS_STALE),
        )
        .values(status="waiting", waiting_since=time(), **UNRENDERED, **NOBODYS, **values)
    )
    with database.write() as connection:
        is_first = connection.execute(again).rowcount == 1
        if is_first:
            admit(connection, reply_id)
        return is_first


def expire(database: Database) -> None:
    """Mark as interrupted what no runner has renewed in time."""
    with database.write() as connection:
        connection.execute(
            update(messages)
            .where(_IS_STALE)
            .values(
                status="interrupted",
                problem=INTERRUPTED,
                settled_at=time(),
                **NOBODYS,
            )
        )


def unsettled(database: Database) -> list[Unsettled]:
    """All replies of all processes that are waiting or live, in the order in which they were asked for."""
    with database.read() as connection:
        return [Unsettled(*row) for row in connection.execute(_ALL_UNSETTLED)]


def said(database: Database, reply_ids: Collection[str]) -> dict[str, tuple[Said, bool]]:
    """Of those that are unsettled: what has come so far, and whether somebody writes it."""
    columns = messages.c.id, messages.c.text, messages.c.reasoning, messages.c.status
    query = select(*columns).where(messages.c.id.in_(reply_ids), UNSETTLED)
    with database.read() as connection:
        return {row.id: (Said(row.text, row.reasoning), row.status == "live") for row in connection.execute(query)}


def ready(replies: Iterable[Unsettled], before: float, caps: Caps = NO_CAPS) -> list[str]:
    """Of replies in their order, those that wait since `before`, are the first of their chat and have room."""
    replies = [reply for reply in replies if not reply.is_stale]
    taken = {reply.conversation_id for reply in replies if reply.status == "live"}
    live = Counter(reply.owner_id for reply in replies if reply.status == "live")
    found = []
    for reply in replies:
        is_first = reply.conversation_id not in taken
        if is_first and reply.waiting_since <= before and caps.have_room(live[reply.owner_id], live.total()):
            found.append(reply.id)
            live[reply.owner_id] += 1
        taken.add(reply.conversation_id)
    return found


def is_unsettled(database: Database, reply_id: str) -> bool:
    with database.read() as connection:
        return connection.execute(_IS_UNSETTLED, {"reply": reply_id}).first() is not None


def unsettled_of(database: Database, conversation_id: str) -> list[str]:
    """Of one conversation, those that wait first: stopped in this order, none of them begins."""
    query = select(messages.c.id).where(messages.c.conversation_id == conversation_id, UNSETTLED)
    with database.read() as connection:
        return list(connection.execute(query.order_by(messages.c.status.desc(), messages.c.seq)).scalars())


def next_waiting(database: Database, conversation_id: str) -> str | None:
    """The reply of this conversation whose turn it is."""
    with database.read() as connection:
        return connection.execute(_NEXT_WAITING, {"conversation": conversation_id}).scalar()


def _live(connection: Connection, owner: str) -> tuple[int, int]:
    """The live replies of this owner and of everybody; not those whose runner is gone."""
    theirs, everybodys = connection.execute(_COUNT_LIVE, {"owner": owner}).one()
    return theirs, everybodys


# Statements that every reply needs. Putting one together takes longer than executing it, so that is done once.

_RENEWED = bindparam("renewed", type_=Double, callable_=lambda: time() + LEASE_SECONDS)
_REPLY, _AT = bindparam("reply", type_=String), bindparam("at", type_=Integer)


def _is_behind_another() -> ColumnElement[bool]:
    other = messages.alias()
    return exists().where(
        other.c.conversation_id == messages.c.conversation_id,
        other.c.id != messages.c.id,
        or_(
            and_(other.c.status == "live", other.c.lease_until >= _NOW),
            and_(other.c.status == "waiting", other.c.seq < messages.c.seq),
        ),
    )


_CHAT = select(messages.c.conversation_id).where(messages.c.id == _REPLY).scalar_subquery()
_ONE_AT_A_TIME = select(conversations.c.owner_id).where(conversations.c.id == _CHAT).with_for_update()
_COUNT_LIVE = (
    select(func.count().filter(conversations.c.owner_id == bindparam("owner")), func.count())
    .join_from(messages, conversations)
    .where(UNSETTLED, messages.c.status == "live", messages.c.lease_until >= _NOW)
)
_TAKE = (
    update(messages)
    .where(messages.c.id == _REPLY, messages.c.status == "waiting", ~_is_behind_another())
    .values(
        status="live",
        runner=bindparam("by"),
        lease_until=_RENEWED,
        attempt=messages.c.attempt + 1,
        settled_at=None,
    )
    .returning(
        messages.c.id,
        messages.c.conversation_id,
        messages.c.parent_id,
        messages.c.model,
        messages.c.attempt,
        messages.c.text,
        messages.c.reasoning,
        messages.c.prompt_tokens,
        messages.c.completion_tokens,
    )
)
_KEEP = (
    update(messages)
    .where(messages.c.id == _REPLY, messages.c.attempt == _AT, messages.c.status == "live")
    .values(text=bindparam("so_far"), reasoning=bindparam("thought"))
)
_SETTLE = update(messages).where(
    messages.c.id == _REPLY, messages.c.attempt == _AT, messages.c.status.in_(["live", "interrupted"])
)
_IS_UNSETTLED = select(messages.c.id).where(messages.c.id == _REPLY, UNSETTLED, ~_IS_STALE)
_ALL_UNSETTLED = (
    select(
        messages.c.id,
        messages.c.conversation_id,
        conversations.c.owner_id,
        messages.c.status,
        messages.c.waiting_since,
        messages.c.lease_until,
        messages.c.is_stopping,
    )
    .join(conversations)
    .where(UNSETTLED)
    .order_by(messages.c.created_at, messages.c.seq)
)
_NEXT_WAITING = (
    select(messages.c.id)
    .where(messages.c.conversation_id == bindparam("conversation"), messages.c.status == "waiting")
    .order_by(messages.c.seq)
    .limit(1)
)
