"""Recovery links: a second key to a browser's history, shown once, ended at will, and opened by nobody's guess."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from time import time
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person, submit_id
from tests.support.world import dump
from tests.test_signin import PASSWORD, sign_in
from webapp.db import Database, conversations, failed_sign_ins, recoveries, sessions
from webapp.users import attempts
from webapp.web import addresses

MADE_UP = "/recover/" + "0" * 32
BY_PROXY = {"VOICHAT_AUTH": "proxy", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])
by_proxy = pytest.mark.parametrize("settings", [BY_PROXY], ids=["proxy"])


def shown_link(answer: TestResponse) -> str:
    """The path of the link that a page shows."""
    found = re.search(r'<input id="link"[^>]* value="([^"]+)"', answer.text)
    assert found, answer.text
    return urlsplit(unescape(found[1])).path


def made(person: Person) -> str:
    return shown_link(person.post("/recovery", submit_id=submit_id(person.get("/recovery").text)))


def opened(person: Person, link: str, **form: str) -> TestResponse:
    """As the button on the link's page does it."""
    return person.post(link, submit_id=submit_id(person.get(link).text), **form)


def answered(person: Person, words: str, **form: str) -> str:
    """A chat whose reply has come."""
    chat = person.send(words, **form)
    assert status(person, chat) == 200
    return chat


def status(person: Person, path: str) -> int:
    with person.get(path) as answer:
        answer.get_data()
        return answer.status_code


def same_browser(person: Person) -> Person:
    """The other half of a double click."""
    other = Person(person.app)
    if cookie := person.client.get_cookie("voichat"):
        other.client.set_cookie("voichat", cookie.value)
    return other


@contextmanager
def nothing_changes(database: Database) -> Iterator[None]:
    before = dump(database)
    yield
    assert dump(database) == before


def test_a_link_opens_a_browsers_chats_in_another_one(alice: Person, bob: Person, database: Database) -> None:
    chat = answered(alice, "Mine")
    link = made(alice)
    with nothing_changes(database):
        assert "1 chat" in bob.get(link).text
        assert status(bob, chat) == 404
    answer = opened(bob, link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/chats")
    assert "Mine" in bob.get("/chats").text
    assert status(bob, chat) == status(alice, chat) == 200


def test_it_is_shown_once_and_only_a_hash_is_kept(alice: Person, database: Database) -> None:
    answered(alice, "Mine")
    answer = alice.post("/recovery", submit_id=submit_id(alice.get("/recovery").text))
    token = shown_link(answer).removeprefix("/recover/")
    assert len(token) * 4 >= 128
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    assert token not in alice.get("/recovery").text
    assert token not in repr(dump(database))
    assert count(database, recoveries) == 1


def test_a_new_link_ends_the_one_before_and_a_link_can_be_ended(alice: Person, bob: Person) -> None:
    answered(alice, "Mine")
    first, second = made(alice), made(alice)
    assert bob.get(first).status_code == 404
    assert bob.get(second).status_code == 200
    for _ in range(2):
        assert alice.post("/recovery", end="on").status_code == 303
    assert bob.get(second).status_code == 404
    assert opened_blindly(bob, second) == 404


def opened_blindly(person: Person, link: str) -> int:
    return person.post(link, submit_id=submit_id(person.get("/").text)).status_code


@on_sqlite
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_one_that_was_ended_looks_like_one_that_never_was(alice: Person, bob: Person, verb: str) -> None:
    answered(alice, "Mine")
    ended = made(alice)
    alice.post("/recovery", end="on")
    answers = [bob.client.open(link, method=verb) for link in (ended, MADE_UP)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r"[0-9a-f]{64}", "", answer.text) for answer in answers}) == 1


def test_pressing_make_twice_shows_the_same_link_twice(alice: Person, bob: Person) -> None:
    answered(alice, "Mine")
    form = submit_id(alice.get("/recovery").text)
    links = {shown_link(alice.post("/recovery", submit_id=form)) for _ in range(2)}
    assert len(links) == 1
    assert bob.get(links.pop()).status_code == 200


def test_a_late_resend_does_not_bring_an_ended_link_back(alice: Person, bob: Person, database: Database) -> None:
    answered(alice, "Mine")
    form = submit_id(alice.get("/recovery").text)
    link = shown_link(alice.post("/recovery", submit_id=form))
    alice.post("/recovery", end="on")
    assert alice.post("/recovery", submit_id=form).status_code == 303
    assert bob.get(link).status_code == 404
    newer = made(alice)
    assert alice.post("/recovery", submit_id=form).status_code == 303
    assert bob.get(newer).status_code == 200
    assert count(database, recoveries) == 1


def test_the_same_form_of_two_people_makes_two_links(alice: Person, mallory: Person) -> None:
    answered(alice, "Mine")
    answered(mallory, "Hers")
    form = submit_id(alice.get("/recovery").text)
    links = [shown_link(person.post("/recovery", submit_id=form)) for person in (alice, mallory)]
    assert links[0] != links[1]


def test_the_browsers_own_chats_come_along_if_that_is_wanted(alice: Person, bob: Person, database: Database) -> None:
    answered(alice, "Mine")
    answered(bob, "His")
    bob.post("/presets", name="His preset")
    bobs_link, link = made(bob), made(alice)
    assert "1 chat, 1 preset" in bob.get(link).text
    opened(bob, link, along="on")
    for person in (alice, bob):
        listed = person.get("/chats").text
        assert "Mine" in listed
        assert "His" in listed
    assert "His preset" in alice.get("/presets").text
    assert alice.get(bobs_link).status_code == 404, "it would open an empty history"
    assert len({row["owner_id"] for row in rows(database, conversations)}) == 1


