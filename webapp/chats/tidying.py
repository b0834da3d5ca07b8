"""Taking out of SQLite's files what was deleted from search's index, which at first only notes that it is gone."""

from sqlalchemy import text

from ..db import Database

STEP_PAGES = 100

_LAST = text("SELECT max(id) FROM passages_removed")
_FORGET = text("DELETE FROM passages_removed WHERE id <= :last")
_MERGE = text("INSERT INTO passages_index (passages_index, rank) VALUES ('merge', :pages)")
_CHANGES = text("SELECT total_changes()")


class Tidying:
    """A chore: entries go when all parts of the index are merged, each step some of them. PostgreSQL does it itself."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: int | None = None

    def step(self) -> bool:
        """True: there is more of it to do. If somebody reads at its end, all that was deleted stays noted."""
        if not self._database.is_sqlite:
            return False
        if self._last is None:
            self._last = self._noted()
            if self._last is not None:
                self._merge(-STEP_PAGES)
            return self._last is not None
        if self._merge(STEP_PAGES):
            return True
        last, self._last = self._last, None
        if self._database.checkpoint():
            self._forget(last)
        return False

    def _noted(self) -> int | None:
        """The newest note of something deleted."""
        with self._database.read() as connection:
            return connection.execute(_LAST).scalar()

    def _merge(self, pages: int) -> bool:
        """Negative begins with all parts that there are; False: nothing was left (sqlite.org/fts5.html, 6.8)."""
        with self._database.write(durable=False) as connection:
            before = connection.execute(_CHANGES).scalar_one()
            connection.execute(_MERGE, {"pages": pages})
            return bool(connection.execute(_CHANGES).scalar_one() - before >= 2)

    def _forget(self, last: int) -> None:
        with self._database.write() as connection:
            connection.execute(_FORGET, {"last": last})
