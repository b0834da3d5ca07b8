"""Who gets what at every address: the owner, a stranger who has chats of her own, and nobody in particular."""

import re
from contextlib import closing
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.pages import Page
from tests.support.people import Person

MADE_UP = "0" * 32


@dataclass(frozen=True)
class Row:
    """The status that each gets for Alice's own chat, and that Alice gets for a made-up id."""

    alice: int
    mallory: int
    nobody: int
    made_up: int


PUBLIC = Row(200, 200, 200, 200)
NONE = Row(404, 404, 404, 404)
OPEN_TO_SEND = Row(303, 303, 303, 303)
OWNERS_PAGE = Row(200, 404, 404, 404)
OWNERS_FORM = Row(303, 404, 404, 404)

CHAT = "/chats/<id:conversation_id>"
RETRY = f"{CHAT}/replies/<id:reply_id>/retry"

# An address that is not in this table fails the test below: say here who may have it.
TABLE = {
    "/": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/static/<path:filename>": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/chats": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    CHAT: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "OPTIONS": PUBLIC},
    f"{CHAT}/messages": {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    RETRY: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    "/providers/": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/login": {"GET": NONE, "HEAD": NONE, "POST": NONE, "OPTIONS": PUBLIC},
    "/logout": {"POST": NONE, "OPTIONS": PUBLIC},
    "/forget": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    "/healthz": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/readyz": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
}
CASES = [(rule, method) for rule, row in TABLE.items() for method in row]
PRIVATE = [(rule, method) for rule, method in CASES if TABLE[rule][method] in (OWNERS_PAGE, OWNERS_FORM)]


@pytest.fixture
def ids(alice: Person, mallory: Person) -> dict[str, str]:
    """Of a chat of Alice's and its reply. Mallory has a chat too."""
    mallory.send("Mine")
    chat = alice.send("Secret")
    reply = Page(alice.get(chat)).articles[1]
    return {"conversation_id": chat.rpartition("/")[2], "reply_id": reply.id}


def ask(person: Person, rule: str, method: str, ids: dict[str, str]) -> TestResponse:
    values = ids | {"filename": "style.css"}
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], rule)
    data = {"message": "Hi", "attempt": "1"} if method == "POST" else None
    with closing(person.client.open(path, method=method, data=data)) as answer:
        answer.get_data()
    return answer


def public(answer: TestResponse) -> tuple[object, ...]:
    """All that can be seen of an answer, but for what is random in each."""
    return answer.status_code, sorted(answer.headers), re.sub("[0-9a-f]{64}", "", answer.text)


def test_every_address_and_method_is_in_the_table(app: Flask) -> None:
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        found.setdefault(rule.rule, set()).update(rule.methods or ())
    assert found == {rule: set(row) for rule, row in TABLE.items()}


@pytest.mark.parametrize(("rule", "method"), CASES)
def test_each_gets_what_the_table_says(
    alice: Person, mallory: Person, app: Flask, ids: dict[str, str], rule: str, method: str
) -> None:
    made_up = dict.fromkeys(ids, MADE_UP)
    got = Row(
        ask(alice, rule, method, ids).status_code,
        ask(mallory, rule, method, ids).status_code,
        ask(Person(app), rule, method, ids).status_code,
        ask(alice, rule, method, made_up).status_code,
    )
    assert got == TABLE[rule][method]


@pytest.mark.parametrize(("rule", "method"), PRIVATE)
def test_mallory_cannot_tell_alices_chat_from_one_that_is_not(
    mallory: Person, ids: dict[str, str], rule: str, method: str
) -> None:
    theirs = ask(mallory, rule, method, ids)
    assert public(theirs) == public(ask(mallory, rule, method, dict.fromkeys(ids, MADE_UP)))
    assert "Secret" not in theirs.text


@pytest.mark.parametrize(("rule", "method"), PRIVATE)
def test_what_mallory_tries_changes_nothing(
    alice: Person, mallory: Person, ids: dict[str, str], rule: str, method: str
) -> None:
    before = alice.get(f"/chats/{ids['conversation_id']}").text
    ask(mallory, rule, method, ids)
    after = alice.get(f"/chats/{ids['conversation_id']}").text
    assert re.sub("[0-9a-f]{64}", "", after) == re.sub("[0-9a-f]{64}", "", before)


def test_alices_reply_is_not_found_by_way_of_mallorys_chat(mallory: Person, ids: dict[str, str]) -> None:
    own = mallory.send("Mine too").rpartition("/")[2]
    assert ask(mallory, RETRY, "POST", ids | {"conversation_id": own}).status_code == 404


def test_mallorys_list_has_nothing_of_alices(mallory: Person, ids: dict[str, str]) -> None:
    page = mallory.get("/chats").text
    assert "Mine" in page
    assert "Secret" not in page
    assert ids["conversation_id"] not in page