def test_unasked_they_stay_behind_and_open_by_a_link_of_their_own(alice: Person, bob: Person) -> None:
    answered(alice, "Mine")
    chat = answered(bob, "His")
    bobs_link, link = made(bob), made(alice)
    opened(bob, link)
    assert status(bob, chat) == 404
    assert "His" not in alice.get("/chats").text
    opened(bob, bobs_link)
    assert status(bob, chat) == 200
    assert "Mine" not in bob.get("/chats").text


def test_both_halves_of_a_double_click_get_one_session(alice: Person, bob: Person, database: Database) -> None:
    answered(alice, "Mine")
    answered(bob, "His")
    link = made(alice)
    form, other = submit_id(bob.get(link).text), same_browser(bob)
    for half in (bob, other):
        assert half.post(link, submit_id=form, along="on").headers["Location"] == "/chats"
        assert "His" in half.get("/chats").text
    assert bob.sid == other.sid
    assert len([row for row in rows(database, sessions) if not row["ended"]]) == 2


def test_a_browser_without_a_session_gets_one_by_a_double_click_too(alice: Person, bob: Person) -> None:
    chat = answered(alice, "Mine")
    link = made(alice)
    form, other = submit_id(bob.get(link).text), same_browser(bob)
    for half in (bob, other):
        half.post(link, submit_id=form)
    assert bob.sid == other.sid
    assert bob.sid != alice.sid
    assert status(bob, chat) == 200


def test_the_session_before_it_has_ended(alice: Person, bob: Person) -> None:
    answered(alice, "Mine")
    chat = answered(bob, "His")
    late = same_browser(bob)
    opened(bob, made(alice))
    assert status(late, chat) == 404
    assert late.post(f"{chat}/messages", message="Late").status_code == 404


@on_sqlite
def test_ones_own_link_changes_nothing(alice: Person) -> None:
    answered(alice, "Mine")
    link = made(alice)
    assert "has the chats of this link already" in alice.get(link).text
    cookie = alice.sid
    assert alice.post(link, submit_id="x", along="on").status_code == 303
    assert alice.sid == cookie
    assert "Mine" in alice.get("/chats").text
    assert alice.get(link).status_code == 200


def test_guesses_are_slowed_down_for_each_address(alice: Person, mallory: Person, database: Database) -> None:
    answered(alice, "Mine")
    link = made(alice)
    assert [mallory.post(MADE_UP).status_code for _ in range(attempts.FREE + 1)] == [404] * attempts.FREE + [429]
    answer = opened(mallory, link)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "try again in" in answer.text
    with database.write() as connection:
        connection.execute(update(failed_sign_ins).values(last_at=time() - 60))
    assert opened(mallory, link).status_code == 303
    assert count(database, failed_sign_ins) == 0


@on_sqlite
def test_a_right_link_is_no_new_chance_to_guess_the_password(
    app: Flask, alice: Person, mallory: Person, database: Database
) -> None:
    answered(alice, "Mine")
    link = made(alice)
    with app.test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        for _ in range(attempts.FREE):
            attempts.begin(database, addresses.key())
    opened(mallory, link)
    assert [row["count"] for row in rows(database, failed_sign_ins)] == [attempts.FREE]


@on_sqlite
def test_a_browser_that_holds_nothing_makes_no_link(mallory: Person, database: Database) -> None:
    with nothing_changes(database):
        assert "holds no chats yet" in mallory.get("/recovery").text
        assert mallory.post("/recovery").status_code == 404
        assert mallory.post("/recovery", end="on").status_code == 404


@with_password
def test_behind_a_password_the_link_asks_for_it_first(alice: Person, bob: Person, database: Database) -> None:
    sign_in(alice)
    chat = answered(alice, "Mine")
    link = made(alice)
    answer = bob.get(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={link}")
    assert bob.post(link, submit_id="x").status_code == 403
    assert status(bob, chat) == 303
    assert sign_in(bob, path=answer.headers["Location"]).headers["Location"] == link
    form, other = submit_id(bob.get(link).text), same_browser(bob)
    for half in (bob, other):
        assert half.post(link, submit_id=form).status_code == 303
        assert status(half, chat) == 200
    assert len({row["owner_id"] for row in rows(database, conversations)}) == 1


@with_password
@on_sqlite
def test_who_has_signed_out_is_asked_again_and_led_back_to_the_link(alice: Person, bob: Person) -> None:
    sign_in(alice)
    answered(alice, "Mine")
    link = made(alice)
    sign_in(bob)
    form = submit_id(bob.get(link).text)
    bob.post("/logout")
    answer = bob.post(link, submit_id=form)
    assert answer.status_code == 403
    assert Page(answer).fields["next"] == link


@by_proxy
@on_sqlite
def test_where_an_account_is_the_key_there_are_no_links(alice: Person) -> None:
    name = {"X-Forwarded-User": "alice"}
    for path in ("/recovery", MADE_UP):
        for verb in ("GET", "POST"):
            assert alice.client.open(path, method=verb, headers=name).status_code in (404, 405), path
    assert "/recovery" not in alice.get("/chats", headers=name).text
