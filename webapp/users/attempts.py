"""Wrong passwords: after a few of them an address has to wait, each time twice as long."""

from time import time

from sqlalchemy import Connection, delete, select, update

from ..db import Database, failed_sign_ins

FREE = 5
LONGEST_SECONDS = 900.0
FORGOTTEN_SECONDS = 3600.0


class TooManyAttempts(Exception):
    """The address may try again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.0f} s")
        self.seconds = seconds


def begin(database: Database, address: str) -> None:
    """Count one attempt before it is looked at, as a wrong one: many at once are as many.

    Raises `TooManyAttempts`, and then it is not to be looked at.
    """
    now, mine = time(), failed_sign_ins.c.address == address
    with database.write() as connection:
        _forget(connection, now)
        database.insert_once(connection, failed_sign_ins, {"address": address, "count": 0, "last_at": now})
        state = select(failed_sign_ins.c.count, failed_sign_ins.c.last_at).where(mine).with_for_update()
        count, last_at = connection.execute(state).one()
        wait = last_at + pause(count) - now
        if wait > 0:
            raise TooManyAttempts(wait)
        connection.execute(update(failed_sign_ins).where(mine).values(count=count + 1, last_at=now))


def succeeded(database: Database, address: str) -> None:
    """It was the right one: the address begins anew."""
    with database.write() as connection:
        connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.address == address))


def forget(database: Database) -> None:
    """Addresses that have been quiet for `FORGOTTEN_SECONDS` begin anew."""
    with database.write() as connection:
        _forget(connection, time())


def pause(count: int) -> float:
    """Seconds to wait after `count` wrong passwords."""
    return min(2.0 ** (count - FREE), LONGEST_SECONDS) if count >= FREE else 0.0


def _forget(connection: Connection, now: float) -> None:
    connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.last_at < now - FORGOTTEN_SECONDS))
