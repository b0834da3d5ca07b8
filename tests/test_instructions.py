"""What a chat's model is told besides the chat: set with the first message, changed on a page of its own."""

import re

import pytest
from sqlalchemy import update

from tests.providers.upstream import Upstream
from tests.support.databases import count, rows
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.test_signin import PASSWORD, sign_in
from webapp.chats.instructions import PARAMETERS, SYSTEM_CHARACTERS, Parameter
from webapp.db import Database, conversations, messages
from webapp.sentences import Sentence

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
with_password = pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])

NONSENSE = [
    ("temperature", "2.1", "Temperature must be a number from 0 to 2, or empty."),
    ("temperature", "hot", "Temperature must be a number"),
    ("temperature", "nan", "Temperature must be a number"),
    ("temperature", "١,٥" * 20, "Temperature has 60 characters; at most 50"),
    ("top_p", "-0.1", "Top p must be a number from 0 to 1, or empty."),
    ("max_tokens", "0", "Max tokens must be a whole number from 1 to 1,000,000, or empty."),
    ("max_tokens", "1.5", "Max tokens must be a whole number"),
    ("seed", "1e3", "Seed must be a whole number"),
    ("seed", "9" * 19, "Seed must be a whole number"),
]


def told(upstream: Upstream) -> list[tuple[str, str]]:
    """What the upstream was last sent."""
    return [(each["role"], each["content"]) for each in upstream.asked_for("POST")[-1].json["messages"]]


def settings(chat: str) -> str:
    return f"{chat}/settings"


