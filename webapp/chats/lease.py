"""A reply's states in the database: waiting → live (leased by one runner) → settled. Every change is one UPDATE.

The attempt's number is the fence: who holds an older one writes nothing.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from time import time
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, update

from ..db import UNSETTLED, Database, conversations, messages

LEASE_SECONDS = 10.0
RENEW_SECONDS = 2.0
INTERRUPTED = "The server stopped before this reply was finished."

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


@dataclass(frozen=True)
class Outcome:
    """How a reply ended: its state, all of its text, and for the person who waits why it is not complete."""

    status: str
    text: str
    problem: str = ""
    html: str = ""
    renderer: int = 0


@dataclass(frozen=True)
class Unsettled:
    """A reply that waits, or that is live until its lease runs out."""

    id: str
    conversation_id: str
    status: str
    waiting_since: float
    lease_until: float | None

    @property
    def is_stale(self) -> bool:
        return is_stale(self.status, self.lease_until)


def is_stale(status: str, lease_until: float | None) -> bool:
    """Whether a reply is live in name only: its runner has not renewed its lease in time."""
    return status == "live" and (lease_until or 0) < time()


def admit_all(_connection: Connection, _reply_id: str) -> None:
    """An `Admit` without limits."""


def claim(database: Database, reply_id: str, runner: str) -> Claim | None:
    """Take a waiting reply whose turn it is; None if it is not, or somebody else was first."""
    chat = select(messages.c.conversation_id).where(messages.c.id == reply_id).scalar_subquery()
    one_at_a_time = select(conversations.c.id).where(conversations.c.id == chat).with_for_update()
    taken = (
        update(messages)
        .where(messages.c.id == reply_id, messages.c.status == "waiting", ~_is_behind_another())
        .values(
            status="live",
            runner=runner,
            lease_until=time() + LEASE_SECONDS,
            attempt=messages.c.attempt + 1,
            settled_at=None,
            text="",
            html="",
            problem="",
        )
        .returning(
            messages.c.id, messages.c.conversation_id, messages.c.parent_id, messages.c.model, messages.c.attempt
        )
    )
    with database.write() as connection:
        connection.execute(one_at_a_time)
        row = connection.execute(taken).first()
    return Claim(*row) if row else None


def renew(database: Database, runner: str, reply_ids: Collection[str]) -> None:
    """Say of all replies that this runner writes that it still does."""
    mine = (messages.c.runner == runner) & messages.c.id.in_(reply_ids) & (messages.c.status == "live")
    with database.write(durable=False) as connection:
        connection.execute(update(messages).where(mine).values(lease_until=time() + LEASE_SECONDS))


def settle(database: Database, claim: Claim, outcome: Outcome) -> bool:
    """Store how the reply ended; False if another attempt has begun since."""
    mine = (messages.c.id == claim.reply_id) & (messages.c.attempt == claim.attempt)
    ended = (
        update(messages)
        .where(mine, messages.c.status.in_(["live", "interrupted"]))
        .values(
            status=outcome.status,
            text=outcome.text,
            html=outcome.html,
            renderer=outcome.renderer,
            problem=outcome.problem,
            settled_at=time(),
            runner=None,
            lease_until=None,
            address=None,
        )
    )
    with database.write() as connection:
        return connection.execute(ended).rowcount == 1


def retry(database: Database, reply_id: str, attempt: int, admit: Admit = admit_all) -> bool:
    """Make a reply wait again that did not end well; False if this attempt's Retry came before.

    Raises what `admit` raises.
    """
    again = (
        update(messages)
        .where(
            messages.c.id == reply_id,
            messages.c.role == "assistant",
            messages.c.attempt == attempt,
            or_(messages.c.status.in_(["failed", "interrupted", "stopped"]), _is_stale()),
        )
        .values(status="waiting", waiting_since=time(), runner=None, lease_until=None)
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
            .where(_is_stale())
            .values(
                status="interrupted",
                problem=INTERRUPTED,
                settled_at=time(),
                runner=None,
                lease_until=None,
                address=None,
            )
        )


def unsettled(database: Database) -> list[Unsettled]:
    """All replies of all processes that are waiting or live, in the order in which they were asked for."""
    query = (
        select(
            messages.c.id,
            messages.c.conversation_id,
            messages.c.status,
            messages.c.waiting_since,
            messages.c.lease_until,
        )
        .where(UNSETTLED)
        .order_by(messages.c.created_at, messages.c.seq)
    )
    with database.read() as connection:
        return [Unsettled(*row) for row in connection.execute(query)]


def ready(replies: Iterable[Unsettled], before: float) -> list[str]:
    """Of replies in their order, those that wait since `before` or longer and are the first of their chat."""
    replies = [reply for reply in replies if not reply.is_stale]
    taken = {reply.conversation_id for reply in replies if reply.status == "live"}
    found = []
    for reply in replies:
        if reply.conversation_id not in taken and reply.waiting_since <= before:
            found.append(reply.id)
        taken.add(reply.conversation_id)
    return found


def is_unsettled(database: Database, reply_id: str) -> bool:
    query = select(messages.c.id).where(messages.c.id == reply_id, UNSETTLED, ~_is_stale())
    with database.read() as connection:
        return connection.execute(query).first() is not None


def next_waiting(database: Database, conversation_id: str) -> str | None:
    """The reply of this conversation whose turn it is."""
    query = (
        select(messages.c.id)
        .where(messages.c.conversation_id == conversation_id, messages.c.status == "waiting")
        .order_by(messages.c.seq)
        .limit(1)
    )
    with database.read() as connection:
        return connection.execute(query).scalar()


def _is_stale() -> ColumnElement[bool]:
    return and_(UNSETTLED, messages.c.status == "live", messages.c.lease_until < time())


def _is_behind_another() -> ColumnElement[bool]:
    other = messages.alias()
    return exists().where(
        other.c.conversation_id == messages.c.conversation_id,
        other.c.id != messages.c.id,
        or_(
            and_(other.c.status == "live", other.c.lease_until >= time()),
            and_(other.c.status == "waiting", other.c.seq < messages.c.seq),
        ),
    )
