"""Files that come with a message: what is taken, what is said of the rest, and what the model is sent."""

import re
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import application
from tests.providers.upstream import Upstream, openai, reply_json
from tests.support.databases import rows
from tests.support.pages import Page
from tests.support.people import Person, submit_id
from tests.support.pictures import attach, png
from tests.support.talk import speaks
from webapp.chats import showing, textfiles
from webapp.db import Database, attachments, messages

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CAT = ("cat.png", png())
REFUSES = reply_json({"error": {"message": "this model does not support image input"}}, 400)


@pytest.fixture
def eyes() -> Iterator[Upstream]:
    """A server of whose models nobody says whether they take pictures."""
    with Upstream(openai("A cat.", models=("small", "large"))) as server:
        yield server


@pytest.fixture
def environment(environment: dict[str, str], eyes: Upstream, settings: dict[str, str]) -> dict[str, str]:
    return environment | speaks(eyes) | settings


def question(person: Person) -> str:
    """The stored words of the last question."""
    with person.app.extensions["voichat"].database.read() as connection:
        asked = messages.select().where(messages.c.role == "user").order_by(messages.c.created_at.desc())
        return str(connection.execute(asked).mappings().first()["text"])


def told(server: Upstream) -> list[Any]:
    """The content of the messages that it was sent last."""
    return [message["content"] for message in server.asked_for("POST")[-1].json["messages"]]


def answered(person: Person, chat: str) -> str:
    return Page(person.get(chat)).articles[-1].text


def content(person: Person, address: str) -> bytes:
    with person.get(address) as answer:
        return bytes(answer.data)


def shown_files(person: Person, chat: str) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', person.get(chat).text)


# Text


def test_a_text_file_becomes_a_block_under_its_name(alice: Person, eyes: Upstream) -> None:
    sent = attach(alice, ("add.py", b"def add(a, b):\r\n    return a + b\r\n"), message="Explain this")
    assert sent.status_code == 303
    words = "Explain this\n\n`add.py`:\n\n```python\ndef add(a, b):\n    return a + b\n```"
    page = alice.get(sent.headers["Location"]).text
    assert question(alice) == words
    assert 'data-language="python"' in page
    assert told(eyes) == [words]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Ж\n".encode(), "Ж\n"),
        ("\ufeffЖ".encode(), "Ж"),
        ("Ж".encode("utf-16"), "Ж"),
        (b"\xfe\xff" + "Ж".encode("utf-16-be"), "Ж"),
        (b"\x1b[31mred\x1b[0m\f", "\x1b[31mred\x1b[0m\f"),
        (b"<svg onload=alert(1)>", "<svg onload=alert(1)>"),
    ],
)
def test_text_is_known_by_its_content(content: bytes, words: str) -> None:
    assert textfiles.text(content) == words


@pytest.mark.parametrize(
    "content", [b"%PDF-1.4 text", b"\0", b"a\x01b", b"\xff", "é".encode("latin-1"), b"PK\x03\x04", b"\xff\xfe\0"]
)
def test_what_is_no_text_is_known_by_its_content(content: bytes) -> None:
    assert textfiles.text(content) is None


