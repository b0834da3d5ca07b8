"""A browser that is forgotten: what it held is out of reach, and its chats go too if that was wanted."""

import pytest
from werkzeug.test import TestResponse

from tests.support.databases import count
from tests.support.pages import Page
from tests.support.people import Person
from tests.test_signin import PASSWORD, sign_in
from webapp.db import Database, conversations, messages, sessions

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])


def forget(person: Person, **form: str) -> TestResponse:
    assert 'action="/forget"' in person.get("/forget").text
    return person.post("/forget", **form)


def test_a_forgotten_browser_has_no_cookie_and_no_chats(alice: Person, database: Database) -> None:
    chat = alice.send("Mine")
    answer = forget(alice)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert alice.client.get_cookie("voichat") is None
    assert alice.get(chat).status_code == 404
    assert count(database, conversations) == 1


def test_its_chats_are_deleted_if_that_was_asked_for_and_nobody_elses(
    alice: Person, bob: Person, database: Database
) -> None:
    chat = alice.send("Mine")
    bobs = bob.send("His")
    alice.get(chat)
    forget(alice, chats="on")
    assert (count(database, conversations), count(database, messages)) == (1, 2)
    assert bob.get(bobs).status_code == 200


def test_a_late_request_of_a_forgotten_browser_finds_nothing_and_makes_nothing(
    alice: Person, database: Database
) -> None:
    chat = alice.send("Mine")
    cookie = alice.client.get_cookie("voichat")
    assert cookie
    forget(alice)
    late = Person(alice.app)
    late.client.set_cookie("voichat", cookie.value)
    assert late.get(chat).status_code == 404
    assert late.post(f"{chat}/messages", message="Late").status_code == 404
    assert "Mine" not in late.get("/chats").text
    assert count(database, sessions) == 1
    late.send("Anew")
    assert late.client.get_cookie("voichat") != cookie


@on_sqlite
def test_pressing_it_twice_or_in_a_browser_that_holds_nothing_does_no_harm(alice: Person) -> None:
    alice.send("Mine")
    forget(alice, chats="on")
    assert "holds nothing" in alice.get("/forget").text
    assert alice.post("/forget", chats="on").status_code == 303


@on_sqlite
def test_a_late_resend_of_a_deleted_message_is_gone(alice: Person, database: Database) -> None:
    alice.send("Keep the session")
    form = Page(alice.get("/")).fields | {"message": "Mine"}
    alice.post("/chats", **form)
    alice.post("/forget", chats="on")
    alice.post("/chats", **form)
    assert count(database, conversations) == 1


@with_password
def test_who_has_signed_out_may_be_forgotten_but_deletes_nothing(alice: Person, database: Database) -> None:
    sign_in(alice)
    alice.send("Mine")
    alice.post("/logout")
    assert 'name="chats"' not in alice.get("/forget").text
    forget(alice, chats="on")
    assert count(database, conversations) == 1
    assert 'name="chats"' not in alice.get("/login").text


@with_password
@on_sqlite
def test_who_has_signed_in_and_is_forgotten_has_to_sign_in_again(alice: Person, database: Database) -> None:
    sign_in(alice)
    alice.send("Mine")
    forget(alice, chats="on")
    assert alice.get("/").status_code == 303
    assert count(database, conversations) == 0
