"""Reading writes nothing and shows nothing of anybody else's, wherever the links lead and whatever is asked for."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html import unescape
from itertools import product
from time import time

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.conftest import NO_LIMITS, NOTHING_FROM_HERE, application, empty_database
from tests.support.databases import rows
from tests.support.routes import CHAT, QUERIES, SHARED
from tests.support.world import ROLES, Dump, World, dump, filled, text_of
from webapp.db import attachments, conversations, messages, presets, sessions, shares
from webapp.web.sessions import DAY

READING = ("GET", "HEAD", "OPTIONS")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """On both databases; one for all tests that only read."""
    folder = tmp_path_factory.mktemp("world")
    with empty_database(request, folder) as url:
        environment = {"DATABASE_URL": url, "VOICHAT_DATA": str(folder / "data")}
        with application(environment | NO_LIMITS | NOTHING_FROM_HERE) as made:
            yield World(made)


@pytest.fixture
def changed(app: Flask) -> World:
    """On both databases; for a test that changes it."""
    return World(app)


@dataclass(frozen=True)
class Crawl:
    """What one gets, and what was stored before and after."""

    answers: dict[tuple[str, str], TestResponse]
    before: Dump
    after: Dump


@pytest.fixture(scope="module")
def crawl(world: World) -> Callable[[str], Crawl]:
    """Each role's is made once."""

    @cache
    def made(role: str) -> Crawl:
        before = dump(world.database)
        return Crawl(crawled(world, role), before, dump(world.database))

    return made


def addresses(world: World, role: str) -> Iterator[str]:
    """Every page of every chat, with every query that means something there, of this chat and of every other.

    Of links to shared chats only one's own, and those that open nothing: the others one would have been sent.
    """
    for rule, query in QUERIES.items():
        things = [
            thing for thing in world.things(rule).values() if not rule.startswith(SHARED) or thing.role in ("", role)
        ]
        for thing, other in product(things, world.chats.values()):
            path = filled(rule, thing)
            yield path
            yield from (f"{path}?{name}={filled(value, other)}" for name, value in query.items())


def crawled(world: World, role: str) -> dict[tuple[str, str], TestResponse]:
    """What one gets at every address, and wherever the links and forms of those pages lead."""
    found: dict[tuple[str, str], TestResponse] = {}
    left = [*addresses(world, role), "/nowhere", "/providers"]
    while left:
        path = left.pop()
        if ("GET", path) not in found:
            found |= {(verb, path): world.ask(role, verb, path) for verb in READING}
            left += links(found["GET", path])
    return found


def links(page: TestResponse) -> list[str]:
    if page.mimetype != "text/html":
        return []
    places = [page.headers.get("Location", ""), *re.findall(r' (?:href|action|src)="([^"]*)"', page.text)]
    return [unescape(place) for place in places if re.match("/(?!/)", place)]


def marks(world: World, owner_id: str) -> set[str]:
    """Every id and word in the database that is this owner's alone; of a deleted chat there is but its title."""
    chats = {row["id"]: row for row in rows(world.database, conversations) if row["owner_id"] == owner_id}
    opened = {name for name, row in chats.items() if row["deleted_at"] is None}
    said = [row for row in rows(world.database, messages) if row["conversation_id"] in opened]
    words = [word for row in said for word in re.findall("[0-9a-f]{16}", row["text"])]
    titles = [row["title"] for row in chats.values()]
    kept = [row for row in rows(world.database, presets) if row["owner_id"] == owner_id]
    of_presets = {row[name] for row in kept for name in ("id", "name", "system")}
    shared = [row for row in rows(world.database, shares) if row["conversation_id"] in opened]
    links = {row["id"] for row in shared if not row["ends_at"]}
    of_messages = {row[name] for row in said for name in ("id", "text")}
    files = [row for row in rows(world.database, attachments) if row["conversation_id"] in opened]
    of_files = {mark for row in files for mark in (row["id"], f"Picture {row['name'].removesuffix('.png')}")}
    return {owner_id, *chats, *titles, *words, *of_presets, *links, *of_messages, *of_files}


def shown(answers: Iterable[TestResponse], known: set[str]) -> set[str]:
    """Which of these are in the answers, or in what their headers say."""
    text = "\n".join(f"{answer.headers}{text_of(answer)}" for answer in answers)
    return {mark for mark in known if mark in text}


@pytest.mark.parametrize("role", ROLES)
def test_whoever_reads_writes_nothing_and_gets_no_cookie(crawl: Callable[[str], Crawl], role: str) -> None:
    answers = crawl(role).answers
    assert crawl(role).after == crawl(role).before
    assert [asked for asked, answer in answers.items() if "Set-Cookie" in answer.headers] == []
    assert [asked for asked, answer in answers.items() if answer.status_code >= 500] == []


@pytest.mark.parametrize(("role", "other"), [("owner", "stranger"), ("stranger", "owner")])
def test_each_finds_all_of_her_own_and_nothing_of_the_others(
    world: World, crawl: Callable[[str], Crawl], role: str, other: str
) -> None:
    ids = {"owner": world.owner_id(world.alices), "stranger": world.owner_id(world.mallorys)}
    answers = crawl(role).answers.values()
    own, theirs = marks(world, ids[role]), marks(world, ids[other]) | {world.person(other).sid}
    assert shown(answers, own) == own - {ids[role]}
    assert shown(answers, theirs) == set()


@pytest.mark.parametrize("role", ["nobody", "guesser"])
def test_without_a_session_there_is_nothing_of_anybodys(world: World, crawl: Callable[[str], Crawl], role: str) -> None:
    answers = crawl(role).answers.values()
    for thing in (world.alices, world.mallorys):
        assert shown(answers, marks(world, world.owner_id(thing))) == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_reply_that_waits_is_claimed_by_its_owners_page_and_by_nothing_else(changed: World, role: str) -> None:
    changed.wait(changed.alices)
    before = dump(changed.database)
    for verb, path in product(READING, addresses(changed, role)):
        if (role, verb) != ("owner", "GET"):
            changed.ask(role, verb, path)
    assert dump(changed.database) == before


def test_the_claim_of_a_waiting_reply_changes_nothing_but_that_reply(changed: World) -> None:
    changed.wait(changed.alices)
    before = dump(changed.database)
    changed.ask("owner", "GET", filled(f"{CHAT}?at=<reply_id>", changed.alices))
    after = dump(changed.database)
    [claimed] = [row for row in after["messages"] if row not in before["messages"]]
    assert (claimed["id"], claimed["status"], claimed["attempt"]) == (changed.alices.reply_id, "complete", 2)
    assert after | {"messages": before["messages"]} == before


def test_the_other_write_of_a_page_is_that_a_session_was_seen_on_another_day(changed: World) -> None:
    with changed.database.write() as connection:
        connection.execute(update(sessions).values(seen_at=time() - 2 * DAY))
    before = dump(changed.database)
    assert "Set-Cookie" in changed.ask("owner", "GET", "/chats").headers
    after = dump(changed.database)
    [renewed] = [row for row in after["sessions"] if row not in before["sessions"]]
    [idle] = [row for row in before["sessions"] if row["id_hash"] == renewed["id_hash"]]
    assert idle | {"seen_at": renewed["seen_at"]} == renewed
    assert after | {"sessions": before["sessions"]} == before
