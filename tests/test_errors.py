"""Every refusal is a page with one sentence, a way on, and the person's words."""

import io

import pytest
from sqlalchemy import delete
from werkzeug.test import TestResponse

from tests.support.databases import count
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from webapp.db import Database, conversations, messages

NOWHERE = "/chats/" + "0" * 32
FORM = "application/x-www-form-urlencoded"
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TEN_CHARACTERS = pytest.mark.parametrize("settings", [{"VOICHAT_MESSAGE_CHARACTERS": "10"}], ids=["10 characters"])


def is_our_page(answer: TestResponse) -> bool:
    return "<h1>" in answer.text and f"Error {answer.status_code}" in answer.text and "Voichat" in answer.text


def said(person: Person, answer: TestResponse) -> str:
    """The words that were stored by a request that was answered with 303."""
    assert answer.status_code == 303, answer.text
    return Page(person.get(answer.headers["Location"])).said[0]


# What is refused


@pytest.mark.parametrize("words", ["", " ", "\r\n\t", "\u3000\u00a0", "\x1c\x85"])
def test_an_empty_message_is_a_400(alice: Person, database: Database, words: str) -> None:
    answer = alice.post("/chats", message=words)
    assert answer.status_code == 400
    assert "the message is empty" in answer.text
    assert count(database, conversations) == 0


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", None),
        (b"", FORM),
        (b'{"message": "Hi"}', "application/json"),
        (b"message=Hi", "text/plain"),
        (b"message=Hi", "multipart/form-data"),
        (b"\xff\x00", "multipart/form-data; boundary=x"),
        (b"&&==&%", FORM),
        (b"MESSAGE=Hi", FORM),
    ],
)
def test_a_body_that_is_no_form_is_a_400(alice: Person, body: bytes, kind: str | None) -> None:
    answer = alice.client.post("/chats", data=body, content_type=kind)
    assert answer.status_code == 400
    assert is_our_page(answer)


@ON_ONE_DATABASE
def test_a_file_is_no_message(alice: Person) -> None:
    assert alice.client.post("/chats", data={"message": (io.BytesIO(b"Hi"), "a.txt")}).status_code == 400


@ON_ONE_DATABASE
@pytest.mark.parametrize("model", ["nobody/x", "voigpt", "voigpt/", "/", "voigpt/no-such-model", SCRIPT, "\0"])
def test_a_model_that_nobody_offers_is_a_400_and_the_words_are_kept(
    alice: Person, database: Database, model: str
) -> None:
    answer = alice.post("/chats", message="My long letter", model=model)
    assert answer.status_code == 400
    assert (Page(answer).words, Page(answer).action) == ("My long letter", "/chats")
    assert Page(answer).is_harmless
    assert count(database, conversations) == 0


@TEN_CHARACTERS
@pytest.mark.parametrize("is_first", [True, False], ids=["first message", "next message"])
def test_a_message_that_is_too_long_is_a_413_with_the_limit_named_and_the_words_kept(
    alice: Person, is_first: bool
) -> None:
    form = Page(alice.get("/" if is_first else alice.send("Hi")))
    answer = alice.post(form.action, **form.fields | {"message": "<b>12345678"})
    assert answer.status_code == 413
    assert "11 characters; at most 10" in answer.text
    again = Page(answer)
    kept = {name: value for name, value in form.fields.items() if name != "pinned"}  # of the chat's menu
    assert (again.action, again.fields) == (form.action, kept | {"message": "<b>12345678"})
    assert alice.post(again.action, **again.fields | {"message": "12345678"}).status_code == 303


@TEN_CHARACTERS
@ON_ONE_DATABASE
@pytest.mark.parametrize("words", ["x" * 10, "🙂" * 10, "a\r\n" * 5])
def test_a_message_at_the_limit_is_sent_whatever_its_bytes_and_line_ends(alice: Person, words: str) -> None:
    assert alice.post("/chats", message=words).status_code == 303


@TEN_CHARACTERS
@ON_ONE_DATABASE
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x", "application/json"])
def test_a_body_over_the_byte_limit_is_not_taken_and_the_page_says_go_back(alice: Person, kind: str) -> None:
    answer = alice.client.post("/chats", data=b"x" * 400_000, content_type=kind)
    assert answer.status_code in ((413,) if kind != "application/json" else (400, 413))
    assert is_our_page(answer)
    assert "Go back" in answer.text


