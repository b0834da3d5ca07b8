"""What a long chat costs its reader, and many chats their owner: both ought to cost what little ones cost.

    .venv/bin/python -m bench.long [rounds]

The pages of each pair are asked for in turn, in one process and over no network, on SQLite and on PostgreSQL.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.support import long, servers
from tests.support.databases import create_database
from webapp import create_app
from webapp.db import Database, conversations
from webapp.settings import load

MESSAGES_FEW, MESSAGES_MANY = 50, 10_000
CHATS_FEW, CHATS_MANY = 10, 10_000
TEXT = "Message {}: " + "the quick brown fox jumps over the lazy dog. " * 10
ROUNDS = 50

Page = tuple[FlaskClient, str]
Pair = tuple[Page, Page]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with databases() as urls:
        for kind, url in urls.items():
            print(f"{kind}, medians of {rounds} rounds")  # noqa: T201
            with application(url) as app:
                for what, (few, many) in measured(pairs(app), rounds).items():
                    print(f"{what:45} {few * 1000:7.1f} ms {many * 1000:7.1f} ms {many / few:7.2f}")  # noqa: T201


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A migrated, empty one of each kind."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as cluster, servers.postgresql(Path(cluster)) as server:
        create_database(server.url, "voichat")
        urls = {"SQLite": f"sqlite:///{folder}/voichat.sqlite3", "PostgreSQL": f"{server.url}/voichat"}
        for url in urls.values():
            servers.migrate(url, Path(folder))
        yield urls


@contextmanager
def application(url: str) -> Iterator[Flask]:
    with TemporaryDirectory() as data:
        app = create_app(load({"DATABASE_URL": url, "VOICHAT_DATA": data, "VOICHAT_DISCOVER": "off"}))
        yield app
        house = app.extensions["voichat"]
        house.replies.close()
        house.database.close()


def pairs(app: Flask) -> dict[str, Pair]:
    """Alice has a few chats, one of them long; Bob has many."""
    database: Database = app.extensions["voichat"].database
    alice, bob = app.test_client(), app.test_client()
    hers, his = owner(database, alice), owner(database, bob)
    short, few = long.begin(database, hers, MESSAGES_FEW, TEXT)
    deep, many = long.begin(database, hers, MESSAGES_MANY, TEXT)
    long.begin_many(database, hers, CHATS_FEW - 3)
    long.begin_many(database, his, CHATS_MANY - 1)
    half = f"?at={few[MESSAGES_FEW // 2]}", f"?at={many[MESSAGES_MANY // 2]}"
    tail = f"?at={few[-1]}", f"?at={many[-1]}"
    return {
        "a chat of 50 and of 10 000 messages": ((alice, f"/chats/{short}"), (alice, f"/chats/{deep}")),
        "the same at its newest message": ((alice, f"/chats/{short}{tail[0]}"), (alice, f"/chats/{deep}{tail[1]}")),
        "the same at the message in its middle": (
            (alice, f"/chats/{short}{half[0]}"),
            (alice, f"/chats/{deep}{half[1]}"),
        ),
        "the front page of 10 and of 10 000 chats": ((alice, "/"), (bob, "/")),
        "the list of 10 and of 10 000 chats": ((alice, "/chats"), (bob, "/chats")),
    }


def owner(database: Database, client: FlaskClient) -> str:
    """Who this browser is, once it has sent something and read the answer."""
    chat = client.post("/chats", data={"message": "Hi"}).headers["Location"]
    client.get(chat).get_data()
    query = select(conversations.c.owner_id).where(conversations.c.id == chat.rpartition("/")[2])
    with database.read() as connection:
        return str(connection.execute(query).scalar_one())


def measured(asked: dict[str, Pair], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds until the page is there whole, by what was asked for."""
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in asked}
    for _ in range(rounds):
        for what, (few, many) in asked.items():
            found[what].append((seconds(few), seconds(many)))
    return {what: (median(few for few, _ in times), median(many for _, many in times)) for what, times in found.items()}


def seconds(page: Page) -> float:
    client, path = page
    began = perf_counter()
    client.get(path).get_data()
    return perf_counter() - began


if __name__ == "__main__":
    main()