def test_the_first_message_of_a_chat_already_has_its_system_prompt(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("Hi", system="Be brief.\r\nAnd kind.", temperature="0,5", seed=" 7 ")
    alice.get(chat).get_data()
    assert told(upstream) == [("system", "Be brief.\nAnd kind."), ("user", "Hi")]
    form = Page(alice.get(settings(chat))).fields
    assert (form["system"], form["temperature"], form["top_p"], form["seed"]) == (
        "Be brief.\nAnd kind.",
        "0.5",
        "",
        "7",
    )


def test_a_changed_system_prompt_counts_from_the_next_reply_on(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("One", system="Be brief.")
    alice.get(chat).get_data()
    form = Page(alice.get(settings(chat))).fields
    answer = alice.post(settings(chat), **form | {"system": "Be long."})
    assert (answer.status_code, answer.headers["Location"]) == (303, chat)
    alice.get(alice.send("Two", chat)).get_data()
    assert told(upstream) == [("system", "Be long."), ("user", "One"), ("assistant", "Hello."), ("user", "Two")]


@on_sqlite
def test_a_chat_without_instructions_sends_none_and_its_page_leads_to_them(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("Hi", system=" \n ")
    alice.get(chat).get_data()
    assert told(upstream) == [("user", "Hi")]
    page = Page(alice.get(chat))
    assert settings(chat) in page.links
    assert "Instructions: set" not in page.text
    alice.post(settings(chat), system="Be brief.")
    assert "Instructions: set" in Page(alice.get(chat)).text


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_what_a_parameter_may_be_can_be_said_in_another_language(parameter: Parameter) -> None:
    with pytest.raises(ValueError, match=f"^{parameter.label} must be a") as caught:
        parameter.value("hot")
    said = str(caught.value)
    assert isinstance(said, Sentence)
    assert all(isinstance(words, Sentence) for words in (parameter.label, parameter.meaning, said.values["label"]))


@on_sqlite
@pytest.mark.parametrize(("name", "typed", "sentence"), NONSENSE)
def test_a_parameter_that_makes_no_sense_is_refused_and_everything_typed_is_kept(
    alice: Person, database: Database, name: str, typed: str, sentence: str
) -> None:
    form = Page(alice.get("/")).fields | {"message": "My letter", "system": "Be brief.", name: typed}
    refused = alice.post("/chats", **form)
    assert refused.status_code in (400, 413)
    assert sentence in Page(refused).text
    assert Page(refused).fields == form
    assert '<details class="beginning" open>' in refused.text
    assert count(database, conversations) == 0
    chat = alice.send("Hi")
    again = alice.post(settings(chat), system="Be brief.", **{name: typed})
    assert (again.status_code, sentence in Page(again).text) == (refused.status_code, True)
    assert (Page(again).fields["system"], Page(again).fields[name]) == ("Be brief.", typed)


@on_sqlite
def test_a_system_prompt_has_a_limit_which_is_named(alice: Person) -> None:
    longest, form = "🙂" * SYSTEM_CHARACTERS, Page(alice.get("/")).fields
    refused = alice.post("/chats", **form | {"message": "Hi", "system": longest + "x"})
    assert (refused.status_code, "20,001 characters; at most 20,000" in refused.text) == (413, True)
    assert Page(refused).fields["system"] == longest + "x"
    chat = alice.post("/chats", **form | {"message": "Hi", "system": longest}).headers["Location"]
    refused = alice.post(settings(chat), system=longest + "x")
    assert (refused.status_code, "at most 20,000" in refused.text) == (413, True)
    assert Page(refused).fields["system"] == longest + "x"
    assert Page(alice.get(settings(chat))).fields["system"] == longest


@on_sqlite
@pytest.mark.parametrize("settings", [{"VOICHAT_MESSAGE_CHARACTERS": "1"}], ids=["1 character"])
def test_the_longest_system_prompt_fits_whatever_the_limit_of_a_message(alice: Person) -> None:
    assert alice.post("/chats", message="🙂", system="🙂" * SYSTEM_CHARACTERS).status_code == 303


@on_sqlite
def test_of_two_tabs_the_second_is_shown_both_and_saves_hers_over_it(alice: Person) -> None:
    chat = alice.send("Hi")
    first, second = (Page(alice.get(settings(chat))).fields for _ in range(2))
    assert alice.post(settings(chat), **first | {"system": "First."}).status_code == 303
    conflict = alice.post(settings(chat), **second | {"system": "Second.", "seed": "7"})
    page = Page(conflict)
    assert (conflict.status_code, page.fields["system"], page.fields["seed"]) == (409, "Second.", "7")
    assert "First." in page.text
    assert alice.post(settings(chat), **page.fields).status_code == 303
    assert Page(alice.get(settings(chat))).fields["system"] == "Second."


@on_sqlite
def test_instructions_are_text_wherever_they_are_shown(alice: Person) -> None:
    chat = alice.send("Hi", system=SCRIPT)
    conflict = alice.post(settings(chat), version="x", system="Other.")
    assert conflict.status_code == 409
    for answer in (alice.get(settings(chat)), conflict, alice.post("/chats", message=" x", model="no", system=SCRIPT)):
        page = Page(answer)
        assert page.is_harmless
        assert "<script>alert(1)</script>" in page.text


@on_sqlite
@with_password
def test_instructions_are_kept_while_alice_signs_in(alice: Person) -> None:
    sign_in(alice)
    form = Page(alice.get("/")).fields | {"message": "My letter", "system": "Be brief.\n\nAnd kind.", "seed": "7"}
    alice.post("/logout")
    kept = Page(alice.post("/chats", **form)).fields
    shown = Page(alice.post("/login", **kept | {"password": PASSWORD["VOICHAT_PASSWORD"]}))
    assert {name: shown.fields[name] for name in ("message", "system", "seed")} == {
        "message": "My letter",
        "system": "Be brief.\n\nAnd kind.",
        "seed": "7",
    }


@on_sqlite
def test_a_page_says_what_the_model_no_longer_sees(alice: Person, database: Database) -> None:
    chat = alice.send("One")
    alice.get(chat).get_data()
    alice.get(alice.send("Two", chat)).get_data()
    line = "The model no longer sees what is above this line."
    assert line not in alice.get(chat).text
    seen_from(database, 4, 3)
    assert re.search(f"One.*{line}.*Two", alice.get(chat).text, re.DOTALL)


@on_sqlite
def test_it_says_so_of_the_newest_answer(alice: Person, database: Database) -> None:
    chat = alice.send("One")
    alice.get(chat).get_data()
    seen_from(database, 2, 1)
    assert "no longer sees" in alice.get(chat).text
    alice.get(alice.send("Two", chat)).get_data()
    assert "no longer sees" not in alice.get(chat).text


def seen_from(database: Database, reply: int, oldest: int) -> None:
    """The reply of this number in its chat was made from what was said from that number on."""
    ids = {row["seq"]: row["id"] for row in rows(database, messages)}
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.seq == reply).values(seen_from=ids[oldest]))
