"""A form's own fields count, each once and from the body alone: whatever else a request holds changes nothing."""

import json
import re
from functools import cache
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.test import TestResponse

from tests.support.routes import (
    CHAT,
    CONTINUE,
    COPY,
    DELETE_PRESET,
    DELETED,
    FORMS,
    MESSAGES,
    QUERIES,
    RETRY,
    REVOKE,
    SHARE,
    SIGN_IN_FORMS,
    STOP,
    STOP_ALL,
)
from tests.support.world import MADE_UP, ROLES, Thing, World, changes, dump, filled, form, seen

Fields = list[tuple[str, str]]

# For each field a value that does something else than the form's own: what counts once must not count twice.
OTHERS = {
    "message": "Other words",
    "model": "guide/none",
    "submit_id": "x" * 201,
    "parent": MADE_UP,
    "edits": MADE_UP,
    "attempt": "99",
    "at": MADE_UP,
    "preset": MADE_UP,
    "temporary": "",
    "end": "",
    "version": MADE_UP,
    "pinned": "",
    "to": "chat",
    "before": "9e8",
    "restore": "1.5",
    "until": "1.5",
    "name": "Rambling",
    "system": "Be long.",
    "temperature": "1.5",
    "top_p": "0.1",
    "max_tokens": "200",
    "seed": "8",
    "file": "no file",
    "kind": "x",
    "ends": "x",
    "day": "x",
    "theme": "light",
    "language": "ru",
    "shortcuts": "",
    "list": "",
}
DOUBLED = [(rule, name) for rule, fields in FORMS.items() for name, value in fields.items() if value]

# A field that means a message means one of the chat that the address names.
MEANS_A_MESSAGE = [
    *((CHAT, verb, name) for verb in ("GET", "HEAD") for name in ("at", "before")),
    *((MESSAGES, "POST", name) for name in ("parent", "edits")),
    *((SHARE, verb, "at") for verb in ("GET", "HEAD")),
    *((rule, "POST", "at") for rule in (RETRY, CONTINUE, STOP, STOP_ALL, COPY, SHARE)),
]


def foreign(thing: Thing, owner_id: str) -> Fields:
    """What makes an application that believes every field do more than its forms say."""
    return [
        *[(name, owner_id) for name in ("owner", "owner_id", "user", "sid", "session")],
        *[(name, thing.conversation_id) for name in ("conversation", "conversation_id", "chat")],
        *[(name, thing.reply_id) for name in ("id", "reply_id", "message_id", "parent_id")],
        *[(name, "assistant") for name in ("role", "author")],
        *[(name, "forged") for name in ("text", "html", "title", "words", "problem", "Message", "message[]")],
        *[(name, "1") for name in ("renderer", "seq", "last_seq", "created_at", "updated_at", "settled_at", "ended")],
        ("status", "complete"),
        ("_method", "DELETE"),
    ]


def effect(
    world: World, rule: str, fields: Fields | None = None, query: Fields | None = None, **options: Any
) -> list[str]:
    """What a request to a new chat of Alice's answers and stores, without what is different in each such chat."""
    thing = world.chat("owner")
    if rule == DELETED:
        world.bin(thing)
    names = {
        world.owner_id(thing): "Alice",
        world.owner_id(world.mallorys): "Mallory",
        world.mallorys.conversation_id: "Mallory's chat",
        world.mallorys.reply_id: "Mallory's reply",
        thing.conversation_id: "chat",
        thing.reply_id: "reply",
        thing.preset_id: "preset",
        thing.attachment_id: "file",
    }
    answers: list[TestResponse] = []
    sent = {"data": filled_in(fields or [], thing), "content_type": "application/x-www-form-urlencoded"} | options
    path = f"{filled(rule, thing)}?{filled_in(query or [], thing)}"
    changed = changes(world.database, lambda: answers.append(world.ask("owner", "POST", path, **sent)))
    world.settle()
    world.mend()
    world.delete(thing)
    world.delete_presets(changed.get("presets", []))
    stored = [f"{table} {row}" for table, rows in changed.items() for row in rows]
    answered = f"{answers[0].status_code} {answers[0].headers.get('Location')}"
    return [masked(answered, names), *sorted(masked(row, names) for row in stored)]


@cache
def plain_effect(world: World, rule: str, *fields: tuple[str, str]) -> list[str]:
    """Of these fields and of nothing else."""
    return effect(world, rule, list(fields))


def masked(text: str, names: dict[str, str]) -> str:
    for value, name in names.items():
        text = text.replace(value, name)
    return re.sub(r"\d{9,}\.\d+", "time", re.sub(r"\b[0-9a-f]{16,64}\b", "random", text))


def filled_in(fields: Fields, thing: Thing) -> str:
    return urlencode([(name, filled(value, thing)) for name, value in fields])


