"""The cookie: named and marked for where Voichat stands, sent once and renewed once a day."""

from contextlib import closing
from http.cookies import Morsel, SimpleCookie
from time import time

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.support.people import Person
from webapp.db import Database, sessions
from webapp.web.sessions import DAY

BEHIND_A_PROXY = {"VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}
HTTPS = {"X-Forwarded-Proto": "https"}
PREFIX = {"X-Forwarded-Prefix": "/chat"}


def cookie(answer: TestResponse) -> Morsel[str] | None:
    found = list(SimpleCookie(answer.headers.get("Set-Cookie", "")).values())
    return found[0] if found else None


def first_send(alice: Person, headers: dict[str, str]) -> Morsel[str]:
    sent = cookie(alice.client.post("/chats", data={"message": "Hi"}, headers=headers))
    assert sent
    return sent


def shift_seen_at(database: Database, seconds: float) -> None:
    with database.write() as connection:
        connection.execute(update(sessions).values(seen_at=time() - seconds))


@pytest.mark.parametrize("settings", [BEHIND_A_PROXY])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("headers", "name", "path", "secure"),
    [
        ({}, "voichat", "/", False),
        (PREFIX, "voichat", "/chat/", False),
        (HTTPS, "__Host-voichat", "/", True),
        (HTTPS | {"X-Forwarded-Prefix": "/"}, "__Host-voichat", "/", True),
        (HTTPS | PREFIX, "__Secure-voichat", "/chat/", True),
        (HTTPS | {"X-Forwarded-Prefix": "/chat/"}, "__Secure-voichat", "/chat/", True),
    ],
)
def test_the_cookie_is_named_and_marked_for_where_voichat_stands(
    alice: Person, headers: dict[str, str], name: str, path: str, secure: bool
) -> None:
    sent = first_send(alice, headers)
    assert (sent.key, sent["path"], bool(sent["secure"])) == (name, path, secure)
    assert (bool(sent["httponly"]), sent["samesite"], sent["domain"]) == (True, "Lax", "")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "seconds"), [({}, "34560000"), ({"VOICHAT_SESSION_DAYS": "7"}, "604800")], ids=["default", "7 days"]
)
def test_the_cookie_lasts_as_long_as_the_session_may_be_idle(alice: Person, seconds: str) -> None:
    assert first_send(alice, {})["max-age"] == seconds


@pytest.mark.parametrize("settings", [BEHIND_A_PROXY])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("headers", [{}, HTTPS, HTTPS | PREFIX], ids=["http", "https", "https under a prefix"])
def test_alice_finds_her_chats_by_that_cookie(alice: Person, headers: dict[str, str]) -> None:
    sent = first_send(alice, headers)
    alice.client.set_cookie(sent.key, sent.value)  # the proxy takes the prefix away
    assert ">Hi</a>" in alice.get("/chats", headers=headers).text


@pytest.mark.parametrize("settings", [BEHIND_A_PROXY])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_under_https_the_cookie_without_a_prefix_counts_for_nothing(alice: Person) -> None:
    first_send(alice, {})
    assert ">Hi</a>" not in alice.get("/chats", headers=HTTPS).text


def test_the_cookie_is_not_sent_again(alice: Person) -> None:
    chat = alice.send("Hi")
    for path in ("/", "/chats", chat):
        assert cookie(alice.get(path)) is None
    assert cookie(alice.post(f"{chat}/messages", message="Hi")) is None


def test_the_cookie_is_renewed_once_a_day(alice: Person, database: Database) -> None:
    first = first_send(alice, {})
    shift_seen_at(database, DAY - 60)
    assert cookie(alice.get("/chats")) is None
    shift_seen_at(database, DAY + 1)
    renewed = cookie(alice.get("/chats"))
    assert renewed
    assert (renewed.value, renewed["max-age"]) == (first.value, first["max-age"])
    assert cookie(alice.get("/chats")) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_static_file_does_not_renew_the_cookie(alice: Person, database: Database) -> None:
    alice.send("Hi")
    shift_seen_at(database, DAY + 1)
    with closing(alice.get("/static/style.css")) as answer:
        assert cookie(answer) is None
    assert cookie(alice.get("/chats")) is not None