def test_no_file_gets_out_of_its_block() -> None:
    assert textfiles.block("a`b.md", "```\n````\nout") == "`a'b.md`:\n\n`````markdown\n```\n````\nout\n`````"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\nb\0c.txt", "a b\ufffdc.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("  ", "file"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_name_is_shown_on_one_line_and_leads_nowhere(name: str, safe: str) -> None:
    assert textfiles.safe_name(name) == safe


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_MESSAGE_CHARACTERS": "50"}])
def test_a_text_file_counts_into_the_message_and_the_words_are_kept(alice: Person) -> None:
    answer = attach(alice, ("long.txt", b"x" * 50), message="My words")
    assert answer.status_code == 413
    assert "The message with “long.txt” has 81 characters; at most 50 are taken." in Page(answer).title
    assert Page(answer).words == "My words"
    assert "Choose the files again" in answer.text
    assert "long.txt" in answer.text


# Pictures


def test_a_picture_stands_in_its_message_and_the_model_is_sent_it(alice: Person, eyes: Upstream) -> None:
    chat = attach(alice, CAT, message="What is this?").headers["Location"]
    page = alice.get(chat).text
    [address] = shown_files(alice, chat)
    assert f'<img src="{address}" alt="cat.png" width="3" height="2">' in page
    [[words, image]] = told(eyes)
    assert words == {"type": "text", "text": "What is this?"}
    kind, _, data = image["image_url"]["url"].partition(";base64,")
    assert (kind, b64decode(data)) == ("data:image/png", content(alice, address))


def test_the_next_question_brings_the_picture_along(alice: Person, eyes: Upstream) -> None:
    chat = attach(alice, CAT).headers["Location"]
    answered(alice, chat)
    answered(alice, alice.send("And its colour?", chat))
    first, *others = told(eyes)
    assert [part["type"] for part in first] == ["text", "image_url"]
    assert others == ["A cat.", "And its colour?"]


@ON_ONE_DATABASE
def test_a_picture_is_served_as_what_it_is_and_can_do_nothing(alice: Person) -> None:
    chat = attach(alice, ("кот &;.html", png())).headers["Location"]
    [address] = shown_files(alice, chat)
    with alice.get(address) as answer:
        assert answer.headers["Content-Length"] == str(len(answer.data))
    assert answer.content_type == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''%D0%BA%D0%BE%D1%82%20%26%3B.html"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


@ON_ONE_DATABASE
def test_a_picture_whose_file_is_lost_is_not_there_and_the_chat_goes_on(alice: Person, tmp_path: Path) -> None:
    chat = attach(alice, CAT).headers["Location"]
    for path in (tmp_path / "data" / "attachments").iterdir():
        path.unlink()
    [address] = shown_files(alice, chat)
    assert alice.get(address).status_code == 404
    assert "A cat." in answered(alice, chat)
    assert showing.not_all(0) in answered(alice, chat)


def test_a_double_click_is_one_message_with_one_file(alice: Person, database: Database, tmp_path: Path) -> None:
    form = {"submit_id": submit_id(alice.get("/").text)}
    first, second = (attach(alice, CAT, **form) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert len(rows(database, attachments)) == len(list((tmp_path / "data" / "attachments").iterdir())) == 1


@ON_ONE_DATABASE
def test_of_many_pictures_the_newest_are_sent_and_the_page_says_so(
    alice: Person, eyes: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "MOST_PICTURES", 1)
    chat = attach(alice, CAT, ("dog.png", png(5, 5))).headers["Location"]
    assert showing.not_all(1) in answered(alice, chat)
    [[_, image]] = told(eyes)
    assert b64decode(image["image_url"]["url"].partition(",")[2]) == content(alice, shown_files(alice, chat)[1])


# Models that take none


def test_a_model_that_turns_out_to_take_none_answers_without_and_the_page_says_so(
    alice: Person, eyes: Upstream
) -> None:
    alice.get("/").close()
    eyes.wait_for_requests(1)
    eyes.queue(REFUSES)
    chat = attach(alice, CAT, message="What is this?").headers["Location"]
    said = answered(alice, chat)
    assert told(eyes) == ["What is this?"]
    assert "A cat." in said
    assert "The model refused the pictures: it answered without them." in said


@ON_ONE_DATABASE
def test_a_picture_for_a_model_that_takes_none_is_refused_with_another_to_choose(alice: Person) -> None:
    answer = attach(alice, CAT, model=(model := "voigpt/gpt-3.5-turbo"), message="My words")
    assert answer.status_code == 400
    assert "This model takes no pictures; choose another, such as" in Page(answer).title
    assert (Page(answer).words, Page(answer).fields["model"]) == ("My words", model)


@ON_ONE_DATABASE
def test_later_a_model_that_takes_none_is_asked_without_the_pictures(alice: Person, upstream: Upstream) -> None:
    chat = attach(alice, CAT).headers["Location"]
    answered(alice, chat)
    chat = alice.send("And you?", chat, model="voigpt/gpt-3.5-turbo")
    assert showing.TAKES_NONE in answered(alice, chat)
    assert told(upstream) == ["Look", "A cat.", "And you?"]


@ON_ONE_DATABASE
def test_the_guide_takes_none_and_no_other_model_is_there(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "VOICHAT_DATA": str(tmp_path / "data"), "VOICHAT_DISCOVER": "off"}
    with application(settings) as app:
        answer = attach(Person(app), CAT)
        assert answer.status_code == 400
        assert "no other model here does" in Page(answer).title


TOML = """
[upstreams.lab]
kind = "openai"
url = "{url}/v1"
images = false
models = ["small", {{ name = "large", images = true }}]
"""


@ON_ONE_DATABASE
def test_the_file_says_which_models_take_pictures(environment: dict[str, str], eyes: Upstream, tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(TOML.format(url=eyes.url))
    more = {"VOICHAT_PROVIDERS_FILE": str(tmp_path / "providers.toml"), "OPENAI_BASE_URL": "", "VOICHAT_MODEL": ""}
    with application(environment | more) as app:
        alice = Person(app)
        assert "such as large" in Page(attach(alice, CAT, model="lab/small")).title
        assert attach(alice, CAT, model="lab/large").status_code == 303


# What is not taken


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("report.pdf", b"%PDF-1.7\n", "“report.pdf” is neither text nor such a picture."),
        ("all.zip", b"PK\x03\x04\0", "“all.zip” is neither text nor such a picture."),
        ("photo.heic", b"\0\0\0\x18ftypheic", "“photo.heic” is neither text nor such a picture."),
        ("old.bmp", b"BM\0\0", "“old.bmp” is neither text nor such a picture."),
        ("empty.txt", b"", "“empty.txt” is empty."),
        ("cat.png", png()[:40], "“cat.png” is damaged."),
    ],
)
def test_all_else_is_refused_with_what_is_taken(
    alice: Person, database: Database, name: str, content: bytes, sentence: str
) -> None:
    answer = attach(alice, (name, content), message="My words")
    assert answer.status_code == 400
    taken = "Text files in UTF-8 are taken, and pictures as PNG, JPEG, GIF and WebP"
    assert Page(answer).title == f"{taken}: {sentence} · Voichat"
    assert Page(answer).words == "My words"
    assert rows(database, messages) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_ATTACHMENT_MB": "1"}])
def test_files_that_are_too_large_together_are_refused_with_the_limit(alice: Person) -> None:
    answer = attach(alice, ("a.txt", b"a" * 600_000), ("b.txt", b"b" * 600_000), message="My words")
    assert answer.status_code == 413
    assert "The files have 1.2 MB together; at most 1 MB are taken with one message." in Page(answer).title
    assert Page(answer).words == "My words"
    far_too_large = attach(alice, ("a.txt", b"a" * 4_000_000))
    assert far_too_large.status_code == 413
    assert "this server reads at most 2,527,680 bytes" in far_too_large.text


@ON_ONE_DATABASE
def test_too_many_files_are_refused_with_the_limit(alice: Person) -> None:
    answer = attach(alice, *[CAT] * 11)
    assert (answer.status_code, "These are 11 files; at most 10 are taken" in Page(answer).title) == (413, True)


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_ATTACHMENT_MB": "0"}])
def test_where_files_are_switched_off_there_is_no_field_and_a_clear_refusal(alice: Person) -> None:
    assert 'type="file"' not in alice.get("/").text
    answer = attach(alice, CAT, message="My words")
    assert (answer.status_code, Page(answer).words) == (400, "My words")
    assert "No files are taken here: send the message without them." in Page(answer).title


@ON_ONE_DATABASE
def test_a_full_disk_takes_no_pictures_and_the_words_are_kept(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.chats.files.RESERVE_BYTES", 1 << 60)
    answer = attach(alice, CAT, message="My words")
    assert (answer.status_code, Page(answer).words) == (503, "My words")
    assert "The server cannot store pictures now: its disk is nearly full." in Page(answer).title
    assert attach(alice).status_code == 303


@ON_ONE_DATABASE
def test_who_keeps_too_much_is_told_what_to_do(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.chats.attachments.MEGABYTE", 0)
    answer = attach(alice, CAT, message="My words")
    assert (answer.status_code, Page(answer).words) == (413, "My words")
    assert "delete chats that have some first" in Page(answer).title


# Forms


@ON_ONE_DATABASE
def test_a_form_in_which_no_file_was_chosen_is_a_message(alice: Person) -> None:
    answer = alice.client.post("/chats", data={"message": "Hi", "file": (BytesIO(b""), "")})
    assert answer.status_code == 303
    assert question(alice) == "Hi"


@ON_ONE_DATABASE
def test_a_file_alone_is_no_message(alice: Person) -> None:
    answer = attach(alice, CAT, message=" ")
    assert answer.status_code == 400
    assert "Write something first" in answer.text


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "correct horse"}])
def test_who_has_to_sign_in_in_between_keeps_the_words(alice: Person) -> None:
    answer = attach(alice, ("cat.txt", b"x" * 3_000_000), message="My words")
    assert (answer.status_code, Page(answer).words) == (403, "My words")
    assert "choose them again once you have signed in" in answer.text


