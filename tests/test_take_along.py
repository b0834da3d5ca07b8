"""Taking along with a real server: without JavaScript, through kills, and with files larger than memory likes."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from threading import Thread
from zipfile import ZipFile

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support.databases import count, postgresql_is_long, rows
from tests.support.files import DATA, FORM, form, ours, product, turn, zipped
from tests.support.people import submit_id
from tests.support.pictures import png
from tests.support.servers import Voichat, wait_until
from tests.support.visitors import Answer, Visitor
from webapp.chats import archive
from webapp.chats.files import Files
from webapp.chats.imports import taking
from webapp.db import Database, conversations, messages, submissions

Serve = Callable[..., Voichat]
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OWNER = "0" * 32
MEGABYTE = 1_000_000


def chats(number: int) -> bytes:
    """Chats of ten messages, each one other than the others."""

    def one(chat: int) -> bytes:
        sides = ("user", "assistant") * 5
        said = (turn(n, n - 1 if n else None, side, text=f"{chat}: {n}") for n, side in enumerate(sides))
        return ours(*said, title=f"Chat {chat}")

    return b"[" + b",".join(map(one, range(number))) + b"]"


def send_file(visitor: Visitor, content: bytes) -> Answer:
    """Choose it on the page, and press Import."""
    body = form(submit_id(visitor.get("/take-along").text), content)
    return visitor.post_body("/import", body, FORM)


def memory() -> int:
    """The most that this process has taken so far, in bytes."""
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


@postgresql_is_long
def test_a_kill_in_the_middle_is_mended_by_the_same_file_again(voichat: Voichat, database: Database) -> None:
    alice, file = Visitor(voichat), chats(300)
    alice.send("The one that was there")

    def send() -> None:
        with suppress(HTTPException, OSError):
            send_file(alice, file)

    sending = Thread(target=send)
    sending.start()
    wait_until(lambda: count(database, conversations) > 10)
    voichat.kill()
    sending.join()
    assert 10 < count(database, conversations) < 301

    voichat.start()
    there = count(database, conversations) - 1
    report = send_file(alice, file).text
    assert f"{300 - there} chats were taken" in report
    assert f"Chats already here: {there}" in report
    titles = [row["title"] for row in rows(database, conversations)]
    assert sorted(titles) == sorted([*(f"Chat {chat}" for chat in range(300)), "The one that was there"])
    of_each = [row["conversation_id"] for row in rows(database, messages)]
    assert sorted({of_each.count(row["id"]) for row in rows(database, conversations)}) == [2, 10]


@postgresql_is_long
def test_others_send_while_chats_are_added(voichat: Voichat, database: Database) -> None:
    alice, bob = Visitor(voichat), Visitor(voichat)
    sending = Thread(target=send_file, args=(alice, chats(600)))
    sending.start()
    wait_until(lambda: count(database, conversations) > 10)
    waits = []
    for number in range(10):
        began = time.monotonic()
        bob.send(f"Meanwhile {number}")
        waits.append(time.monotonic() - began)
    is_over = not sending.is_alive()
    sending.join()
    assert not is_over
    assert max(waits) < 5.0


@pytest.mark.browser
@on_sqlite
def test_without_javascript_all_is_taken_along_and_brought_to_another_browser(
    chromium: Browser, voichat: Voichat, tmp_path: Path
) -> None:
    cat = ours(title="A cat", pictures=[{"message_id": turn(0, None, "")["id"], "name": "cat.png", "file": "cat.png"}])
    (tmp_path / "cat.zip").write_bytes(zipped({"a.json": cat, "cat.png": png(30, 20)}))
    with chromium.new_context(java_script_enabled=False) as alices:
        page = alices.new_page()
        page.goto(f"{voichat.url}/take-along")
        page.get_by_label("File").set_input_files(DATA / "chatgpt-conversations.json")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("1 chat was taken")
        expect(page.get_by_text("chats without messages")).to_be_visible()
        page.goto(f"{voichat.url}/take-along")
        page.get_by_label("File").set_input_files(tmp_path / "cat.zip")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_text("Pictures taken: 1")).to_be_visible()
        page.get_by_role("link", name="To the chats").click()
        page.get_by_role("link", name="Sourdough").click()
        expect(page.get_by_text("Yes: it floats.")).to_be_visible()
        page.get_by_role("link", name="Markdown", exact=True).nth(1).click()
        assert page.locator("pre").inner_text() == "About **25 °C**."
        page.goto(f"{voichat.url}/take-along")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download everything").click()
        download.value.save_as(tmp_path / "all.zip")

    with chromium.new_context(java_script_enabled=False) as bobs:
        page = bobs.new_page()
        page.goto(f"{voichat.url}/take-along")
        page.get_by_label("File").set_input_files(tmp_path / "all.zip")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("2 chats were taken")
        page.get_by_role("link", name="To the chats").click()
        page.get_by_role("link", name="A cat").click()
        shown = page.get_by_role("img", name="cat.png")
        expect(shown).to_be_visible()
        assert shown.evaluate("image => image.naturalWidth") == 30
        page.goto(f"{voichat.url}/take-along")
        page.get_by_label("File").set_input_files(__file__)
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was taken of this file.")


@pytest.mark.browser
@on_sqlite
def test_on_paper_a_chat_is_its_words_alone(chromium: Browser, voichat: Voichat) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{voichat.url}/take-along")
        page.get_by_label("File").set_input_files(DATA / "chatgpt-conversations.json")
        page.get_by_role("button", name="Import").click()
        page.get_by_role("link", name="To the chats").click()
        page.get_by_role("link", name="Sourdough").click()
        page.emulate_media(media="print")
        for words in ("How warm does a sourdough want it?", "Yes: it floats."):
            expect(page.get_by_text(words)).to_be_visible()
        for furniture in (".bar", "#composer", "menu.tools", ".reasoning", "details.menu", ".again"):
            assert [part for part in page.locator(furniture).all() if part.is_visible()] == []


@pytest.mark.parametrize("size", [4, pytest.param(100, marks=pytest.mark.long)])
@on_sqlite
def test_a_file_is_never_held_in_memory_as_a_whole(database: Database, tmp_path: Path, size: int) -> None:
    [sourdough, _] = json.loads(product("chatgpt-conversations.json"))
    path = tmp_path / "conversations.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(size * MEGABYTE // 5_000):
            file.write(("," if number else "") + json.dumps(sourdough | {"title": f"Chat {number}"}))
        file.write("]")
    assert path.stat().st_size > size * MEGABYTE
    before = memory()
    with path.open("rb") as source:
        checked = taking.check(source, tmp_path, 10**10)
    report = taking.take(database, Files(tmp_path / "files"), OWNER, checked)
    checked.close()
    assert memory() - before < 30 * MEGABYTE
    assert report.chats == size * MEGABYTE // 5_000

    before = memory()
    assert max(map(len, archive.pieces(database, Files(tmp_path / "files"), OWNER))) < MEGABYTE + 100 * report.chats
    assert memory() - before < 10 * MEGABYTE + 2_000 * report.chats  # a zip ends with the list of its files


@pytest.mark.long
@on_sqlite
def test_pictures_are_held_in_memory_one_at_a_time(database: Database, tmp_path: Path) -> None:
    photograph = BytesIO()
    Image.effect_noise((512, 384), 60).resize((2048, 1536)).convert("RGB").save(photograph, "JPEG", quality=88)
    said = [turn(n, n - 1 if n else None, ("user", "assistant")[n % 2]) for n in range(50)]
    pictures = [{"message_id": said[n // 10 * 2]["id"], "name": "a", "file": f"{n}.jpg"} for n in range(250)]
    with ZipFile(tmp_path / "all.zip", "w") as whole:
        whole.writestr("a.json", ours(*said, pictures=pictures))
        for picture in pictures:
            whole.writestr(picture["file"], photograph.getvalue())
    assert (tmp_path / "all.zip").stat().st_size > 200 * MEGABYTE
    before = memory()
    with (tmp_path / "all.zip").open("rb") as source:
        checked = taking.check(source, tmp_path, 10**9)
        report = taking.take(database, Files(tmp_path / "files"), OWNER, checked)
    checked.close()
    assert report.pictures == 250
    assert memory() - before < 100 * MEGABYTE


@on_sqlite
def test_what_stands_in_a_table_of_what_was_sent_says_nothing_of_it(database: Database, tmp_path: Path) -> None:
    checked = taking.check(BytesIO(ours()), tmp_path, MEGABYTE)
    taking.take(database, Files(tmp_path / "files"), OWNER, checked)
    checked.close()
    assert [len(row["key"]) for row in rows(database, submissions)] == [64]


@on_sqlite
def test_the_archive_is_a_zip_that_others_open(database: Database, tmp_path: Path) -> None:
    checked = taking.check(BytesIO(chats(30)), tmp_path, MEGABYTE)
    taking.take(database, Files(tmp_path / "files"), OWNER, checked)
    checked.close()
    with ZipFile(BytesIO(b"".join(archive.pieces(database, Files(tmp_path / "files"), OWNER)))) as whole:
        assert whole.testzip() is None
        assert len([name for name in whole.namelist() if name.startswith("chats/Chat ")]) == 30
