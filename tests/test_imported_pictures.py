"""The pictures of a zip come in with its chats: what is none, too much or not there is left out, and said."""

import re
from collections.abc import Callable
from io import BytesIO
from itertools import count as counting
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from PIL import Image

from tests.support.databases import count, rows
from tests.support.files import exported, ours, send_file, turn, zipped
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.pictures import png
from webapp.chats import pictures
from webapp.chats.files import Files, Unwritable
from webapp.chats.imports import pictured, taking
from webapp.chats.pictures import Busy
from webapp.db import Database, attachments, conversations

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CAT, DOG = png(), png(5, 4)


def of(number: int, file: str, name: str = "cat.png") -> dict[str, str]:
    """As a chat says that a picture is its message's."""
    return {"message_id": f"{number:032x}", "name": name, "file": file}


def album(*pictures: dict[str, str], **more: Any) -> bytes:
    return ours(pictures=pictures, **more)


def packed(chat: bytes, **files: bytes) -> bytes:
    return zipped({"chats/A chat.json": chat} | {f"files/{name}.png": content for name, content in files.items()})


def shown_files(person: Person) -> list[str]:
    """The pictures of all chats, as their pages show them."""
    chats = {link for link in Page(person.get("/chats")).links if re.fullmatch("/chats/[0-9a-f]{32}", link)}
    return [address for chat in chats for address in re.findall(r'<img src="([^"]*)"', person.get(chat).text)]


def content(person: Person, address: str) -> bytes:
    with person.get(address) as answer:
        assert answer.status_code == 200
        return bytes(answer.data)


def on_disk(tmp_path: Path) -> list[str]:
    folder = tmp_path / "data" / "attachments"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def left_out(report: str) -> list[str]:
    return [" ".join(found.split()) for found in re.findall(r"<li>\s+(\d+ ×[^<]*?)(?::\s+“|\s+</li>)", report)]


# What is taken


def test_what_one_takes_along_another_has_with_its_pictures_in_their_order(
    alice: Person, bob: Person, mallory: Person, tmp_path: Path
) -> None:
    chat = album(of(0, "files/dog.png", "dog.png"), of(0, "files/cat.png", "../кот.png"), of(2, "files/dog.png"))
    said = [turn(0, None, "user"), turn(1, 0, "assistant"), turn(2, 1, "user"), turn(3, 2, "assistant")]
    file = packed(chat.replace(ours()[:-1], ours(*said)[:-1]), cat=CAT, dog=DOG)
    report = send_file(alice, file).text
    assert "Pictures taken: 3" in report
    assert "Left out" not in report
    send_file(bob, alice.get("/take-along.zip").data)
    for person in (alice, bob):
        assert [content(person, address) for address in shown_files(person)] == [DOG, CAT, DOG]
        assert [picture["name"] for picture in exported(person)[0]["pictures"]] == ["dog.png", "cat.png", "кот.png"]
    assert len(on_disk(tmp_path)) == 6
    mallory.send("I have a session")
    assert {mallory.get(address).status_code for person in (alice, bob) for address in shown_files(person)} == {404}


@ON_ONE_DATABASE
def test_a_picture_is_written_anew_as_one_that_is_sent(alice: Person) -> None:
    file, exif = BytesIO(), Image.Exif()
    exif[0x010F] = "A camera's maker"
    Image.new("RGB", (3000, 20)).save(file, "JPEG", exif=exif)
    send_file(alice, packed(album(of(0, "files/photo.png")), photo=file.getvalue() + b"<script>"))
    [address] = shown_files(alice)
    with alice.get(address) as answer:
        assert answer.content_type == "image/jpeg"
        assert b"camera" not in answer.data
        assert b"<script>" not in answer.data
        assert Image.open(BytesIO(answer.data)).width == pictures.LONGEST_SIDE


