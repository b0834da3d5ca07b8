"""What becomes slower as there is more: longer chats, more of them, a fuller database, longer replies; and what another
database or number of workers would change.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from bench import long as bench_long
from bench import search as bench_search
from tests.support import long
from webapp.chats.search import parts, search
from webapp.db import Database

from . import servers
from .clients import closed_loop, get, one_by_one, straight, through_voichat
from .pages import CLIENTS, TEXT
from .replies import Side
from .report import Report, percentile, progress

PAGES_SECONDS = 2.0
GEVENT = Path(__file__).with_name("gevent.conf.py")

Ask = Callable[[], object]


@dataclass(frozen=True)
class Size:
    messages: tuple[int, ...] = (10, 50, 1_000, 10_000)
    chats: tuple[int, ...] = (10, 100, 1_000, 10_000)
    databases: tuple[int, ...] = (10_000, 30_000)
    kilobytes: tuple[int, ...] = (1, 10, 100, 1_000)
    rounds: int = 20
    people: int = 100
    over: float = 5.0


QUICK = Size((10, 50), (10, 100), (1_000,), (1, 10), rounds=3, people=10, over=1.0)
LONG = Size(databases=(10_000, 100_000, 1_000_000), rounds=100)


def run(report: Report, size: Size) -> None:
    with bench_long.databases() as urls:
        for kind, url in urls.items():
            _rows(report, kind, url, size)
    for number in size.databases:
        with bench_long.databases() as urls:
            for kind, url in urls.items():
                _full(report, kind, url, number, size.rounds)
    _replies(report, size)
    _workers(report, size)


def _rows(report: Report, kind: str, url: str, size: Size) -> None:
    """Beside the shortest."""
    progress(f"{kind}: chats of up to {size.messages[-1]:,} messages, people with up to {size.chats[-1]:,} chats")
    with bench_long.application(url) as app:
        database: Database = app.extensions["voichat"].database
        alice = app.test_client()
        hers = bench_long.owner(database, alice)
        chats = {many: long.begin(database, hers, many, TEXT)[0] for many in size.messages}
        pages = {f"a chat of {many:,} messages": _page(alice, f"/chats/{chat}") for many, chat in chats.items()}
        _beside_the_first(report, kind, pages, size.rounds)
        people = {many: _person_with(app, many) for many in size.chats}
        for path, what in (("/", "the front page"), ("/chats", "the list")):
            pages = {f"{what} of {many:,} chats": _page(person, path) for many, person in people.items()}
            _beside_the_first(report, kind, pages, size.rounds)


def _person_with(app: Flask, chats: int) -> FlaskClient:
    database: Database = app.extensions["voichat"].database
    client = app.test_client()
    long.begin_many(database, bench_long.owner(database, client), chats - 1)
    return client


def _page(client: FlaskClient, path: str) -> Ask:
    return lambda: client.get(path).get_data()


def _full(report: Report, kind: str, url: str, messages: int, rounds: int) -> None:
    progress(f"{kind}: a database of {messages:,} messages")
    words = bench_search.languages()
    with bench_long.application(url) as app:
        database: Database = app.extensions["voichat"].database
        bench_search.build(database, messages, words)
        alice = app.test_client()
        bench_long.owner(database, alice)
        owner, common = bench_search.OWNERS["99 %"], next(word for word in words["English"].ranked if len(word) > 4)
        asked: dict[str, Ask] = {
            "the front page": _page(alice, "/"),
            "a message sent": lambda: alice.post("/chats", data={"message": "Hi"}),
            "a search": lambda: search(database, owner, parts(common)),
        }
        for what, milliseconds in _medians(asked, rounds).items():
            report.add(f"{kind}, {messages:,} messages: {what}", milliseconds, "ms")
        report.add(f"{kind}, {messages:,} messages: on disk", _megabytes(database), "MB")


def _megabytes(database: Database) -> float:
    if database.file:
        database.checkpoint()
        return database.file.stat().st_size / 1e6
    with database.read() as connection:
        return connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one() / 1e6


def _beside_the_first(report: Report, kind: str, asked: Mapping[str, Ask], rounds: int) -> None:
    found = _medians(asked, rounds)
    least = next(iter(found.values()))
    for what, milliseconds in found.items():
        report.add(f"{kind}: {what}", milliseconds, "ms", least)


def _medians(asked: Mapping[str, Ask], rounds: int) -> dict[str, float]:
    """Milliseconds, asked for in turn; the first round is not counted."""
    found: dict[str, list[float]] = {what: [] for what in asked}
    for _ in range(rounds + 1):
        for what, ask in asked.items():
            began = perf_counter()
            ask()
            found[what].append((perf_counter() - began) * 1000)
    return {what: median(times[1:]) for what, times in found.items()}


def _replies(report: Report, size: Size) -> None:
    with servers.upstream() as upstream, servers.floor(upstream.port) as floor, servers.voichat(upstream.port) as ours:
        for kilobytes in size.kilobytes:
            progress(f"replies of {kilobytes:,} KB")
            words = kilobytes * 1024 // 5
            took = [
                median(reply.late for reply in asyncio.run(one_by_one(tell, 5, words, 0))) * 1000
                for tell in (straight(floor.port, "/"), through_voichat(ours.port))
            ]
            report.add(f"a reply of {kilobytes:,} KB, as fast as it comes", took[1], "ms", took[0])


def _workers(report: Report, size: Size) -> None:
    for workers, more in ((1, {}), (2, {}), *_gevent(report)):
        with bench_long.databases() as urls, servers.upstream() as upstream:
            for kind, url in urls.items():
                what = f"{kind}, {workers} {'worker' if workers == 1 else 'workers'}{' of gevent' if more else ''}"
                with servers.voichat(upstream.port, url, workers, **more) as ours:
                    side = Side(f"Voichat on {what}", ours, through_voichat(ours.port))
                    course = side.at_once(size.people, 30, size.over, size.over + 1)
                    seconds = asyncio.run(closed_loop(ours.port, get(ours.port, "/"), CLIENTS, PAGES_SECONDS))
                for percent in (50, 99):
                    report.add(f"{what}, {size.people} at once: first word, p{percent}", course.firsts(percent), "ms")
                report.add(f"{what}, {size.people} at once: last word late, p99", course.lates(99), "ms")
                report.add(f"{what}: new-chat pages a second", len(seconds) / PAGES_SECONDS, "/s")
                report.add(f"{what}: new-chat page, p99", percentile(seconds, 99) * 1000, "ms")


def _gevent(report: Report) -> list[tuple[int, dict[str, str]]]:
    if find_spec("gevent"):
        return [(2, {"GUNICORN_CMD_ARGS": f"--config={GEVENT}", "PYTHONWARNINGS": ""})]
    report.note("gevent's workers were left out: gevent is not installed.")
    return []
