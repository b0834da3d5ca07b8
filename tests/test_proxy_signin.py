"""Sign-in by a proxy in front: it names the person, and nobody else can."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest
from werkzeug.test import TestResponse

from tests.providers.upstream import Answer, Asked, Peer, Upstream
from tests.support.databases import count
from tests.support.nginx import ProxiedVisitor, nginx_that_asks
from tests.support.pages import Page
from tests.support.people import Person, action, submit_id
from tests.support.servers import Voichat
from webapp import create_app
from webapp.db import Database, accounts, conversations, sessions
from webapp.settings import load

PROXY = {"VOICHAT_AUTH": "proxy", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}
MALLORYS_ADDRESS = {"REMOTE_ADDR": "192.0.2.7"}

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings() -> dict[str, str]:
    return PROXY


def named(person: Person, name: str, header: str = "X-Forwarded-User") -> Person:
    """From now on the proxy says that it is `name`."""
    person.client.environ_base[f"HTTP_{header.upper().replace('-', '_')}"] = name
    return person


def is_turned_away(answer: TestResponse) -> bool:
    return answer.status_code == 403 and "did not say who you are" in answer.text


# Who it is


def test_alice_finds_her_chats_in_every_browser_and_bob_has_his_own(
    alice: Person, bob: Person, database: Database
) -> None:
    chat = named(alice, "alice@example.com").send("Mine")
    other_browser = named(Person(alice.app), "alice@example.com")
    assert "Mine" in other_browser.get(chat).text
    assert "Mine" in other_browser.get("/chats").text
    assert named(bob, "bob@example.com").get(chat).status_code == 404
    assert "Mine" not in bob.get("/chats").text
    assert count(database, sessions) == 0


@pytest.mark.parametrize("path", ["/", "/chats", "/providers/", "/login", "/nowhere"])
def test_without_a_name_everybody_is_turned_away(mallory: Person, path: str) -> None:
    assert is_turned_away(mallory.get(path))
    assert is_turned_away(mallory.get(path, headers={"Remote-User": "alice", "X-Forwarded-Email": "alice"}))


def test_a_name_counts_only_from_a_trusted_proxy(alice: Person, mallory: Person) -> None:
    chat = named(alice, "alice").send("Mine")
    named(mallory, "alice")
    for path in (chat, "/chats", "/login", "/"):
        assert is_turned_away(mallory.get(path, environ_base=MALLORYS_ADDRESS))
    answer = mallory.client.post("/chats", data={"message": "Hi"}, environ_base=MALLORYS_ADDRESS)
    assert is_turned_away(answer)


@pytest.mark.parametrize("settings", [PROXY | {"VOICHAT_AUTH_HEADER": "Tailscale-User-Login"}], ids=["Tailscale"])
@on_sqlite
def test_the_header_can_have_another_name_and_then_the_usual_one_counts_for_nothing(mallory: Person) -> None:
    assert named(mallory, "alice", "Tailscale-User-Login").get("/chats").status_code == 200
    assert is_turned_away(mallory.get("/chats", environ_base=MALLORYS_ADDRESS))
    assert is_turned_away(named(Person(mallory.app), "alice").get("/chats"))


@pytest.mark.parametrize(
    "name", ["", " ", "alice,bob", "x" * 201, "a\u202eb", "a\tb", "a\u200bb", "\xff\xfe", "a\x7fb"]
)
@on_sqlite
def test_what_is_no_name_is_nobody(mallory: Person, name: str) -> None:
    try:
        sent = name.encode().decode("latin-1") if "\xff" not in name else name
    except UnicodeDecodeError:
        sent = name
    assert is_turned_away(named(mallory, sent).get("/chats"))


@on_sqlite
def test_a_name_is_shown_as_text_and_may_have_letters_of_any_script(alice: Person) -> None:
    named(alice, "<b>Алиса</b> O'Neill".encode().decode("latin-1"))
    page = alice.get("/login").text
    assert "&lt;b&gt;Алиса&lt;/b&gt; O&#39;Neill" in page


def test_who_only_reads_gets_no_account(alice: Person, database: Database) -> None:
    named(alice, "alice")
    assert "no chats of yours" in alice.get("/chats").text
    assert count(database, accounts) == 0
    alice.send("Hi")
    alice.send("Hi")
    assert count(database, accounts) == 1


@on_sqlite
def test_words_that_came_past_the_proxy_are_shown_to_copy_and_not_stored(mallory: Person, database: Database) -> None:
    answer = mallory.post("/chats", message="My long letter")
    assert is_turned_away(answer)
    assert Page(answer).words == "My long letter"
    assert (Page(answer).action, Page(answer).options) == ("", [])
    assert count(database, conversations) == 0


# Taking chats along


@pytest.fixture
def before(alice: Person, environment: dict[str, str]) -> str:
    """A chat that Alice's browser had when everybody was welcome."""
    everybody = create_app(load(environment | {"VOICHAT_AUTH": "open"}))
    browser = Person(everybody)
    chat = browser.send("From before")
    cookie = browser.client.get_cookie("voichat")
    assert cookie
    alice.client.set_cookie("voichat", cookie.value)
    named(alice, "alice")
    everybody.extensions["voichat"].replies.close()
    everybody.extensions["voichat"].database.close()
    return chat


