"""Accounts: whom a sign-in in front of us has named, and the owner that each of them is here."""

import secrets
from time import time

from sqlalchemy import select

from ..db import Database, accounts


def owner(database: Database, name: str) -> str | None:
    """None for somebody who has never sent anything."""
    with database.read() as connection:
        return connection.execute(select(accounts.c.owner_id).where(accounts.c.name == name)).scalar()


def owner_for(database: Database, name: str) -> str:
    """The account's owner, made now if it is new."""
    row = {"name": name, "owner_id": secrets.token_hex(16), "created_at": time()}
    with database.write() as connection:
        database.insert_once(connection, accounts, row)
        return str(connection.execute(select(accounts.c.owner_id).where(accounts.c.name == name)).scalar_one())
