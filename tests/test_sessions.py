"""Who is browsing: nothing until the first Send, then one small row that no rival erases."""

import json
from collections.abc import Iterator
from hashlib import sha256
from threading import Barrier
from time import time

import pytest
from flask import Flask, Response, session
from sqlalchemy import delete, update

from tests.support.databases import count, rows
from tests.support.people import Person, submit_id
from tests.support.visitors import at_once
from webapp import create_app
from webapp.db import Database, conversations, messages, sessions, submissions
from webapp.settings import load
from webapp.web.sessions import DAY, JOIN_SECONDS

NOWHERE = "/chats/" + "0" * 32


@pytest.fixture
def workers(app: Flask, environment: dict[str, str]) -> Iterator[list[Flask]]:
    """Three processes' worth of the application, with one database and one data folder."""
    several = [app, *(create_app(load(environment)) for _ in range(2))]
    yield several
    for worker in several[1:]:
        worker.extensions["voichat"].database.close()


def cookie(person: Person) -> str:
    found = person.client.get_cookie("voichat")
    assert found
    return found.value


def owners(database: Database) -> list[str]:
    """Of the chats, in the order in which they were begun."""
    return [row["owner_id"] for row in sorted(rows(database, conversations), key=lambda row: row["created_at"])]


def values(database: Database, sid: str) -> dict[str, object]:
    [data] = [row["data"] for row in rows(database, sessions) if row["id_hash"] == sha256(sid.encode()).hexdigest()]
    found: dict[str, object] = json.loads(data)
    return found


def change(database: Database, **changed: object) -> None:
    """Of every session."""
    with database.write() as connection:
        connection.execute(update(sessions).values(changed))


def shift(database: Database, column: str, seconds: float) -> None:
    change(database, **{column: time() - seconds})


@pytest.mark.parametrize(
    "path", ["/", "/?q=Hello", "/chats", "/providers/", NOWHERE, "/healthz", "/readyz", "/static/style.css"]
)
def test_alice_who_only_reads_gets_no_cookie_and_no_row(alice: Person, database: Database, path: str) -> None:
    with alice.get(path) as answer:
        assert "Set-Cookie" not in answer.headers
    assert count(database, sessions) == 0


@pytest.mark.parametrize(
    ("path", "form"), [("/chats", {"message": " "}), (f"{NOWHERE}/messages", {"message": "Hi"}), ("/chats", {})]
)
def test_a_send_that_is_refused_makes_no_session(
    alice: Person, database: Database, path: str, form: dict[str, str]
) -> None:
    assert "Set-Cookie" not in alice.post(path, **form).headers
    assert count(database, sessions) == 0


def test_the_first_send_makes_a_session_and_its_owner(alice: Person, database: Database) -> None:
    alice.send("Hi")
    assert values(database, cookie(alice)) == {"owner": owners(database)[0]}


def test_alice_has_one_session_for_all_she_sends(alice: Person, database: Database) -> None:
    alice.send("One")
    alice.send("Two")
    assert count(database, sessions) == 1
    assert len(set(owners(database))) == 1


def test_both_halves_of_a_first_double_click_are_one_person(workers: list[Flask], database: Database) -> None:
    form = {"message": "Hi", "submit_id": submit_id(Person(workers[0]).get("/").text)}
    halves = [Person(worker) for worker in workers for _ in range(2)]
    answers = at_once(lambda half: half.post("/chats", **form), halves)
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len({cookie(half) for half in halves}) == 1
    assert len(owners(database)) == 1


@pytest.mark.parametrize("made_up", ["", "1", "0" * 64, "я" * 64, "0" * 32])
def test_a_submit_id_that_a_client_made_up_leads_into_nobodys_session(
    alice: Person, mallory: Person, database: Database, made_up: str
) -> None:
    for person in (alice, mallory):
        person.post("/chats", message="Hi", submit_id=made_up)
    assert cookie(alice) != cookie(mallory)
    assert len(set(owners(database))) == 2


def test_a_submit_id_of_another_server_leads_into_nobodys_session(
    alice: Person, mallory: Person, database: Database
) -> None:
    issued = submit_id(alice.get("/").text)
    alice.app.secret_key = "another server's secret"
    for person in (alice, mallory):
        person.post("/chats", message="Hi", submit_id=issued)
    assert len(set(owners(database))) == 2


@pytest.mark.parametrize("changed", [{"created_at": time() - JOIN_SECONDS - 1}, {"ended": True, "data": "{}"}])
def test_a_session_that_is_old_or_ended_is_not_joined(
    alice: Person, mallory: Person, database: Database, changed: dict[str, object]
) -> None:
    form = {"message": "Hi", "submit_id": submit_id(alice.get("/").text)}
    alice.post("/chats", **form)
    change(database, **changed)
    assert mallory.post("/chats", **form).status_code == 303
    assert cookie(mallory) != cookie(alice)
    assert len(set(owners(database))) == 2