@ON_ONE_DATABASE
def test_a_submit_id_has_a_limit_too(alice: Person) -> None:
    answer = alice.post("/chats", message="Hi", submit_id="x" * 201)
    assert (answer.status_code, "at most 200" in answer.text) == (413, True)


@ON_ONE_DATABASE
@pytest.mark.parametrize("fields", [2000, 20_000])
def test_a_form_of_thousands_of_fields_does_no_harm(alice: Person, fields: int) -> None:
    assert alice.client.post("/chats", data="message=Hi&" + "a=b&" * fields, content_type=FORM).status_code in (
        303,
        413,
    )


def test_a_message_that_was_deleted_is_not_sent_again_by_a_late_resend(alice: Person, database: Database) -> None:
    form = Page(alice.get("/")).fields | {"message": "My long letter"}
    alice.post("/chats", **form)
    with database.write() as connection:
        connection.execute(delete(conversations))
    answer = alice.post("/chats", **form)
    assert answer.status_code == 410
    assert Page(answer).words == "My long letter"
    assert Page(answer).fields["submit_id"] != form["submit_id"]
    assert count(database, messages) == 0


# Addresses and methods


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", f"{NOWHERE}/messages", {"POST", "OPTIONS"}),
        ("GET", f"{NOWHERE}/replies/{'0' * 32}/retry", {"POST", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("POST", NOWHERE, {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/chats", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/providers/", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/", {"GET", "HEAD", "OPTIONS"}),
        ("WEIRD", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_a_405_that_says_which_are_right(
    alice: Person, method: str, path: str, allowed: set[str]
) -> None:
    answer = alice.client.open(path, method=method)
    assert (answer.status_code, answer.allow.as_set()) == (405, {name.lower() for name in allowed})
    assert is_our_page(answer)


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["/", "/nowhere", NOWHERE, f"{NOWHERE}/messages", f"{NOWHERE}/nowhere"])
def test_words_that_went_to_a_wrong_address_come_back_in_a_form_that_works(alice: Person, path: str) -> None:
    refused = Page(alice.post(path, message="My long letter"))
    assert refused.words == "My long letter"
    assert "My long letter" in said(alice, alice.post(refused.action, **refused.fields | {"message": refused.words}))


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        NOWHERE,
        NOWHERE + "0",
        "/chats/x",
        "/chats/%00",
        "/chats/" + "%00" * 32,
        "/chats/" + "A" * 32,
        "/chats/" + "%F0%9F%99%82" * 32,
        "/chats/%ED%A0%80",
        "/chats/..%2f..%2fetc",
        "/chats/" + "x" * 5000,
        "/%FF%FE",
        f"/{SCRIPT.replace('?', '')}",
    ],
)
def test_an_address_without_anything_is_a_404(alice: Person, path: str) -> None:
    alice.send("Hi")
    answer = alice.get(path)
    assert answer.status_code == 404
    assert is_our_page(answer)
    assert Page(answer).is_harmless


# Words of every kind


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"message=One&message=Two&model=voigpt/gpt-3.5-turbo&model=x", "One"),
        (b"message=%ED%A0%80a", "a"),
        (b"message=%FF%FEa", "a"),
        (b"message=a%00b", "a\ufffdb"),
        (b"message=%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB", "👩\u200d💻"),
        ("message=\u202eevil\u202c \u0301\u0302\u0303x".encode(), "evil"),
        (b"message=a+%2B+b+%26+c", "a + b & c"),
        (b"message=a%0D%0Ab", "a b"),
        (b"message=%EF%BB%BFa%7F%1B%5B31m", "a"),
    ],
)
def test_odd_words_are_stored_and_shown(alice: Person, body: bytes, shown: str) -> None:
    answer = alice.client.post("/chats", data=body, content_type=FORM)
    assert shown in said(alice, answer)
    assert alice.get("/chats").status_code == 200


@ON_ONE_DATABASE
def test_a_form_with_parts_does_as_well(alice: Person) -> None:
    answer = alice.client.post("/chats", data={"message": "Hi"}, content_type="multipart/form-data")
    assert "Hi" in said(alice, answer)


@ON_ONE_DATABASE
@pytest.mark.parametrize("field", ["message", "model", "parent", "submit_id"])
def test_what_an_error_page_gives_back_is_text(alice: Person, field: str) -> None:
    form = {"message": "Hi", "model": "nobody/x", "parent": "p", "submit_id": "s"}
    page = Page(alice.post("/chats", **form | {field: SCRIPT}))
    assert page.is_harmless
    assert page.fields["message"].strip() in ("Hi", SCRIPT)
