"""Databases that the test looks into, or takes away."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as numbers
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy import Table, func, select

from webapp.db import Database, metadata

postgresql_is_long = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
"""For what is slow and no matter of the database: on PostgreSQL too, but only with `--long`."""

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""

# A process that was killed may have left a statement behind that is still at work.
END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTY = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
SHAPE = "SELECT array_agg((oid, relname) ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


class Spares:
    """Empty databases of a PostgreSQL server, made of `template`: to empty a used one is quicker than to make one."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._numbers = numbers()
        self._shapes: dict[str, object] = {}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Its address. One whose tables were altered is not lent again."""
        name, shape = self._shapes.popitem() if self._shapes else self._new()
        yield f"{self._url}/{name}"
        with _connected(self._url, name) as connection:
            if connection.execute(SHAPE).fetchone() == shape:
                connection.execute(END_OTHERS)
                connection.execute(EMPTY.encode())
                self._shapes[name] = shape

    def _new(self) -> tuple[str, object]:
        name = f"spare_{next(self._numbers)}"
        create_database(self._url, name, f"TEMPLATE {self._template}")
        with _connected(self._url, name) as connection:
            return name, connection.execute(SHAPE).fetchone()


def create_database(url: str, name: str, options: str = "") -> None:
    with _connected(url, "postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}" {options}'.encode())


def _connected(url: str, name: str) -> psycopg.Connection:
    return psycopg.connect(f"{url.replace('+psycopg', '')}/{name}", autocommit=True)


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    """In the order in which they were made, where the table knows it."""
    order = [table.c[name] for name in ("created_at", "seq") if name in table.c]
    query = select(table).order_by(*order, *table.primary_key)
    with database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def held_by_another(database: Database) -> Iterator[None]:
    """Nobody else can write, everybody can read."""
    if database.is_sqlite:
        command = [sys.executable, "-c", HOLD, str(database.file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == b"held\n"
            yield
            holder.kill()
    else:
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE conversations, messages IN EXCLUSIVE MODE")
            yield


@contextmanager
def away(database: Database) -> Iterator[None]:
    """The database is down: its file cannot be opened, or its server lets nobody in."""
    if database.is_sqlite:
        assert database.file
        with _file_away(database.file):
            yield
    else:
        _let_in(database, False)
        yield
        _let_in(database, True)


@contextmanager
def _file_away(path: Path) -> Iterator[None]:
    moved = path.rename(path.with_suffix(".away"))
    path.mkdir()
    yield
    path.rmdir()
    moved.rename(path)


def _let_in(database: Database, is_open: bool) -> None:
    url = database.engine.url
    engine = sqlalchemy.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS {is_open}')
        backends = sqlalchemy.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        if not is_open:
            connection.execute(backends, {"name": url.database})
    engine.dispose()