class Noted(ImmutableMultiDict[str, str]):
    """Fields that remember which of them were asked for, there or not."""

    asked: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)

    def getlist(self, key: str, *arguments: Any, **options: Any) -> list[Any]:
        self.asked.add(key)
        return super().getlist(key, *arguments, **options)


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the fields that the application looks at."""
    monkeypatch.setattr(world.app.request_class, "parameter_storage_class", Noted)
    Noted.asked.clear()
    return Noted.asked


def test_the_tables_hold_every_address_that_takes_a_form_or_a_query(world: World) -> None:
    rules = list(world.app.url_map.iter_rules())
    assert {rule.rule for rule in rules if "POST" in (rule.methods or ())} == FORMS.keys() | SIGN_IN_FORMS
    assert {rule.rule for rule in rules if "GET" in (rule.methods or ())} == QUERIES.keys()


@pytest.mark.parametrize("rule", FORMS)
def test_a_form_has_no_field_that_the_table_does_not_name(world: World, asked: set[str], rule: str) -> None:
    found: set[str] = set()
    for fields in (FORMS[rule], {}, FORMS[rule] | {"message": " "}):
        thing = world.chat("owner") if rule in (DELETE_PRESET, REVOKE) else world.alices
        asked.clear()
        world.ask("owner", "POST", filled(rule, thing), data=form(fields, thing))
        world.settle()
        world.mend()
        found |= asked
    assert found == FORMS[rule].keys()


@pytest.mark.parametrize("rule", QUERIES)
def test_a_page_has_no_query_that_the_table_does_not_name(world: World, asked: set[str], rule: str) -> None:
    world.ask("owner", "GET", filled(rule, world.alices))
    assert asked == QUERIES[rule].keys()


@pytest.mark.parametrize("rule", FORMS)
def test_a_field_that_is_not_the_forms_changes_nothing(world: World, rule: str) -> None:
    own, more = list(FORMS[rule].items()), foreign(world.mallorys, world.owner_id(world.mallorys))
    plain = plain_effect(world, rule, *own)
    assert effect(world, rule, own + more) == plain
    assert effect(world, rule, more + own) == plain
    assert effect(world, rule, own, query=more) == plain


@pytest.mark.parametrize(("rule", "name"), DOUBLED)
def test_of_a_field_that_comes_twice_the_first_counts_and_the_second_does_not(
    world: World, rule: str, name: str
) -> None:
    good, other = (name, FORMS[rule][name]), (name, OTHERS[name])
    rest = [field for field in FORMS[rule].items() if field[0] != name]
    once, otherwise = effect(world, rule, [good, *rest]), effect(world, rule, [other, *rest])
    assert once != otherwise
    assert effect(world, rule, [good, *rest, other]) == once
    assert effect(world, rule, [other, *rest, good]) == otherwise


@pytest.mark.parametrize("rule", FORMS)
def test_the_query_is_no_part_of_a_form(world: World, rule: str) -> None:
    own, others = list(FORMS[rule].items()), [(name, OTHERS[name]) for name in FORMS[rule]]
    assert effect(world, rule, query=own) == plain_effect(world, rule)
    assert effect(world, rule, own, query=others) == plain_effect(world, rule, *own)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
@pytest.mark.parametrize("rule", FORMS)
def test_a_body_that_is_no_form_counts_for_nothing(world: World, rule: str, content_type: str) -> None:
    fields = {name: filled(value, world.alices) for name, value in FORMS[rule].items()}
    nothing = plain_effect(world, rule)
    for body in (json.dumps(fields), urlencode(fields)):
        assert effect(world, rule, data=body, content_type=content_type) == nothing


@pytest.mark.parametrize("rule", FORMS)
def test_a_file_is_no_field(world: World, rule: str) -> None:
    files = {name: (BytesIO(value.encode()), "words.txt") for name, value in FORMS[rule].items()}
    assert effect(world, rule, data=files, content_type="multipart/form-data") == plain_effect(world, rule)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("rule", QUERIES)
def test_a_query_that_is_not_the_pages_changes_nothing_of_it(world: World, rule: str, role: str) -> None:
    thing = world.mallorys if role == "stranger" else world.alices
    before = dump(world.database)
    plain = world.ask(role, "GET", filled(rule, thing))
    more = foreign(world.alices, world.owner_id(world.alices))
    assert seen(world.ask(role, "GET", filled(rule, thing), query_string=more)) == seen(plain)
    assert dump(world.database) == before


@pytest.mark.parametrize(("rule", "verb", "name"), MEANS_A_MESSAGE)
def test_a_message_of_elsewhere_is_not_found_and_nobody_learns_where_it_is(
    world: World, rule: str, verb: str, name: str
) -> None:
    other = world.chat("owner")
    elsewhere = [other.reply_id, world.mallorys.reply_id, world.deleted.reply_id, MADE_UP, world.alices.conversation_id]
    before = dump(world.database)
    answers = []
    for message_id in elsewhere:
        fields = form(FORMS.get(rule, {}), world.alices) | {name: message_id}
        sent = {"data": fields} if verb == "POST" else {"query_string": {name: message_id}}
        answers.append(world.ask("owner", verb, filled(rule, world.alices), **sent))
    assert {answer.status_code for answer in answers} == {404}
    assert len({repr(seen(answer)) for answer in answers}) == 1
    assert dump(world.database) == before


def test_a_message_follows_a_reply_and_no_question(world: World) -> None:
    sent = form(FORMS[MESSAGES], world.alices) | {"parent": world.alices.message_id}
    before = dump(world.database)
    assert world.ask("owner", "POST", filled(MESSAGES, world.alices), data=sent).status_code == 404
    assert dump(world.database) == before


ODD_TIMES = ["", "x", "nan", "inf", "-inf", "1e999", "-1", "1_0", "0x10", "9" * 400, "\0", "' OR 1=1 --"]


@pytest.mark.parametrize("before", ODD_TIMES)
def test_an_odd_time_shows_mallory_no_more_than_her_own_chats(world: World, before: str) -> None:
    answer = world.ask("stranger", "GET", "/chats", query_string={"before": before})
    chats = set(re.findall(r'"/chats/([0-9a-f]{32})"', answer.text))
    assert answer.status_code == 200
    assert chats <= {world.mallorys.conversation_id}
