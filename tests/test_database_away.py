"""While the database is down people get a page that says so, and keep their words."""

import pytest
from sqlalchemy import text

from tests.support.databases import away
from tests.support.pages import Page
from tests.support.people import Person
from webapp.db import Database


@pytest.fixture
def store(alice: Person) -> Database:
    """The application's own."""
    found: Database = alice.app.extensions["voichat"].database
    return found


@pytest.mark.parametrize("is_first", [True, False], ids=["first message", "next message"])
def test_the_words_are_kept_and_go_out_with_the_next_try(alice: Person, store: Database, is_first: bool) -> None:
    chat = "" if is_first else alice.send("One")
    form = Page(alice.get(chat or "/"))
    with away(store):
        refused = alice.post(form.action, **form.fields | {"message": "My long letter\n& more"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    again = Page(refused)
    assert (again.action, again.words) == (form.action, "My long letter\n& more")
    assert again.fields["submit_id"] == form.fields["submit_id"]
    answer = alice.post(again.action, **again.fields | {"message": again.words})
    assert "My long letter" in alice.get(answer.headers["Location"]).text


@pytest.mark.parametrize("path", ["/chats", "/chats/" + "0" * 32])
def test_a_page_of_alices_own_is_a_503_that_says_what_to_do(alice: Person, store: Database, path: str) -> None:
    alice.send("Hi")
    with away(store):
        answer = alice.get(path)
    assert answer.status_code == 503
    assert "database does not answer" in answer.text
    assert "Try again" in answer.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/style.css", "/providers/"])
def test_what_needs_no_database_works_without_it(alice: Person, store: Database, path: str) -> None:
    alice.send("Hi")
    with away(store), alice.get(path) as answer:
        assert answer.status_code == 200


def test_the_server_is_alive_but_not_ready(alice: Person, store: Database) -> None:
    with away(store):
        assert alice.get("/readyz").status_code == 503
    assert alice.get("/readyz").status_code == 200


def test_alice_is_still_alice_afterwards(alice: Person, store: Database) -> None:
    chat = alice.send("Hi")
    with away(store):
        answer = alice.get(chat)
    assert "Set-Cookie" not in answer.headers
    assert alice.get(chat).status_code == 200


def test_a_fault_of_ours_is_no_outage_but_keeps_the_words_too_and_the_log_says_what_failed_and_nothing_of_them(
    alice: Person, store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with store.write() as connection:
        connection.execute(text("ALTER TABLE messages RENAME TO mislaid"))
    refused = alice.post("/chats", message="My secret letter")
    assert (refused.status_code, "Retry-After" in refused.headers) == (500, False)
    assert "Something went wrong" in refused.text
    assert Page(refused).words == "My secret letter"
    assert "messages" in caplog.text
    assert "My secret letter" not in caplog.text