def test_a_form_that_mallorys_site_sent_comes_back_without_her_submit_id(alice: Person, mallory: Person) -> None:
    """Else Alice's first Send would begin the session that Mallory can join with it."""
    form = {"message": "Hi", "submit_id": submit_id(mallory.get("/").text)}
    refused = alice.client.post("/chats", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert form["submit_id"] not in refused.text


def test_an_id_that_mallory_planted_becomes_nobodys_session(alice: Person) -> None:
    alice.client.set_cookie("voichat", "planted")
    alice.send("Hi")
    assert cookie(alice) != "planted"


def write(worker: Flask, sid: str, loaded: Barrier, **changed: object) -> None:
    """A request that sets these values, or removes those that are None, after all rivals have loaded theirs."""
    with worker.test_request_context(headers={"Cookie": f"voichat={sid}"}):
        assert session["owner"]
        loaded.wait(30)
        session.update({name: value for name, value in changed.items() if value is not None})
        for name in [name for name, value in changed.items() if value is None]:
            del session[name]
        current = session._get_current_object()  # type: ignore[attr-defined]
        worker.session_interface.save_session(worker, current, Response())


def test_of_fifty_that_write_different_keys_at_once_none_is_lost(
    workers: list[Flask], alice: Person, database: Database
) -> None:
    alice.send("Hi")
    loaded = Barrier(50)
    at_once(lambda n: write(workers[n % 3], cookie(alice), loaded, **{f"key{n}": n}), range(50))
    assert values(database, cookie(alice)).keys() == {"owner", *(f"key{n}" for n in range(50))}


def test_what_one_request_removed_another_does_not_bring_back(
    workers: list[Flask], alice: Person, database: Database
) -> None:
    alice.send("Hi")
    write(workers[0], cookie(alice), Barrier(1), old=1)
    loaded = Barrier(2)
    at_once(lambda n: write(workers[n], cookie(alice), loaded, **({"old": None} if n else {"new": 1})), range(2))
    assert values(database, cookie(alice)).keys() == {"owner", "new"}


def test_a_late_request_does_not_bring_an_ended_session_back(app: Flask, alice: Person, database: Database) -> None:
    alice.send("Hi")
    with app.test_request_context(headers={"Cookie": f"voichat={cookie(alice)}"}):
        session["late"] = True
        app.session_interface._delete_session(sha256(cookie(alice).encode()).hexdigest())  # type: ignore[attr-defined]
        app.session_interface.save_session(app, session._get_current_object(), Response())  # type: ignore[attr-defined]
    [row] = rows(database, sessions)
    assert (row["ended"], row["data"]) == (True, "{}")


def test_a_late_request_does_not_make_a_row_that_is_gone(app: Flask, alice: Person, database: Database) -> None:
    alice.send("Hi")
    with app.test_request_context(headers={"Cookie": f"voichat={cookie(alice)}"}):
        session["late"] = True
        with database.write() as connection:
            connection.execute(delete(sessions))
        app.session_interface.save_session(app, session._get_current_object(), Response())  # type: ignore[attr-defined]
    assert count(database, sessions) == 0


def test_the_id_of_an_ended_session_is_worth_nothing(alice: Person, database: Database) -> None:
    chat, old = alice.send("Secret"), cookie(alice)
    change(database, ended=True)
    assert alice.get(chat).status_code == 404
    assert "Secret" not in alice.get("/chats").text
    alice.send("Again")
    assert cookie(alice) != old
    assert len(set(owners(database))) == 2


def test_no_table_holds_the_id_of_a_session_but_its_hash(alice: Person, database: Database) -> None:
    alice.send("Hi")
    stored = [rows(database, table) for table in (sessions, conversations, messages, submissions)]
    assert cookie(alice) not in repr(stored)
    assert stored[0][0]["id_hash"] == sha256(cookie(alice).encode()).hexdigest()


def test_values_are_kept_as_json_and_what_is_not_json_is_refused(app: Flask, alice: Person, database: Database) -> None:
    alice.send("Hi")
    with pytest.raises(TypeError, match="JSON"):
        write(app, cookie(alice), Barrier(1), thing=object())
    assert values(database, cookie(alice)).keys() == {"owner"}


def test_an_idle_session_is_gone(alice: Person, database: Database) -> None:
    chat = alice.send("Hi")
    shift(database, "seen_at", 400 * DAY + 1)
    assert alice.get(chat).status_code == 404
    alice.send("Again")
    assert len(set(owners(database))) == 2


def test_a_session_that_has_run_out_is_deleted_by_the_housekeeping(
    app: Flask, alice: Person, bob: Person, database: Database
) -> None:
    alice.send("Hi")
    shift(database, "seen_at", 400 * DAY + 1)
    chat = bob.send("Hi")
    app.extensions["voichat"].housekeeping.do()
    assert count(database, sessions) == 1
    assert bob.get(chat).status_code == 200


def test_a_session_that_is_not_idle_yet_is_there(alice: Person, database: Database) -> None:
    chat = alice.send("Hi")
    shift(database, "seen_at", 400 * DAY - 60)
    assert alice.get(chat).status_code == 200
    shift(database, "created_at", 4000 * DAY)
    assert alice.get(chat).status_code == 200
