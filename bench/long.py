"""What a long chat costs its reader, and many chats their owner: both ought to cost what little ones cost.

    .venv/bin/python -m bench.long [rounds]

Each pair of pages is asked for in turn, in one process and over no network, on SQLite and on PostgreSQL.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from flask.testing import FlaskClient

from tests.support import long, servers
from tests.support.databases import create_database
from webapp import create_app
from webapp.db import Database
from webapp.pages.house import House
from webapp.settings import load

FEW, MANY = 50, 10_000
CHATS_FEW, CHATS_MANY = 10, 10_000
TEXT = "Message {}: " + "the quick brown fox jumps over the lazy dog. " * 10
ROUNDS = 100


@contextmanager
def addresses() -> Iterator[Mapping[str, str]]:
    """A migrated, empty database of each kind."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as cluster, servers.postgresql(Path(cluster)) as server:
        create_database(server.url, "voichat")
        urls = {"SQLite": f"sqlite:///{folder}/voichat.sqlite3", "PostgreSQL": f"{server.url}/voichat"}
        for url in urls.values():
            servers.migrate(url, Path(folder))
        yield urls


@contextmanager
def house(url: str) -> Iterator[tuple[House, "People"]]:
    with TemporaryDirectory() as data:
        app = create_app(load({"DATABASE_URL": url, "VOICHAT_DATA": data, "VOICHAT_DISCOVER": "off"}))
        found: House = app.extensions["voichat"]
        yield found, People(found.database, app.test_client(), app.test_client())
        found.replies.close()
        found.database.close()


class People:
    """Alice has a few short chats and a long one; Bob has many chats."""

    def __init__(self, database: Database, alice: FlaskClient, bob: FlaskClient) -> None:
        self.alice, self.bob = alice, bob
        mine, his = owner(database, alice), owner(database, bob)
        self.short, self.few = long.begin(database, mine, FEW, TEXT)
        self.long, self.many = long.begin(database, mine, MANY, TEXT)
        long.begin_many(database, mine, CHATS_FEW - 3)
        long.begin_many(database, his, CHATS_MANY - 1)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
