"""What every answer carries, whatever it is."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.databases import away
from tests.support.people import Person
from tests.support.routes import UNASKED

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-src 'self'; manifest-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OF_FILES = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
FOR_EVER = "public, max-age=31536000, immutable"
SMALL = {"VOICHAT_MESSAGE_CHARACTERS": "10", "VOICHAT_LIMIT_OWNER": "1/day"}


def style(person: Person) -> str:
    """The address of the style sheet, as a page has it."""
    [address] = re.findall(r'href="(/static/style\.css[^"]*)"', person.get("/").text)
    return str(address)


def not_modified(person: Person) -> TestResponse:
    with person.get(style(person)) as answer:
        tag = answer.headers["ETag"]
    return person.get(style(person), headers={"If-None-Match": tag})


def fail() -> str:
    raise ZeroDivisionError


def broken(person: Person) -> TestResponse:
    person.app.view_functions["chat.new"] = fail
    return person.get("/")


def while_away(person: Person) -> TestResponse:
    person.send("Hi")
    with away(person.app.extensions["voichat"].database):
        return person.get("/chats")


def one_too_many(person: Person) -> TestResponse:
    person.send("Hi")
    return person.post("/chats", message="Hi")


ANSWERS: dict[str, tuple[int, Callable[[Person], TestResponse]]] = {
    "page": (200, lambda person: person.get("/")),
    "chat that streams": (200, lambda person: person.get(person.send("Hi"))),
    "health": (200, lambda person: person.get("/healthz")),
    "HEAD": (200, lambda person: person.client.head("/")),
    "OPTIONS": (200, lambda person: person.client.options("/chats")),
    "see other": (303, lambda person: person.post("/chats", message="Hi")),
    "permanent redirect": (308, lambda person: person.get("/providers")),
    "empty message": (400, lambda person: person.post("/chats")),
    "foreign host": (400, lambda person: person.get("/", headers={"Host": "evil.example"})),
    "foreign host, file": (400, lambda person: person.get(style(person), headers={"Host": "evil.example"})),
    "cross-site": (403, lambda person: person.client.post("/chats", headers={"Origin": "null"})),
    "nothing there": (404, lambda person: person.get("/nowhere")),
    "no such chat": (404, lambda person: person.get("/chats/" + "0" * 32)),
    "no such file": (404, lambda person: person.get("/static/nothing.css")),
    "outside of the files": (404, lambda person: person.get("/static/../wsgi.py")),
    "wrong method": (405, lambda person: person.client.delete("/chats")),
    "too many characters": (413, lambda person: person.post("/chats", message="x" * 11)),
    "too many bytes": (413, lambda person: person.post("/chats", message="x" * 70_000)),
    "too many messages": (429, one_too_many),
    "our own fault": (500, broken),
    "database away": (503, while_away),
}
FILES: dict[str, tuple[int, Callable[[Person], TestResponse]]] = {
    "file": (200, lambda person: person.get(style(person))),
    "file that is there": (304, not_modified),
    **{path: (200, partial(Person.get, path=path)) for path in UNASKED},
}


@contextmanager
def answer_to(person: Person, name: str) -> Iterator[TestResponse]:
    status, ask = (ANSWERS | FILES)[name]
    with closing(ask(person)) as answer:
        assert answer.status_code == status, answer.text
        yield answer


@pytest.mark.parametrize("settings", [SMALL], ids=["small"])
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_headers_that_protect_its_reader(alice: Person, name: str) -> None:
    with answer_to(alice, name) as answer:
        assert {header: answer.headers.get_all(header) for header in HEADERS if header != "Cache-Control"} == {
            header: [value] for header, value in HEADERS.items() if header != "Cache-Control"
        }


@pytest.mark.parametrize("name", FILES)
def test_a_file_carries_those_that_protect_more_than_a_page(alice: Person, name: str) -> None:
    with answer_to(alice, name) as answer:
        found = {header: answer.headers.get(header) for header in HEADERS if header in answer.headers}
    assert found == OF_FILES


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "WEIRD"])
def test_whatever_is_asked_of_any_address_the_answer_carries_them(alice: Person, method: str) -> None:
    alice.send("Hi")
    for rule in alice.app.url_map.iter_rules():
        for path in {re.sub("<[^>]*>", filled, rule.rule) for filled in ("0" * 32, "x", "%00")}:
            with alice.client.open(path, method=method) as answer:
                expected = OF_FILES if "public" in answer.headers["Cache-Control"] else HEADERS
                assert {name: answer.headers.get_all(name) for name in expected} == {
                    name: [value] for name, value in expected.items()
                }, path
                is_kept = "no-store" not in answer.headers["Cache-Control"]
                assert not is_kept or path in ("/", *UNASKED), path


@pytest.mark.parametrize("settings", [SMALL], ids=["small"])
@pytest.mark.parametrize("name", ANSWERS)
def test_no_page_but_an_empty_one_is_stored_anywhere(alice: Person, name: str) -> None:
    """Back has to find the page of a new chat as it was, its submit id included."""
    with answer_to(alice, name) as answer:
        expected = "private, no-cache" if name in ("page", "HEAD") else "no-store"
        assert answer.headers.get_all("Cache-Control") == [expected]


@pytest.mark.parametrize("name", ["file", "file that is there"])
def test_a_file_is_kept_for_ever_under_the_address_that_pages_give_it(alice: Person, name: str) -> None:
    with answer_to(alice, name) as answer:
        assert answer.headers.get_all("Cache-Control") == [FOR_EVER]


@pytest.mark.parametrize("query", ["", "?v=", "?v=00000000", "?v=x&v=y"])
def test_a_file_under_an_older_address_is_asked_for_again(alice: Person, query: str) -> None:
    with alice.get(f"/static/style.css{query}") as answer:
        assert answer.headers.get_all("Cache-Control") == ["no-cache"]


def test_every_file_that_pages_name_has_its_version(app: Flask) -> None:
    with app.test_request_context():
        names = ("style.css", "icon.svg", "js/voichat.js", "js/chat.js")
        addresses = [app.url_for("static", filename=name) for name in names]
    assert all("?v=" in address for address in addresses)


def test_a_page_that_depends_on_the_cookie_says_so(alice: Person) -> None:
    for path in ("/chats", alice.send("Hi")):
        assert "Cookie" in alice.get(path).headers.get("Vary", "")
