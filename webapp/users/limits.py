"""How much one person, one address and everybody together may ask for: counted in the database, over all workers.

Each limit has a meter, a row that says when its bucket is empty again: the generic cell rate algorithm (ITU-T I.371).
Meters are taken in one order, and last in the transaction that stores a message, so that no two wait for each other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import time

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, or_, select, text, true, update

from ..db import UNSETTLED, conversations, messages, meters
from ..parsers import Quota
from ..sentences import Sentence, plural

MINUTE, DAY = 60.0, 86400.0
MEGABYTE = 1_000_000
ADDRESS_TIMES = 4
ROUNDING_SECONDS = 0.001  # a time since 1970 plus many small steps

TAKE = text("""
    INSERT INTO meters (key, empty_at) VALUES (:key, :now + :step)
    ON CONFLICT (key) DO UPDATE
    SET empty_at = CASE WHEN meters.empty_at > :now THEN meters.empty_at ELSE :now END + :step
    WHERE meters.empty_at <= :fullest
    RETURNING key
""")
# Rows that another transaction holds are left to it.
_EMPTY = select(meters.c.key).where(meters.c.empty_at < bindparam("now")).with_for_update(skip_locked=True)
FORGET_EMPTY = delete(meters).where(meters.c.key.in_(_EMPTY))


@dataclass(frozen=True)
class Sender:
    """Who asks. `owner` is empty for a browser that is not known yet, `address` where there is none.

    `address` tells one address from another, and does not say which it is.
    """

    owner: str
    address: str


class LimitReached(Exception):
    """`str(error)` is a sentence for the person. One more is let in after `seconds`; None: when a reply has ended."""

    def __init__(self, sentence: Sentence, seconds: float | None) -> None:
        super().__init__(sentence)
        self.seconds = seconds


@dataclass(frozen=True)
class Scope:
    """Those who share one quota. `reached` says to one of them of what, `theirs` selects their messages."""

    key: str
    reached: Callable[[Sentence], Sentence]
    quota: Quota
    theirs: Callable[[], ColumnElement[bool]]


class Limits:
    """The quotas of one owner, of one address and of everybody together."""

    def __init__(self, owner: Quota, address: Quota, everybody: Quota) -> None:
        self._owner, self._address, self._everybody = owner, address, everybody

    def admit(self, sender: Sender, connection: Connection, reply_id: str) -> None:
        """Count a message whose reply the caller's transaction has made wait, and which `LimitReached` takes back."""
        now = time()
        reached = [limit for scope in self._scopes(sender) for limit in _count(connection, scope, reply_id, now)]
        if reached:
            raise max(reached, key=lambda limit: limit.seconds or 0.0)
        if sender.address and self._address.replies:
            mine = messages.c.id == reply_id
            connection.execute(update(messages).where(mine).values(address=sender.address))
        connection.execute(FORGET_EMPTY, {"now": now})

    def admit_bytes(self, sender: Sender, connection: Connection, count: int, most: int) -> None:
        """Count what a person brings in from a file: `most` bytes a day, and from one address `ADDRESS_TIMES` as much.

        Raises `LimitReached`.
        """
        now, reached = time(), []
        for scope, times in zip(self._scopes(sender), (1, ADDRESS_TIMES), strict=False):
            day = most * times
            wait = _take(connection, f"{scope.key} bytes", now, step=DAY * count / day, period=DAY)
            if wait > 0:
                what = Sentence("{megabytes} MB to import a day", megabytes=day // MEGABYTE)
                reached.append(LimitReached(scope.reached(what), wait))
        if reached:
            raise max(reached, key=lambda limit: limit.seconds or 0.0)

    def check(self, sender: Sender, connection: Connection) -> None:
        """Raises `LimitReached` if one more message would; counts nothing."""
        with connection.begin_nested() as trial:
            self.admit(sender, connection, reply_id="")
            trial.rollback()

    def _scopes(self, sender: Sender) -> Iterator[Scope]:
        """In the order in which their meters are taken: the one that all wait for comes last."""
        if sender.owner:
            yield Scope(f"owner {sender.owner}", _you_have_reached, self._owner, _of_owner(sender.owner))
        if sender.address:
            yield Scope(f"address {sender.address}", _your_network_has_reached, self._address, _from(sender.address))
        yield Scope("everybody", _all_have_reached, self._everybody, true)


def _count(connection: Connection, scope: Scope, reply_id: str, now: float) -> Iterator[LimitReached]:
    """Yields each limit of the scope that is reached."""
    quota = scope.quota
    for count, period, seconds, what in (
        (quota.minute, "minute", MINUTE, _messages_a_minute),
        (quota.day, "day", DAY, _messages_a_day),
    ):
        if count is not None:
            wait = _take(connection, f"{scope.key} {period}", now, step=seconds / count, period=seconds)
            if wait > 0:
                yield LimitReached(scope.reached(what(count)), wait)
    if quota.replies is not None:
        # A meter that never fills, for its lock: whoever counts after us sees our reply.
        _take(connection, f"{scope.key} replies", now, step=0.0, period=DAY)
        if _replies_due(connection, scope, reply_id, now) >= quota.replies:
            yield LimitReached(
                scope.reached(plural("{number} reply at once", "{number} replies at once", quota.replies)), None
            )


def _take(connection: Connection, key: str, now: float, *, step: float, period: float) -> float:
    """Fill the bucket, which takes `period` to run empty, by `step`. Returns seconds to wait, 0.0 if it had room."""
    fullest = now + period - step + ROUNDING_SECONDS
    if connection.execute(TAKE, {"key": key, "now": now, "step": step, "fullest": fullest}).first():
        return 0.0
    empty_at = connection.execute(select(meters.c.empty_at).where(meters.c.key == key)).scalar_one()
    return float(empty_at - fullest)


def _replies_due(connection: Connection, scope: Scope, reply_id: str, now: float) -> int:
    """Others that wait or are being written; not those whose writer is gone."""
    has_writer = or_(messages.c.lease_until.is_(None), messages.c.lease_until >= now)
    due = select(func.count()).select_from(messages)
    return connection.execute(due.where(UNSETTLED, has_writer, scope.theirs(), messages.c.id != reply_id)).scalar_one()


def _of_owner(owner: str) -> Callable[[], ColumnElement[bool]]:
    chat = conversations.c
    return lambda: exists().where(chat.id == messages.c.conversation_id, chat.owner_id == owner)


def _from(address: str) -> Callable[[], ColumnElement[bool]]:
    return lambda: messages.c.address == address


def _messages_a_minute(count: int) -> Sentence:
    return plural("{number} message a minute", "{number} messages a minute", count)


def _messages_a_day(count: int) -> Sentence:
    return plural("{number} message a day", "{number} messages a day", count)


def _you_have_reached(what: Sentence) -> Sentence:
    # Translators: {what} is “5 messages a minute”, “2 replies at once” …
    return Sentence("You have reached the limit of {what}.", what=what)


def _your_network_has_reached(what: Sentence) -> Sentence:
    return Sentence("Your network has reached the limit of {what}.", what=what)


def _all_have_reached(what: Sentence) -> Sentence:
    return Sentence("All people here together have reached the limit of {what}.", what=what)