def test_the_chats_of_a_browser_are_not_the_accounts_until_they_are_taken_along(alice: Person, before: str) -> None:
    assert alice.get(before).status_code == 404
    assert "Take them along" in alice.get("/chats").text
    assert alice.post("/login", chats="on").headers["Location"] == "/chats"
    assert "From before" in alice.get(before).text
    assert "Take them along" not in alice.get("/chats").text
    assert "From before" in named(Person(alice.app), "alice").get(before).text


def test_taking_along_twice_or_with_nothing_to_take_does_no_harm(alice: Person, before: str) -> None:
    for _ in range(2):
        assert alice.post("/login", chats="on").status_code == 303
    assert alice.get(before).status_code == 200
    assert named(Person(alice.app), "bob").post("/login", chats="on").status_code == 303
    assert alice.get(before).status_code == 200


@on_sqlite
def test_nothing_is_taken_along_unasked(alice: Person, before: str) -> None:
    alice.post("/login")
    assert alice.get(before).status_code == 404


@on_sqlite
def test_nobody_takes_chats_along_past_the_proxy(alice: Person, before: str, database: Database) -> None:
    answer = alice.client.post("/login", data={"chats": "on"}, environ_base=MALLORYS_ADDRESS)
    assert is_turned_away(answer)
    assert alice.get(before).status_code == 404
    assert count(database, accounts) == 0


# Signing out is the proxy's


@on_sqlite
def test_without_an_address_for_it_there_is_no_sign_out(alice: Person) -> None:
    assert "Sign out" not in named(alice, "alice").get("/").text
    assert alice.post("/logout").status_code == 404


@pytest.mark.parametrize("settings", [PROXY | {"VOICHAT_SIGN_OUT_URL": "/oauth2/sign_out"}], ids=["sign-out"])
@on_sqlite
def test_sign_out_leads_to_the_proxys(alice: Person) -> None:
    assert "/oauth2/sign_out" in Page(named(alice, "alice").get("/")).links
    assert alice.post("/logout").headers["Location"] == "/oauth2/sign_out"


# Behind a real nginx that asks a sign-in


def oauth2_proxy(asked: Asked, peer: Peer) -> None:
    """What oauth2-proxy answers at /oauth2/auth: 401, or 202 and who it is."""
    cookie = asked.headers.get("cookie", "")
    who = cookie.partition("_oauth2_proxy=")[2].partition(";")[0]
    status, name = ("202 Accepted", f"X-Auth-Request-User: {who}\r\n") if who else ("401 Unauthorized", "")
    peer.send(f"HTTP/1.1 {status}\r\n{name}Content-Length: 0\r\n\r\n")


@on_sqlite
def test_behind_nginx_with_oauth2_proxy_each_is_who_the_sign_in_says_whatever_they_claim(
    serve: Callable[..., Voichat], tmp_path: Path
) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    answers: Answer = oauth2_proxy
    with Upstream(answers) as sign_in, nginx_that_asks(serve(), sign_in.url.removeprefix("http://"), folder) as front:
        alice, mallory = ProxiedVisitor(front), ProxiedVisitor(front)
        alice.cookie, mallory.cookie = "_oauth2_proxy=alice", "_oauth2_proxy=mallory"
        page = alice.get("/").text
        assert "alice" in page
        chat = alice.post(action(page), {"message": "Mine", "submit_id": submit_id(page)}).headers["Location"]
        assert "Mine" in alice.get(chat).text
        for claim in ({"X_Forwarded_User": "alice"}, {"x_forwarded_user": "alice"}, {"Remote_User": "alice"}):
            assert mallory.get(chat, **claim).status == 404
            assert "mallory" in mallory.get("/", **claim).text
        mallory.cookie = ""
        answer = mallory.get(chat, X_Forwarded_User="alice")
        assert (answer.status, answer.headers["Location"]) == (303, ANY)
        assert answer.headers["Location"].endswith(f"/oauth2/sign_in?rd={chat}")
