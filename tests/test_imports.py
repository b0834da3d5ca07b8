"""Chats come in from files: each once, with its branches, or the file is refused whole."""

import json
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from time import time
from typing import Any
from zipfile import ZipFile

import pytest
from flask import Flask

from tests.support.databases import count, rows
from tests.support.files import exported, ours, product, send_file, turn, zipped
from tests.support.pages import Page
from tests.support.people import Person
from webapp.chats import attachments, lists
from webapp.chats.imports import reading, taking
from webapp.chats.imports.found import Refused
from webapp.chats.records import Picture, Sent
from webapp.db import Database, conversations, messages, presets
from webapp.sentences import Sentence


def talk_in_branches(person: Person) -> str:
    """Two turns and another beside the second, a system prompt, and a preset."""
    chat = person.send("One\n\n```\ncode\n```", system="Be brief.", temperature="0.5")
    first = Page(person.get(chat)).articles[1].id
    person.get(person.send("Two", chat)).get_data()
    person.get(person.post(f"{chat}/messages", message="Or rather", parent=first).headers["Location"]).get_data()
    person.get(person.send("Another chat")).get_data()
    person.post("/presets", name="Terse", system="Be terse.", top_p="0.1")
    return chat


def test_what_one_takes_along_another_has_the_same_branches_and_all(alice: Person, bob: Person) -> None:
    talk_in_branches(alice)
    report = send_file(bob, alice.get("/take-along.zip").data).text
    assert "2 chats were taken" in report
    assert "with 8 messages" in report
    assert exported(bob) == exported(alice)
    assert [chat["title"] for chat in exported(bob)] == ["Another chat", "One"]
    assert "Terse" in bob.get("/presets").text


def test_an_imported_chat_opens_at_the_branch_that_was_shown_and_goes_on(alice: Person, bob: Person) -> None:
    talk_in_branches(alice)
    send_file(bob, alice.get("/take-along.zip").data)
    chat = next(
        link
        for link in Page(bob.get("/chats")).links
        if len(link) == len("/chats/") + 32 and "One" in Page(bob.get(link)).articles[0].text
    )
    assert [article.role for article in Page(bob.get(chat)).articles] == ["user", "assistant"] * 2
    assert "Or rather" in bob.get(chat).text
    bob.get(bob.send("Three", chat)).get_data()
    assert "Three" in Page(bob.get(chat)).articles[4].text


@pytest.mark.parametrize("chat", ["a chat of one's own", "the whole archive"])
def test_what_is_here_already_is_not_taken_twice(alice: Person, bob: Person, database: Database, chat: str) -> None:
    path = talk_in_branches(alice)
    file = alice.get("/take-along.zip" if chat == "the whole archive" else f"{path}.json").data
    before = rows(database, messages)
    assert "Nothing new" in send_file(alice, file).text
    assert rows(database, messages) == before
    send_file(bob, file)
    stored = count(database, messages), count(database, presets)
    assert "Nothing new" in send_file(bob, file).text
    assert (count(database, messages), count(database, presets)) == stored


def test_what_was_deleted_since_is_taken_again(alice: Person) -> None:
    talk_in_branches(alice)
    file, before = alice.get("/take-along.zip").data, exported(alice)
    for _ in range(2):
        alice.post("/forget", chats="on")
        assert exported(alice) == []
        assert "2 chats were taken" in send_file(alice, file).text
        assert exported(alice) == before


