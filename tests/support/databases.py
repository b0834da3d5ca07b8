"""Databases that the test looks into, or takes away."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import Table, func, select

from webapp.db import Database

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def create_database(url: str, name: str, options: str = "") -> None:
    with psycopg.connect(f"{url.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {options}'.encode())


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


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
