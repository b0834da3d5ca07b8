"""Alice sends a file and a picture in Chromium, with JavaScript off; and a kill at the worst moment leaves nothing."""

import re
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.providers.upstream import Upstream, openai
from tests.support.databases import postgresql_is_long, rows
from tests.support.pictures import png
from tests.support.servers import Voichat
from tests.support.talk import speaks
from tests.support.visitors import Visitor
from webapp.chats import attachments
from webapp.chats.files import Files
from webapp.db import Database, messages
from webapp.db import attachments as table

pytestmark = pytest.mark.browser

KILLING = "tests.support.kills:app"


@pytest.fixture
def eyes() -> Iterator[Upstream]:
    with Upstream(openai("A red picture.")) as server:
        yield server


@pytest.fixture
def settings(eyes: Upstream) -> dict[str, str]:
    return speaks(eyes)


@pytest.fixture
def alice(chromium: Browser, voichat: Voichat) -> Iterator[Page]:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(voichat.url)
        yield page


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    page.get_by_text("Attach files").click()
    chosen = [FilePayload(name=name, mimeType="application/octet-stream", buffer=content) for name, content in files]
    page.get_by_label("Files").set_input_files(chosen)


@postgresql_is_long
def test_alice_sends_a_text_and_a_picture_and_is_told_what_is_not_taken(alice: Page, eyes: Upstream) -> None:
    alice.get_by_label("Message", exact=True).fill("What are these?")
    choose(alice, ("cat.png", png(300, 200)), ("notes.md", b"# Notes\n"), ("report.pdf", b"%PDF-1.7"))
    alice.get_by_role("button", name="Send").click()
    expect(alice.get_by_role("heading", name="“report.pdf” is neither text nor such a picture")).to_be_visible()
    expect(alice.get_by_text("Choose the files again")).to_contain_text("cat.png, notes.md, report.pdf")
    expect(alice.get_by_label("Message", exact=True)).to_have_value("What are these?")
    alice.get_by_label("Files").set_input_files(
        [
            FilePayload(name="cat.png", mimeType="text/html", buffer=png(300, 200)),
            FilePayload(name="notes.md", mimeType="image/png", buffer=b"# Notes\n"),
        ]
    )
    alice.get_by_role("button", name="Send").click()
    expect(alice.locator('article[data-role="assistant"]')).to_contain_text("A red picture.")
    expect(alice.locator('article[data-role="user"] pre')).to_contain_text("# Notes")
    picture = alice.get_by_role("img", name="cat.png")
    assert picture.bounding_box() is not None
    picture.click()
    expect(alice).to_have_url(re.compile(r"/chats/[0-9a-f]{32}/messages/[0-9a-f]{32}/files/[0-9a-f]{32}$"))
    assert eyes.asked_for("POST")[-1].json["messages"][0]["content"][1]["type"] == "image_url"


def test_a_kill_between_the_file_and_the_commit_leaves_a_file_that_is_swept_and_loses_nothing(
    serve: Callable[..., Voichat], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kills").mkdir()
    (tmp_path / "kills" / "before the commit").touch()
    voichat = serve(app=KILLING, KILLS=str(tmp_path / "kills"))
    folder = tmp_path / "data" / "attachments"
    alice, form = Visitor(voichat), {"message": "Look", "submit_id": "the same"}
    with pytest.raises((OSError, HTTPException)):
        alice.attach("/chats", form, ("cat.png", png()))
    assert (rows(database, messages), len(list(folder.iterdir()))) == ([], 1)

    assert alice.attach("/chats", form, ("cat.png", png())).status == 303
    monkeypatch.setattr(attachments, "UNUSED_SECONDS", -60.0)
    attachments.sweep(database, Files(folder))
    assert {path.name for path in folder.iterdir()} == {row["id"] for row in rows(database, table)}
    assert len(rows(database, messages)) == 2
