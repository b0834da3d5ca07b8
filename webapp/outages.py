"""What people are told when the database fails: an outage has words, anything else is a fault of ours."""

import sqlite3

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoTurn

__all__ = ["DAMAGED", "NoTurn", "may_outlast", "outage"]

AWAY = "does not answer"
BUSY = "is busy"
DAMAGED = "is damaged and has to be restored"
FULL = "has no disk space left"
READ_ONLY = "can only be read"

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


def may_outlast(cause: BaseException) -> bool:
    """Whether a connection that met with this may go on failing when all is well again."""
    return WORDS.get(_code(cause)) in (AWAY, DAMAGED, READ_ONLY)


def _code(cause: BaseException | None) -> int | str | None:
    number = getattr(cause, "sqlite_errorcode", None)
    return number & 0xFF if number else getattr(cause, "sqlstate", None)
