"""What people are told when the database fails: an outage has words, anything else is a fault of ours."""

import sqlite3

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoTurn

from .sentences import Sentence

__all__ = ["DAMAGED", "NoTurn", "may_outlast", "outage", "sentence"]

AWAY = Sentence("does not answer")
BUSY = Sentence("is busy")
DAMAGED = Sentence("is damaged and has to be restored")
FULL = Sentence("has no disk space left")
READ_ONLY = Sentence("can only be read")

# SQLite's primary result codes and PostgreSQL's SQLSTATEs.
WORDS: dict[int | str | None, str] = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_CANTOPEN: AWAY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: AWAY,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    "25006": READ_ONLY,
    "53100": FULL,
    "55P03": BUSY,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}


def outage(error: SQLAlchemyError) -> str:
    """What follows on “The database”; empty if it is well and the fault is ours."""
    code = _code(getattr(error, "orig", None))
    if code in WORDS:
        return WORDS[code]
    if isinstance(error, NoTurn):
        return BUSY
    is_away = isinstance(error, OperationalError | InterfaceError) and code != sqlite3.SQLITE_ERROR
    return AWAY if is_away or getattr(error, "connection_invalidated", False) else ""


def sentence(what: str) -> Sentence:
    """For a page; `what` is what `outage` has said."""
    # Translators: {what} is “does not answer”, “is busy”, “can only be read” …
    return Sentence("The server's database {what}.", what=what)


def may_outlast(cause: BaseException) -> bool:
    """Whether a connection that met with this may go on failing when all is well again."""
    return WORDS.get(_code(cause)) in (AWAY, DAMAGED, READ_ONLY)


def _code(cause: BaseException | None) -> int | str | None:
    number = getattr(cause, "sqlite_errorcode", None)
    return number & 0xFF if number else getattr(cause, "sqlstate", None)
