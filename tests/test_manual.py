"""The manual's commands do what it says: they run here as they stand there."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from bench import screenshots
from tests.support.manual import DOCS, Block, Typed, blocks, follow
from tests.support.people import Person
from tests.support.servers import CLEAN, ROOT, Voichat, missing
from tests.support.talk import Talk, speaks
from webapp import create_app, outages
from webapp.settings import load

CERTIFICATE = ROOT / "tests" / "providers" / "localhost.pem"
PUBLISHED = "http://127.0.0.1:8000"
STREAMING_GUIDE = {"OPENAI_BASE_URL": "embedded:", "VOIGPT_URL": "embedded:", "VOICHAT_MODEL": "openai/guide"}
PASSWORD = {"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "correct horse battery"}


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            missing(program)


def come_back(app: Flask, person: Person) -> Person:
    """The same browser, some days later."""
    later = Person(app)
    later.client.set_cookie("voichat", person.sid)
    return later


def under(page: str, *headings: str) -> list[Block]:
    found = [block for block in blocks(page) if block.heading in headings]
    assert {block.heading for block in found} == set(headings)
    return found


@contextmanager
def opened(environment: Mapping[str, str]) -> Iterator[Flask]:
    app = create_app(load(environment))
    yield app
    app.extensions["voichat"].replies.close()
    app.extensions["voichat"].database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("settings", [STREAMING_GUIDE | PASSWORD])
def test_a_whole_conversation_by_curl(voichat: Voichat, tmp_path: Path) -> None:
    needs("curl")

    follow([block.at(PUBLISHED, voichat.url) for block in blocks("curl.md")], tmp_path, CLEAN)

    assert (tmp_path / "cookies").stat().st_mode & 0o077 == 0
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0


NAME, BEGIN, READ = "Name the server", "Begin a chat from a script", "Read the reply token by token, as plain text"
SEND_AND_READ = "Send and read in one command"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_curl_shows_each_word_before_the_next_is_said(
    serve: Callable[..., Voichat], talk: Talk, tmp_path: Path
) -> None:
    needs("curl")
    voichat = serve(**speaks(talk))
    for way in ((NAME, BEGIN, READ), (NAME, SEND_AND_READ)):
        told = [block.at(PUBLISHED, voichat.url) for block in under("curl.md", *way)]
        with Typed(told, tmp_path, CLEAN) as curl:
            for word in ("One", "two", "three"):
                talk.say(f"{word} ")
                curl.read_until(word)
            assert curl.is_at_work
            talk.say("four.")
            talk.end()
            assert curl.read_to_its_end().endswith("One two three four.\n\n")


RUNNING = "Back up while Voichat runs (SQLite)"
STOPPED = "Copy the whole folder"
CHECK = "Check that a backup is good"
RESTORE = "Restore a backup (SQLite)"
PG_DUMP, PG_RESTORE = "Dump PostgreSQL", "Restore PostgreSQL"


def test_every_command_about_backups_is_run_here() -> None:
    assert {block.heading for block in blocks("backup.md")} == {RUNNING, STOPPED, CHECK, RESTORE, PG_DUMP, PG_RESTORE}


def test_a_copy_of_sqlite_that_was_made_in_the_midst_of_writing_is_restored(
    sqlite_template: Path, tmp_path: Path
) -> None:
    needs("sqlite3")
    data = tmp_path / "data"
    environment = {"VOICHAT_DATA": str(data)}
    with opened(environment) as app:
        shutil.copy(sqlite_template, data / "voichat.sqlite3")
        alice = Person(app)
        kept = alice.send("Keep this")
        assert (data / "voichat.sqlite3-wal").stat().st_size > 0
        follow(under("backup.md", RUNNING, CHECK), tmp_path, CLEAN)
        lost = alice.send("Said after the backup")
    follow(under("backup.md", STOPPED, RESTORE), tmp_path, CLEAN)

    for lacks_key in (False, True):
        if lacks_key:
            (data / "secret_key").unlink()
        with opened(environment) as app:
            later = come_back(app, alice)
            assert "Keep this" in later.get(kept).text
            assert later.get(lost).status_code == 404
    assert (tmp_path / "data-backup" / "secret_key").exists()
    assert [file for file in (tmp_path / "backup").iterdir() if file.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_dump_of_postgresql_is_restored(app: Flask, alice: Person, tmp_path: Path, database_url: str) -> None:
    needs("pg_dump", "pg_restore")
    environment = CLEAN | {"DATABASE_URL": database_url.replace("+psycopg", "")}
    kept = alice.send("Keep this")
    follow(under("backup.md", PG_DUMP), tmp_path, environment)
    lost = alice.send("Said after the backup")
    app.extensions["voichat"].database.close()

    follow(under("backup.md", PG_RESTORE), tmp_path, environment)

    assert "Keep this" in alice.get(kept).text
    assert alice.get(lost).status_code == 404


# Troubleshooting: what people see is what the product says


WRITTEN = ["webapp/**/*.py", "templates/**/*.html"]
# Sentences that are put together from two places.
COMPOSED = [
    "The message has … characters; at most …",
    "VOICHAT_MODEL is …, which nobody offers",
    *(f"The server's database {what}." for what in outages.WORDS.values()),
    *(f"The database {what} …" for what in outages.WORDS.values()),
]


def quoted(page: str) -> list[list[str]]:
    """The sentences of a page, each in the parts between what differs each time."""
    sentences = re.findall("“([^”]*)”", (DOCS / page).read_text())
    return [[part.strip(" .") for part in sentence.split("…") if part.strip(" .")] for sentence in sentences]


def without_what_is_filled_in(source: str) -> str:
    source = re.sub(r"""\{\{ _\((['"])(.*?)\1\) \}\}""", r"\2", source)
    return re.sub(r"\{\{.*?\}\}|\{[^{}]*\}", "", source)


def test_troubleshooting_names_no_sentence_that_nobody_says() -> None:
    files = [path.read_text() for pattern in WRITTEN for path in ROOT.glob(pattern)]
    said = "\n".join([*map(without_what_is_filled_in, files), (ROOT / "run").read_text(), *COMPOSED])
    unsaid = [parts for parts in quoted("troubleshooting.md") if not all(part in said for part in parts)]
    assert unsaid == []


def test_troubleshooting_has_every_sentence_with_which_the_database_fails() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    assert [what for what in outages.WORDS.values() if f"“The server's database {what}.”" not in page] == []


def test_troubleshooting_has_every_sentence_with_which_the_start_ends() -> None:
    sentences = re.findall(r'ClickException\(\s*f?"([^"{]+)', (ROOT / "webapp" / "cli.py").read_text())
    known = [parts[0] for parts in quoted("troubleshooting.md")]
    assert len(sentences) > 5
    assert [each for each in sentences if not any(is_begun(each, start) for start in known)] == []


def is_begun(sentence: str, start: str) -> bool:
    return sentence.strip() == start or (len(start) > len("The database") and sentence.startswith(start[:20]))


def test_every_link_within_the_manual_leads_to_a_heading() -> None:
    files = {path: path.read_text() for path in [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]}
    broken = [
        f"{path.name}: {link}"
        for path, text in files.items()
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)
        if not is_there(path, *link.partition("#")[::2])
    ]
    assert broken == []


def is_there(page: Path, link: str, anchor: str) -> bool:
    target = page.parent / link if link else page
    return target.exists() and (not anchor or anchor in {slug(heading) for heading in headings(target.read_text())})


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def slug(heading: str) -> str:
    """As GitHub makes an anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_picture_of_the_manual_is_one_that_the_command_takes() -> None:
    text = "\n".join(path.read_text() for path in [*DOCS.glob("*.md"), ROOT / "README.md"])
    shown = re.findall(r"images/([^\s\")]+\.png)", text)
    assert set(shown) <= set(screenshots.names())
    assert {name for name in shown if name.endswith("-light.png")} == {
        name.replace("-dark", "-light") for name in shown if name.endswith("-dark.png")
    }


# Settings: what the manual tells people to set can be set


def starts() -> list[tuple[str, str]]:
    """Each line of the manual that starts Voichat, with its page."""
    pages = [path.name for path in DOCS.glob("*.md")]
    lines = [(page, line) for page in pages for block in blocks(page) for line in block.commands.splitlines()]
    return [(page, line) for page, line in lines if "=" in line and line.endswith("./run")]


@pytest.mark.parametrize(("page", "line"), starts())
def test_every_start_that_the_manual_shows_has_settings_that_make_sense(page: str, line: str, tmp_path: Path) -> None:
    given = dict(word.split("=", 1) for word in shlex.split(line)[:-1])
    files = {name: tmp_path / "file" for name in given if name.endswith("_FILE") and name != "VOIGPT_CA_FILE"}
    for file in files.values():
        file.write_text("a secret that is long enough")
    authorities = {"VOIGPT_CA_FILE": str(CERTIFICATE)} if "VOIGPT_CA_FILE" in given else {}

    settings = load(given | {name: str(file) for name, file in files.items()} | authorities)

    assert settings.link, page