@ON_ONE_DATABASE
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Werkzeug leaves a broken part open
def test_a_part_that_is_broken_is_the_clients_fault(alice: Person) -> None:
    for body in (b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc", b"\0"):
        answer = alice.client.post("/chats", data=body, content_type="multipart/form-data; boundary=x")
        assert answer.status_code in (400, 413)


# Messages that are written anew


def test_a_message_that_is_written_anew_keeps_the_pictures_that_have_a_tick(alice: Person, eyes: Upstream) -> None:
    chat = attach(alice, CAT, ("dog.png", png(5, 5))).headers["Location"]
    answered(alice, chat)
    first, second = shown_files(alice, chat)
    message = Page(alice.get(chat)).articles[0].id
    form = alice.get(f"{chat}/messages/{message}/edit").text
    assert f'name="keep-{first.rpartition("/")[2]}" value="cat.png" checked' in form
    ticked = {f"keep-{second.rpartition('/')[2]}": "dog.png"}
    anew = attach(alice, ("new.png", png(7, 7)), to=f"{chat}/messages", message="Again", edits=message, **ticked)
    answered(alice, anew.headers["Location"])
    sizes = re.findall(r'<img src="[^"]*" alt="([^"]*)"', alice.get(anew.headers["Location"]).text)
    assert sizes == ["dog.png", "new.png"]
    assert len(told(eyes)[0]) == 3
    assert shown_files(alice, f"{chat}?at={message}") == [first, second]


@ON_ONE_DATABASE
def test_nobody_keeps_a_picture_of_another_message(alice: Person, mallory: Person) -> None:
    chat, other = (attach(person, CAT).headers["Location"] for person in (alice, mallory))
    message = Page(alice.get(chat)).articles[0].id
    theirs = shown_files(mallory, other)[0].rpartition("/")[2]
    for stolen in (theirs, "0" * 32, "\0"):
        answer = attach(alice, to=f"{chat}/messages", edits=message, **{f"keep-{stolen}": "x"})
        assert answer.status_code == 404


@ON_ONE_DATABASE
def test_the_ticks_are_still_there_after_an_error(alice: Person) -> None:
    chat = attach(alice, CAT).headers["Location"]
    answered(alice, chat)
    message, kept = Page(alice.get(chat)).articles[0].id, shown_files(alice, chat)[0].rpartition("/")[2]
    form = {"edits": message, f"keep-{kept}": "cat.png"}
    answer = attach(alice, ("a.pdf", b"%PDF-"), to=f"{chat}/messages", **form)
    assert answer.status_code == 400
    assert Page(answer).fields["edits"] == message
    assert f'name="keep-{kept}" value="cat.png" checked' in answer.text


@ON_ONE_DATABASE
def test_a_chat_that_is_taken_along_or_read_with_curl_names_its_files(alice: Person) -> None:
    chat = attach(alice, CAT).headers["Location"]
    answered(alice, chat)
    assert "*(file: cat.png)*\n\nLook\n" in alice.get(f"{chat}.md").text
    assert "You:\n[file: cat.png]\nLook\n" in alice.get(f"{chat}.txt").text
    assert "You:\n[file: cat.png]\nLook\n" in alice.get(chat, headers={"Accept": "text/plain"}).text