def test_the_archive_says_what_it_is_and_holds_nothing_of_others(alice: Person, mallory: Person) -> None:
    talk_in_branches(alice)
    answer = mallory.get("/take-along.zip")
    with ZipFile(BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["manifest.json", "presets.json"]
        assert json.loads(archive.read("manifest.json"))["format"] == "voichat-archive"
        assert json.loads(archive.read("presets.json"))["presets"] == []
    assert answer.content_type == "application/zip"
    assert mallory.client.head("/take-along.zip").data == b""


def test_no_more_chats_are_pinned_than_a_person_may_pin(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_PINNED", 2)
    file = b"[" + b",".join(ours(title=f"Chat {number}", is_pinned=True) for number in range(4)) + b"]"
    assert "4 chats were taken" in send_file(alice, file).text
    assert sorted(chat["is_pinned"] for chat in exported(alice)) == [False, False, True, True]


def test_a_browser_without_a_session_gets_one(bob: Person, database: Database) -> None:
    assert send_file(bob, ours()).status_code == 200
    assert len(exported(bob)) == count(database, conversations) == 1


def said(person: Person) -> list[tuple[Any, ...]]:
    [chat] = exported(person)
    kept = ("parent_id", "role", "text", "status", "model", "reasoning")
    return [tuple(message[name] for name in kept) for message in chat["messages"]]


def test_chatgpts_tree_keeps_its_branches_and_what_the_model_thought(alice: Person) -> None:
    report = send_file(alice, product("chatgpt-conversations.json")).text
    assert said(alice) == [
        (None, "user", "How warm does a sourdough want it?", "complete", "", ""),
        (0, "assistant", "About **25 °C**.", "complete", "o3", "Recalling temperatures\nWild yeast likes it warm."),
        (0, "assistant", "Room temperature will do.", "complete", "gpt-4o", ""),
        (1, "user", "Is this one ready?", "complete", "", ""),
        (3, "assistant", "Yes: it floats.", "complete", "gpt-4o", ""),
    ]
    for left_out in ("2 × calls and results of tools", "1 × chats without messages", "1 × notes", "1 × pictures"):
        assert left_out in report
    assert "“<bdi>Sourdough</bdi>”" in report


def test_open_webuis_tree_opens_at_its_current_message_with_its_system_prompt(alice: Person) -> None:
    send_file(alice, product("openwebui-export.json"))
    assert said(alice) == [
        (None, "user", "Name a prime.", "complete", "", ""),
        (0, "assistant", "11 is one.", "complete", "qwen3:8b", "A small one.\nEleven."),
        (1, "user", "And the picture?", "complete", "", ""),
        (2, "assistant", "", "failed", "qwen3:8b", ""),
        (0, "assistant", "7", "complete", "llama3.2:latest", ""),
    ]
    [chat] = exported(alice)
    assert chat["instructions"] == {"system": "You are a mathematician.", "temperature": 0.2}
    assert (chat["is_pinned"], chat["created_at"], chat["updated_at"]) == (True, 1740000000.0, 1740000101.0)


@pytest.mark.parametrize("file", ["librechat-flat.json", "librechat-tree.json"])
def test_librechats_export_is_the_same_nested_or_not(alice: Person, file: str) -> None:
    send_file(alice, product(file))
    assert said(alice) == [
        (None, "user", "Translate “Brot”.", "complete", "", ""),
        (0, "assistant", "Bread.", "complete", "gpt-4o", "German for bread."),
        (1, "user", "And “Käse”?", "complete", "", ""),
        (2, "assistant", "Cheese.", "complete", "gpt-4o", ""),
        (1, "user", "And “Wurst”?", "complete", "", ""),
        (4, "assistant", "Sau", "stopped", "gpt-4o", ""),
    ]
    assert exported(alice)[0]["instructions"] == {"system": "Answer in one word.", "temperature": 0.3}


@pytest.mark.parametrize("days", [None, 365])
def test_what_is_left_out_can_be_said_in_another_language(tmp_path: Path, days: int | None) -> None:
    for file in ("chatgpt-conversations.json", "openwebui-export.json", "librechat-flat.json"):
        with closing(taking.check(BytesIO(product(file)), tmp_path, 5_000_000, days)) as checked:
            kinds = list(checked.report.left_out)
        assert kinds
        assert all(isinstance(kind, Sentence) for kind in kinds)


def test_a_product_is_told_by_what_is_in_the_file_not_by_its_name(alice: Person) -> None:
    files = {"user.json": b'{"id": "user-1"}', "chat.html": b"<html>", "x.json": product("chatgpt-conversations.json")}
    report = send_file(alice, zipped(files), "holiday.jpg").text
    assert "1 chat was taken" in report
    assert "1 × entries that are no chats" in report


def test_messages_of_one_side_become_one_and_each_question_has_a_reply_to_try_again(alice: Person) -> None:
    turns = [
        turn(0, None, "assistant", text="Welcome."),
        turn(1, 0, "user", text="Hi"),
        turn(2, 1, "user", text="Anybody?"),
        turn(3, 1, "assistant", text="Yes."),
    ]
    send_file(alice, ours(*turns))
    [chat] = exported(alice)
    assert [(message["role"], message["text"], message["status"]) for message in chat["messages"]] == [
        ("user", "(The file holds no message before this reply.)", "complete"),
        ("assistant", "Welcome.", "complete"),
        ("user", "Hi", "complete"),
        ("user", "Hi\n\nAnybody?", "complete"),
        ("assistant", "", "interrupted"),
        ("assistant", "Yes.", "complete"),
    ]


def test_a_reply_that_was_on_its_way_is_interrupted_where_it_comes_to(alice: Person) -> None:
    send_file(alice, ours(turn(0, None, "user"), turn(1, 0, "assistant", status="live", text="Half")))
    assert said(alice)[1][2:4] == ("Half", "interrupted")


def test_words_are_cleaned_and_shown_as_words(alice: Person) -> None:
    raw = ours(turn(0, None, "user", text="a\0b\r\nc <script>alert(1)</script>"), turn(1, 0, "assistant"))
    send_file(alice, raw.replace(b"Words 1", b"Words \\ud800"), "<script>.json")
    [question, reply] = [row[2] for row in said(alice)]
    assert question == "a\ufffdb\nc <script>alert(1)</script>"
    assert reply == "Words ?"
    assert all(
        Page(alice.get(link)).is_harmless for link in Page(alice.get("/chats")).links if link.startswith("/chats/")
    )


def nested(levels: int) -> bytes:
    return ours(more=None).replace(b'"more": null', b'"more": ' + b"[" * levels + b"]" * levels)


def bomb(size: int) -> bytes:
    return zipped({"bomb.json": b'["' + b" " * size + b'"]'})


def encrypted() -> bytes:
    """As if: the flag says so, in the entry and in the list of entries."""
    whole = bytearray(zipped({"chat.json": ours()}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + place] |= 1
    return bytes(whole)


def damaged() -> bytes:
    whole = bytearray(zipped({"chat.json": ours()}))
    whole[60] ^= 0xFF
    return bytes(whole)


def named_twice() -> bytes:
    whole = zipped({"a.json": ours(), "b.json": ours()})
    return whole.replace(b"b.json", b"a.json")


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "neither JSON nor a zip"),
    "no JSON": (lambda: b"Dear Sir or Madam", "neither JSON nor a zip"),
    "a cut file": (lambda: ours()[:-20], "neither JSON nor a zip"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "neither JSON nor a zip"),
    "another encoding": (lambda: ours().decode().encode("utf-16"), "neither JSON nor a zip"),
    "NaN": (lambda: ours(created_at=float("nan")), "neither JSON nor a zip"),
    "a number of 5 000 digits": (lambda: ours(x=1).replace(b'"x": 1', b'"x": ' + b"9" * 5000), "neither JSON nor"),
    "two values": (lambda: ours() + ours(), "neither JSON nor a zip"),
    "a name twice": (lambda: ours().replace(b'"title"', b'"format"'), "twice in one place"),
    "no chats": (lambda: b'[{"a": 1}, 2, "three", null]', "No chats were found"),
    "an empty list": (lambda: b"[]", "No chats were found"),
    "one number": (lambda: b"7", "neither JSON nor a zip"),
    "too deep": (lambda: nested(reading.MOST_LEVELS), "nested too deeply"),
    "a newer version": (lambda: ours(version=2), "newer Voichat"),
    "a title that is none": (lambda: ours(title=["x"]), "“title” is no text"),
    "messages that are none": (lambda: ours(messages="hi"), "“messages” is no list"),
    "a message that is none": (lambda: ours(messages=["hi"]), "“messages” holds something else"),
    "a role that is none": (lambda: ours(turn(0, None, "system")), "of no kind"),
    "a state that is none": (lambda: ours(turn(0, None, "user", status="forged")), "of no kind"),
    "a text that is none": (lambda: ours(turn(0, None, "user", text={"$ne": 1})), "“text” is no text"),
    "tokens that are none": (lambda: ours(turn(0, None, "user", prompt_tokens=-1)), "“prompt_tokens” is no count"),
    "two messages of one id": (lambda: ours(turn(0, None, "user"), turn(0, None, "user")), "two messages have one id"),
    "an id that is ours to make": (
        lambda: ours(turn(0, None, "assistant", id="a"), turn(1, None, "user", id="a before")),
        "two messages have one id",
    ),
    "a circle": (lambda: ours(turn(0, 1, "user"), turn(1, 0, "assistant")), "in a circle"),
    "its own parent": (lambda: ours(turn(0, 0, "user")), "in a circle"),
    "a time before all": (lambda: ours(turn(0, None, "user", created_at=-1.0)), "a time that cannot be"),
    "a time to come": (lambda: ours(created_at=4e9), "a time that cannot be"),
    "a time that is none": (lambda: ours(created_at="yesterday"), "“created_at” is no time"),
    "a time that is true": (lambda: ours(created_at=True), "“created_at” is no time"),
    "a broken one behind a good one": (lambda: b"[" + ours() + b"," + ours(title=1) + b"]", "Its entry 2 is broken"),
    "a zip of nothing": (lambda: zipped({}), "No chats were found"),
    "a zip that is cut": (lambda: zipped({"a.json": ours()})[:-30], "The zip is broken"),
    "a zip whose content is broken": (damaged, "The zip is broken"),
    "a zip bomb": (lambda: bomb(6_000_000), "more than 5 MB"),
    "an encrypted zip": (encrypted, "encrypted"),
    "a name that leads out": (lambda: zipped({"../../etc/passwd": b"", "a.json": ours()}), "leads out"),
    "an absolute name": (lambda: zipped({"/etc/passwd": b"", "a.json": ours()}), "leads out"),
    "a name with backslashes": (lambda: zipped({"..\\..\\x.json": ours()}), "leads out"),
    "two files of one name": (named_twice, "two files of one name"),
    "a list of files without end": (
        lambda: zipped({"a.json": ours()})[:-10] + b"\xff\xff\xff\x7f" + b"\0" * 6,
        "too many",
    ),
}


@pytest.mark.parametrize("settings", [{"VOICHAT_IMPORT_MB": "1"}])
@pytest.mark.parametrize("file", HOSTILE)
def test_a_broken_or_hostile_file_is_refused_whole_with_a_sentence(
    alice: Person, database: Database, file: str
) -> None:
    make, sentence = HOSTILE[file]
    answer = send_file(alice, make())
    assert answer.status_code == 400
    assert sentence in answer.text
    assert "Nothing was taken of this file." in answer.text
    assert (count(database, conversations), count(database, messages)) == (0, 0)


@pytest.mark.parametrize("file", HOSTILE)
def test_why_a_file_is_refused_can_be_said_in_another_language(tmp_path: Path, file: str) -> None:
    make, _ = HOSTILE[file]
    with pytest.raises(Refused) as caught:
        taking.check(BytesIO(make()), tmp_path, 5_000_000)
    why = str(caught.value)
    assert isinstance(why, Sentence)
    assert isinstance(why.values.get("why", why), Sentence)


def test_a_text_that_the_parser_would_hold_in_memory_is_refused_before_its_end(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TEXT_BYTES", 1_000_000)
    assert "a text of more than 1 MB" in send_file(alice, zipped({"a.json": b'["' + b"x" * 3_000_000})).text


@pytest.mark.parametrize("settings", [{"VOICHAT_IMPORT_MB": "1"}])
def test_a_file_over_the_limit_is_not_read_and_the_limit_is_named(alice: Person, database: Database) -> None:
    answer = send_file(alice, ours(padding="x" * 2_000_000))
    assert answer.status_code == 413
    assert "at most 1 MB are taken" in answer.text
    assert count(database, conversations) == 0


def test_a_file_larger_than_a_message_may_be_is_taken(alice: Person) -> None:
    assert "1 chat was taken" in send_file(alice, ours(padding="x" * 3_000_000)).text


def test_a_chat_that_is_too_large_is_left_out_and_the_others_are_taken(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RECORD_BYTES", 20_000)
    report = send_file(alice, b"[" + ours(padding="x" * 30_000) + b"," + ours() + b"]").text
    assert "1 chat was taken" in report
    assert "1 × chats that are too large" in report


@pytest.mark.parametrize("settings", [{"VOICHAT_RETENTION_DAYS": "30"}])
def test_what_the_server_would_delete_for_its_age_is_left_out(alice: Person) -> None:
    report = send_file(alice, b"[" + ours() + b"," + ours(updated_at=time() - 29 * 86400) + b"]").text
    assert "1 chat was taken" in report
    assert "1 × chats whose last message is older than 30 days" in report


@pytest.mark.parametrize("settings", [{"VOICHAT_IMPORT_MB": "1"}])
def test_a_person_fills_no_disk(alice: Person, bob: Person) -> None:
    def chat(number: int) -> bytes:
        return ours(turn(0, None, "user", text=f"{number}" + "x" * 900_000), turn(1, 0, "assistant"))

    answers = [send_file(alice, chat(number)) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "You have reached the limit of 5 MB to import a day. You can send again at" in answers[5].text
    assert send_file(bob, chat(0)).status_code == 200


@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_OWNER": "2/day"}])
def test_an_import_counts_as_a_message_also_one_that_is_refused(alice: Person) -> None:
    alice.send("Hi")
    assert send_file(alice, b"broken").status_code == 400
    assert send_file(alice, ours()).status_code == 429


def test_without_a_file_the_page_says_what_to_do(alice: Person) -> None:
    answer = alice.post("/import")
    assert answer.status_code == 400
    assert "Choose a file first." in answer.text


def test_pictures_are_in_the_archive(alice: Person, app: Flask) -> None:
    chat, house = alice.send("Look"), app.extensions["voichat"]
    alice.get(chat).get_data()
    question, picture = Page(alice.get(chat)).articles[0].id, Picture("cat.png", "image/png", b"pixels", 3, 2)
    with attachments.kept(house.database, house.files, [picture]), house.database.write() as connection:
        attachments.add(connection, "", Sent(chat.rpartition("/")[2], question), [picture])
    file = alice.get("/take-along.zip").data
    with ZipFile(BytesIO(file)) as archive:
        assert archive.read(f"files/{picture.id}.png") == b"pixels"
    [told] = exported(alice)
    assert told["pictures"] == [{"message_id": question, "name": "cat.png", "file": f"files/{picture.id}.png"}]