def test_a_chat_that_is_here_already_is_not_given_pictures(
    alice: Person, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = album(of(0, "files/cat.png"))
    report = send_file(alice, chat).text
    assert "1 chat was taken" in report
    assert left_out(report) == ["1 × pictures, which are in the zip only"]
    monkeypatch.setattr(pictures, "picture", None)  # nor are they read
    report = send_file(alice, packed(chat, cat=CAT)).text
    assert "Nothing new in this file" in report
    assert "Chats already here: 1" in report
    assert (count(database, conversations), count(database, attachments), on_disk(tmp_path)) == (1, 0, [])


def test_the_same_zip_again_and_its_json_alone_find_the_chat_here(alice: Person, database: Database) -> None:
    chat = album(of(0, "files/cat.png"))
    send_file(alice, packed(chat, cat=CAT))
    for again in (packed(chat, cat=CAT), chat, ours(), alice.get("/take-along.zip").data):
        assert "Nothing new in this file" in send_file(alice, again).text
    assert (count(database, conversations), count(database, attachments)) == (1, 1)


@ON_ONE_DATABASE
def test_a_chat_that_was_deleted_comes_with_its_pictures_again(alice: Person) -> None:
    file = packed(album(of(0, "files/cat.png")), cat=CAT)
    for _ in range(2):
        send_file(alice, file)
        assert [content(alice, address) for address in shown_files(alice)] == [CAT]
        alice.post("/forget", chats="on")


# What is left out


def bomb() -> bytes:
    """A picture of 2.5 million times 1,000 pixels, as its head says."""
    whole = bytearray(CAT)
    whole[16:24] = (2_500_000).to_bytes(4) + (1000).to_bytes(4)
    return bytes(whole)


LEFT_OUT: dict[str, tuple[list[dict[str, str]], str]] = {
    "no such file": ([of(0, "files/cow.png")], pictured.MISSING),
    "no name": ([of(0, "")], pictured.MISSING),
    "a name that leads out": ([of(0, "../../../etc/passwd")], pictured.MISSING),
    "a name that leads in again": ([of(0, "files/../files/cat.png")], pictured.MISSING),
    "an absolute name": ([of(0, "/etc/passwd")], pictured.MISSING),
    "the chat itself": ([of(0, "chats/A chat.json")], pictured.BROKEN),
    "a cut picture": ([of(0, "files/cut.png")], pictured.BROKEN),
    "nothing": ([of(0, "files/nothing.png")], pictured.BROKEN),
    "a drawing with a script": ([of(0, "files/svg.png")], pictured.BROKEN),
    "a bomb": ([of(0, "files/bomb.png")], pictured.BROKEN),
    "a broken file": ([of(0, "files/broken.png")], pictured.BROKEN),
    "a large file": ([of(0, "files/large.png")], pictured.TOO_LARGE),
    "of a reply": ([of(1, "files/cat.png")], pictured.NO_QUESTION),
    "of nothing": ([of(7, "files/cat.png")], pictured.NO_QUESTION),
    "one too many": ([of(0, "files/cat.png")] * 10, pictured.TOO_MANY),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_picture_that_cannot_be_taken_is_left_out_and_said_and_all_else_is_taken(
    alice: Person, tmp_path: Path, case: str
) -> None:
    wrong, why = LEFT_OUT[case]
    odd = {"cut": CAT[:40], "nothing": b"", "svg": b"<svg onload=alert(1)>", "bomb": bomb(), "large": b"x" * 10_000_001}
    file = packed(album(of(0, "files/cat.png"), *wrong), cat=CAT, broken=b"broken " * 9, **odd)
    with ZipFile(BytesIO(file)) as archive:
        place = archive.getinfo("files/broken.png").header_offset + len("files/broken.png") + 34
    report = send_file(alice, file[:place] + b"\xff" + file[place + 1 :]).text
    taken = min(len(wrong), 10) if why == pictured.TOO_MANY else 1
    assert f"Pictures taken: {taken}" in report
    assert left_out(report) == [f"1 × {why}"]
    assert "“<bdi>A chat</bdi>”" in report
    assert len(shown_files(alice)) == len(on_disk(tmp_path)) == taken


@ON_ONE_DATABASE
@pytest.mark.parametrize("pictures", ["cat", [1], {"file": "x"}, [of(0, "x") | {"name": 1}]])
def test_pictures_that_are_said_wrongly_are_a_broken_file(alice: Person, database: Database, pictures: object) -> None:
    assert send_file(alice, zipped({"a.json": ours(pictures=pictures)})).status_code == 400
    assert count(database, conversations) == 0


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_ATTACHMENT_MB": "0"}])
def test_where_files_are_switched_off_chats_come_without_pictures(alice: Person) -> None:
    report = send_file(alice, packed(album(of(0, "files/cat.png")), cat=CAT)).text
    assert "1 chat was taken" in report
    assert left_out(report) == ["1 × pictures, which this server does not take"]


@pytest.mark.parametrize("room", ["none", "none left by another import"])
def test_where_pictures_find_no_room_their_chat_is_taken_without(
    alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    monkeypatch.setattr("webapp.chats.attachments.MEGABYTE", len(CAT) / 1000)
    if room != "none":
        monkeypatch.setattr("webapp.chats.attachments.room", lambda *_: 1 << 60)
    two = album(of(0, "files/cat.png"), of(0, "files/dog.png"), title="Two")
    one = album(of(0, "files/cat.png"), title="One")
    report = send_file(alice, zipped({"1.json": two, "2.json": one, "files/cat.png": CAT, "files/dog.png": DOG})).text
    assert "2 chats were taken" in report
    assert "Pictures taken: 1" in report
    assert left_out(report) == ["2 × pictures, for which there is no room in the 1,000 MB that one person may keep"]
    assert len(on_disk(tmp_path)) == len(shown_files(alice)) == 1


# What costs too much


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_IMPORT_MB": "1"}])
def test_a_picture_counts_each_time_that_it_is_named(alice: Person, database: Database) -> None:
    said = [turn(number, number - 1 if number else None, ("user", "assistant")[number % 2]) for number in range(12)]
    chat = ours(*said, pictures=[of(number, "files/same.png") for number in range(0, 12, 2)])
    answer = send_file(alice, packed(chat, same=b"x" * 900_000))
    assert answer.status_code == 400
    assert "It holds more than 5 MB, which is the most that is read" in answer.text
    assert count(database, conversations) == 0


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_IMPORT_MB": "1"}])
def test_pictures_count_into_what_a_person_may_import_a_day(alice: Person) -> None:
    file = packed(album(of(0, "files/cat.png")), cat=CAT + b"x" * 900_000)
    assert [send_file(alice, file).status_code for _ in range(6)] == [200] * 5 + [429]


def clock(step: float) -> Callable[[], float]:
    """One that goes on only while it is read."""
    times = counting()
    return lambda: next(times) * step


@ON_ONE_DATABASE
def test_pictures_of_a_chat_that_take_too_long_are_left_out(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictured, "monotonic", clock(pictured.SECONDS * 0.4))
    report = send_file(alice, packed(album(*[of(0, "files/cat.png")] * 4), cat=CAT)).text
    assert "Pictures taken: 2" in report
    assert left_out(report) == ["2 × pictures beyond those that can be read in 120 seconds"]


@ON_ONE_DATABASE
def test_chats_whose_pictures_take_too_long_come_with_the_same_import_again(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "monotonic", clock(pictured.SECONDS * 0.6))
    chats = {f"{number}.json": album(of(0, "files/cat.png"), title=f"Chat {number}") for number in range(3)}
    file = zipped({"files/cat.png": CAT, "words.json": ours()} | chats)
    report = send_file(alice, file).text
    assert "3 chats were taken" in report
    assert left_out(report) == [f"1 × {taking.LATER}"]
    assert "“<bdi>Chat 2</bdi>”" in report
    report = send_file(alice, file).text
    assert "1 chat was taken" in report
    assert "Chats already here: 3" in report
    assert len(shown_files(alice)) == 3


@ON_ONE_DATABASE
def test_an_import_waits_for_pictures_that_others_send(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, picture = counting(), pictures.picture

    def busy_at_first(name: str, content: bytes) -> object:
        if next(calls) < 2:
            raise Busy
        return picture(name, content)

    monkeypatch.setattr(pictures, "picture", busy_at_first)
    send_file(alice, packed(album(of(0, "files/cat.png")), cat=CAT))
    assert [content(alice, address) for address in shown_files(alice)] == [CAT]


def test_a_disk_that_fills_up_leaves_no_half_chat_and_the_same_import_again_brings_the_rest(
    alice: Person, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, put = counting(), Files.put

    def full_at_the_second(files: Files, name: str, content: bytes) -> None:
        if next(calls):
            raise Unwritable("its disk is nearly full")
        put(files, name, content)

    file = zipped(
        {"1.json": ours(), "2.json": album(*[of(0, "files/cat.png")] * 2, title="Cats"), "files/cat.png": CAT}
    )
    with monkeypatch.context() as patched:
        patched.setattr(Files, "put", full_at_the_second)
        answer = send_file(alice, file)
    assert answer.status_code == 503
    assert "its disk is nearly full. Tell its admin. What was taken is here" in answer.text
    assert [row["title"] for row in rows(database, conversations)] == ["A chat"]
    assert on_disk(tmp_path) == []
    report = send_file(alice, file).text
    assert "1 chat was taken" in report
    assert "Chats already here: 1" in report
    assert len(shown_files(alice)) == len(on_disk(tmp_path)) == 2
