"""Recovery links: each owner has one key to their history at most, and the database knows only its hash."""

from hashlib import sha256
from time import time

from sqlalchemy import delete, select

from ..db import Database, recoveries, submissions


def made_at(database: Database, owner: str) -> float | None:
    """When the owner's link was made; None if there is none."""
    with database.read() as connection:
        return connection.execute(select(recoveries.c.created_at).where(recoveries.c.owner_id == owner)).scalar()


def make(database: Database, owner: str, token: str) -> bool:
    """The link of this token opens the owner's history, and no other does; False if it did once and has ended."""
    row = {"owner_id": owner, "token_hash": _hash(token), "created_at": time()}
    once = {"key": _hash(f"recovery {token}"), "message_id": "", "created_at": time()}
    with database.write() as connection:
        if database.insert_once(connection, submissions, once):
            connection.execute(delete(recoveries).where(recoveries.c.owner_id == owner))
            database.insert_once(connection, recoveries, row)
        mine = (recoveries.c.owner_id == owner) & (recoveries.c.token_hash == row["token_hash"])
        return connection.execute(select(recoveries.c.owner_id).where(mine)).first() is not None


def end(database: Database, owner: str) -> None:
    with database.write() as connection:
        connection.execute(delete(recoveries).where(recoveries.c.owner_id == owner))


def owner(database: Database, token: str) -> str | None:
    """Whose history the link opens; None for one that has ended or never was."""
    with database.read() as connection:
        return connection.execute(select(recoveries.c.owner_id).where(recoveries.c.token_hash == _hash(token))).scalar()


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
