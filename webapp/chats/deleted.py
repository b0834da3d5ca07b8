"""Conversations that were deleted: for some days they can be restored, then they are gone."""

from time import time

from sqlalchemy import ColumnElement, func, select, update

from ..db import UNSETTLED, Database, conversations, messages
from . import lists, owned
from .deletion import LONG_AGO, delete_some
from .lists import Place
from .owned import DAY, KEPT_DAYS
from .records import Conversation, NotFound


def remove(database: Database, owner: str, conversation_id: str) -> None:
    """Delete it so that it can be restored; again, this changes nothing. Raises `NotFound`."""
    _mark(database, owner, conversation_id, owned.mine(owner, conversation_id), time())


def restore(database: Database, owner: str, conversation_id: str) -> None:
    """As it was; again, this changes nothing. Raises `NotFound`."""
    _mark(database, owner, conversation_id, owned.mine_or_deleted(owner, conversation_id), None)


def remove_all(database: Database, owner: str) -> float | None:
    """Delete whatever is there. Returns the moment, which all have in common; if nothing was there, the last one."""
    is_there = (conversations.c.owner_id == owner) & conversations.c.deleted_at.is_(None)
    newest = select(func.max(conversations.c.deleted_at)).where(owned.deleted(owner))
    with database.write() as connection:
        connection.execute(update(conversations).where(is_there).values(deleted_at=time()))
        moment: float | None = connection.execute(newest).scalar_one()
    return moment


def restore_all(database: Database, owner: str, moment: float) -> None:
    """All that were deleted at that moment."""
    with database.write() as connection:
        connection.execute(update(conversations).where(_at(owner, moment)).values(deleted_at=None))


def find(database: Database, owner: str, conversation_id: str) -> Conversation | None:
    """One that can be restored."""
    is_deleted = owned.deleted(owner) & (conversations.c.id == conversation_id)
    with database.read() as connection:
        row = connection.execute(select(*lists.COLUMNS).where(is_deleted)).mappings().first()
    return Conversation(**row) if row else None


def count(database: Database, owner: str, moment: float) -> int:
    """How many were deleted at that moment and can be restored."""
    with database.read() as connection:
        return connection.execute(select(func.count()).where(_at(owner, moment))).scalar_one()


def recent(database: Database, owner: str, before: Place | None = None) -> list[Conversation]:
    """At most a page of those that can be restored, the last one deleted first."""
    with database.read() as connection:
        return lists.page(connection, owned.deleted(owner), conversations.c.deleted_at, before, lists.PAGE)


def unsettled(database: Database, owner: str) -> list[str]:
    """Replies in what the owner has deleted, those that wait first: stopped in this order, none of them begins."""
    query = select(messages.c.id).join_from(messages, conversations).where(UNSETTLED, owned.deleted(owner))
    with database.read() as connection:
        return list(connection.execute(query.order_by(messages.c.status.desc(), messages.c.seq)).scalars())


def erase(database: Database, owner: str, conversation_id: str) -> bool:
    """It can be restored no longer, and `purge` takes it. False if it is not deleted. Raises `NotFound`."""
    is_theirs = owned.mine_or_deleted(owner, conversation_id)
    erased = update(conversations).where(is_theirs, conversations.c.deleted_at.is_not(None))
    with database.write() as connection:
        if connection.execute(erased.values(deleted_at=LONG_AGO)).rowcount == 0:
            owned.check(connection, owner, conversation_id)
            return False
        return True


def erase_all(database: Database, owner: str, until: float) -> None:
    """As `erase`, whatever was deleted until then."""
    erased = update(conversations).where(owned.deleted(owner), conversations.c.deleted_at <= until)
    with database.write() as connection:
        connection.execute(erased.values(deleted_at=LONG_AGO))


def purge(database: Database) -> bool:
    """Take one that can be restored no longer out of the database; False if there is none."""
    return delete_some(database, conversations.c.deleted_at <= time() - KEPT_DAYS * DAY)


def _mark(
    database: Database, owner: str, conversation_id: str, which: ColumnElement[bool], deleted_at: float | None
) -> None:
    is_theirs = select(conversations.c.id).where(owned.mine_or_deleted(owner, conversation_id))
    with database.write() as connection:
        if connection.execute(is_theirs.with_for_update()).first() is None:
            raise NotFound
        connection.execute(update(conversations).where(which).values(deleted_at=deleted_at))


def _at(owner: str, moment: float) -> ColumnElement[bool]:
    return owned.deleted(owner) & (conversations.c.deleted_at == moment)
