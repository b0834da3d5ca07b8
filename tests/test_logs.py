"""The log: one JSON object a line, and in none of them what people said or what opens a door."""

import ast
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from tests.providers.upstream import Upstream, cut, raw, reply, reply_json
from tests.support.databases import away
from tests.support.people import Person, submit_id
from tests.support.servers import CLEAN, ROOT, Voichat, wait_until
from tests.support.visitors import Visitor
from tests.support.wire import exchange
from webapp.db import Database, conversations, sessions
from webapp.log import CONFIG, JsonFormatter

CANARY = "Kanarienvogel"
SECRETS = {
    "SECRET_KEY": f"{CANARY}-signs-everything",
    "VOIGPT_ACCESS_TOKEN": CANARY,
    "VOICHAT_MESSAGE_CHARACTERS": "1000",
}
FORGED = f'{CANARY}\n{{"level": "critical"}}\r\x1b[2J\u2028\x85\0'
HEADERS = {"User_Agent": CANARY, "X_Anything": CANARY, "Accept": CANARY, "Accept_Language": CANARY}
FIELDS = {"message": FORGED, "submit_id": CANARY, "model": CANARY, "parent": CANARY, "at": CANARY, "attempt": CANARY}

Log = Callable[[], str]
Serve = Callable[..., Voichat]

with_secrets = pytest.mark.parametrize("settings", [SECRETS], ids=["secrets"])
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def database_url(database_url: str) -> str:
    """With a password, which our PostgreSQL does not ask for."""
    return database_url.replace("voichat@", f"voichat:{CANARY}@")


@pytest.fixture
def log() -> Iterator[Log]:
    """What this process logs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.root.addHandler(handler)
    yield stream.getvalue
    logging.root.removeHandler(handler)


def objects(log: str) -> list[dict[str, Any]]:
    """Each line, which has to be one JSON object of plain ASCII; raises `ValueError` where one is not."""
    assert re.fullmatch(r"[ -~\n]*", log)
    found = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= each.keys() for each in found)
    return found


def logged(voichat: Voichat) -> list[dict[str, Any]]:
    """The lines of the log, without the one friendly line at each start."""
    return objects(re.sub(r"^Voichat is ready: http://\S+\n", "", voichat.output(), flags=re.MULTILINE))


def types(found: list[dict[str, Any]]) -> set[str]:
    return {error["type"].rpartition(".")[2] for each in found for error in each.get("errors", [])}


# The canary: the same visits in this process and behind gunicorn

FAULTS = [
    reply(CANARY, 500),
    reply(CANARY, 403),
    reply(CANARY, 404, set_cookie=f"csrftoken={CANARY}", x=CANARY),
    reply(CANARY, 302, location=f"http://{CANARY}.invalid/"),
    reply(CANARY),
    reply_json({"error": CANARY}),
    reply_json({"response": {CANARY: CANARY}}),
    reply_json({"response": f"{CANARY}\n\x1b\0"}),
    reply(CANARY, content_encoding="gzip"),
    raw(f"{CANARY}\r\n\r\n".encode(), then=lambda peer: peer.close()),
    cut(f"HTTP/1.1 200 {CANARY}\r\nContent-Length: 999\r\n\r\n{CANARY}".encode()),
]
PATHS = ["/", "/chats", "/nowhere", f"/{CANARY}", f"/chats/{CANARY}", f"/static/{CANARY}", "/providers/", "/healthz"]


def provoke_refusals(
    get: Callable[[str], int], post: Callable[[str, dict[str, str]], int], first_page: Callable[[], str]
) -> set[int]:
    """Every way to be refused; returns the statuses."""
    seen = {get(f"{path}?q={CANARY}") for path in PATHS}
    seen |= {post(f"{path}?q={CANARY}", FIELDS) for path in PATHS}
    fields = {"message": FORGED, "submit_id": submit_id(first_page())}
    seen |= {post("/chats", fields | {"submit_id": CANARY * 20}), post("/chats", fields | {"message": CANARY * 200})}
    seen |= {post("/chats", fields | {"message": CANARY * 10_000}), post("/chats", fields | {"message": ""})}
    return seen


def spoil_sessions(database: Database) -> None:
    """From now on a page that asks for its session fails in a way that nobody thought of, with words in the error."""
    with database.write() as connection:
        connection.execute(update(sessions).values(data=f'["{CANARY}"]'))


def spoil_tables(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("ALTER TABLE messages RENAME TO mislaid"))


@with_secrets
def test_in_this_process_no_canary_gets_into_the_log(alice: Person, log: Log, upstream: Upstream) -> None:
    database: Database = alice.app.extensions["voichat"].database
    headers = {name.replace("_", "-"): value for name, value in HEADERS.items()}

    def get(path: str) -> int:
        with alice.client.get(path, headers=headers) as answer:
            return answer.status_code

    def post(path: str, form: dict[str, str]) -> int:
        return alice.client.post(path, data=form, headers=headers).status_code

    alice.client.set_cookie("voichat", CANARY)
    alice.client.set_cookie(CANARY, CANARY)
    seen = provoke_refusals(get, post, lambda: alice.get("/").text)
    seen |= {alice.client.post("/chats", data=FIELDS, headers={"Origin": f"http://{CANARY}"}).status_code}
    seen |= {alice.client.get("/", headers={"Host": CANARY}).status_code}
    for fault in FAULTS:
        upstream.queue(fault)
        assert alice.get(alice.send(FORGED)).status_code == 200
    form = {"message": FORGED, "submit_id": submit_id(alice.get("/").text)}
    seen |= {post("/chats", form)}
    with database.write() as connection:
        connection.execute(delete(conversations))
    seen |= {post("/chats", form)}
    with away(database):
        seen |= {post("/chats", {"message": FORGED})}
    spoil_tables(database)
    seen |= {post("/chats", {"message": FORGED})}
    spoil_sessions(database)
    seen |= {get(f"/chats?q={CANARY}")}
    assert seen == {200, 303, 400, 403, 404, 405, 410, 413, 500, 503}
    assert types(objects(log())) >= {"OperationalError"}
    assert CANARY.lower() not in log().lower()


@with_secrets
@pytest.mark.parametrize(
    ("database_url", "kind"), [("sqlite", "requests"), ("postgresql", "errors")], indirect=["database_url"]
)
def test_behind_gunicorn_no_canary_gets_into_the_log(
    serve: Serve, database: Database, upstream: Upstream, kind: str
) -> None:
    voichat = serve(VOICHAT_LOG=kind)
    alice = Visitor(voichat)
    alice.cookie = f"voichat={CANARY}; {CANARY}={CANARY}"
    seen = provoke_refusals(
        lambda path: alice.get(path, **HEADERS).status,
        lambda path, form: alice.post(path, form, **HEADERS).status,
        lambda: alice.get("/").text,
    )
    for line in (f"{CANARY} / HTTP/1.1", f"GET /{CANARY} HTTP/9", f"{CANARY.upper()} /{CANARY} HTTP/1.1", CANARY):
        exchange(voichat.port, f"{line}\r\nHost: 127.0.0.1\r\n{CANARY} x: {CANARY}\r\n\r\n".encode())
    chunks = f"POST /chats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n"
    exchange(voichat.port, chunks.replace("\r\n\r\n", f"\r\nContent-Type: {CANARY}\r\n\r\n", 1).encode())
    upstream.queue(*FAULTS)
    chats = [alice.send(FORGED) for _ in FAULTS]
    assert all(alice.until_settled(chat) for chat in chats)
    voichat.kill_workers()
    with away(database):
        seen |= {alice.post("/chats", {"message": FORGED}, **HEADERS).status}
    wait_until(voichat.is_ready)
    spoil_tables(database)
    seen |= {alice.post("/chats", {"message": FORGED}, **HEADERS).status}
    spoil_sessions(database)
    seen |= {alice.get(f"/chats?q={CANARY}", **HEADERS).status}
    voichat.stop()
    found = logged(voichat)
    assert {400, 404, 405, 413, 500, 503} <= seen
    assert {"gunicorn.error", "webapp", "webapp.pages.errors"} <= {each["logger"] for each in found}
    assert {"InvalidRequestLine", "OperationalError"} <= types(found)
    assert ("webapp.requests" in {each["logger"] for each in found}) == (kind == "requests")
    assert CANARY.lower() not in voichat.output().lower()


# What a line says


def line(name: str, message: Any, *args: Any, level: int = logging.ERROR, error: BaseException | None = None) -> Any:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(name, level, "file.py", 1, message, args, info)
    [found] = objects(JsonFormatter().format(record))
    return found


def test_a_line_has_the_time_in_utc_the_level_and_the_logger() -> None:
    found = line("webapp.x", "A chat %s, %d times", "0123", 2)
    assert found["message"] == "A chat 0123, 2 times"
    assert (found["level"], found["logger"]) == ("error", "webapp.x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
    assert abs((datetime.fromisoformat(found["time"]) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("Worker (pid:%s) was sent %s! Perhaps out of memory?", (7, "SIGKILL"), "Worker (pid:7) was sent SIGKILL!"),
        ("Exception on %s [%s]", ("/chats/x", "POST"), "Exception on … [POST]"),
        ("Error handling request %s %s", ("SECRET", "/x"), "Error handling request … …"),
        ("Invalid request from ip=127.0.0.1: Invalid Method 'x'", (), "Invalid request from ip=127.0.0.1"),
        ("%(a)s and %(b)d", ({"a": "x", "b": 1},), "… and 1"),
        (ValueError("x"), (), "ValueError"),
        ("%d", ("x",), "a message that cannot be shown"),
        ("50% of %s", (), "50"),
    ],
)
def test_of_what_a_library_logs_its_own_words_are_shown(message: Any, args: tuple[Any, ...], shown: str) -> None:
    assert line("library", message, *args)["message"].startswith(shown)
    assert "x" not in line("library", message, *args)["message"].replace("ex", "").replace("Ex", "")


def test_of_an_exception_its_kind_and_the_way_to_it_are_shown_but_not_its_text() -> None:
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise FileNotFoundError(2, CANARY, CANARY) from error
    except OSError as error:
        found = line("webapp.x", "failed: %s", error, error=error)
    assert found["message"] == "failed: FileNotFoundError ENOENT"
    assert [each["type"] for each in found["errors"]] == ["FileNotFoundError", "ValueError"]
    assert found["errors"][0]["code"] == "ENOENT"
    assert re.fullmatch(r".*tests/test_logs\.py:\d+ test_of_an_exception\w+", found["errors"][0]["frames"][-1])


@pytest.mark.parametrize("text", [FORGED, "\ud800", "🙂" * 5000, '"}', "\\"])
def test_no_text_breaks_a_line_or_makes_one_that_a_pipe_would_split(text: str) -> None:
    found = JsonFormatter().format(logging.LogRecord("webapp.x", 40, "", 1, "%s", (text,), None))
    assert len(objects(found)) == 1
    assert len(found) < 4096


class Broken:
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(("message", "args"), [(Broken(), ()), ("%s", (Broken(),)), ("%s %s", ("x",)), ("%q", ("x",))])
def test_no_record_makes_the_formatter_fail(message: Any, args: tuple[Any, ...]) -> None:
    for name in ("webapp.x", "library"):
        assert line(name, message, *args)["message"]


@pytest.mark.parametrize(
    "code",
    [
        f"int('{CANARY}')",
        f"import threading; threading.Thread(target=int, args=['{CANARY}']).start()",
        f"import warnings; warnings.simplefilter('always'); warnings.warn('{CANARY}')",
        f"import logging; logging.error('{CANARY} %d', '{CANARY}')",
        f"X = type('X', (), {{'__del__': lambda self: int('{CANARY}')}}); X()",
        f"raise ExceptionGroup('{CANARY}', [ValueError('{CANARY}')])",
    ],
)
def test_what_python_itself_would_print_is_a_line_too(code: str) -> None:
    code = f"from webapp import log; log.configure()\n{code}"
    ended = subprocess.run([sys.executable, "-c", code], env=CLEAN, cwd=ROOT, capture_output=True, text=True)
    assert len(objects(ended.stderr)) == 1
    assert (ended.stdout, CANARY in ended.stderr) == ("", False)


def test_all_loggers_go_to_one_handler() -> None:
    assert CONFIG["root"]["handlers"] == list(CONFIG["handlers"])
    assert not any("handlers" in logger for logger in CONFIG["loggers"].values())


@pytest.mark.parametrize("path", sorted((ROOT / "webapp").rglob("*.py")), ids=lambda path: path.stem)
def test_every_message_of_ours_is_a_constant(path: Path) -> None:
    """What changes comes as an argument, so that the formatter sees what it is."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    logs = [call for call in calls if re.fullmatch(r"(log|logger|logging)\.(?!getL)\w+", ast.unparse(call.func))]
    messages = [call.args[0] for call in logs if call.args and path.stem != "log"]
    assert all(isinstance(message, ast.Constant) for message in messages), [ast.unparse(call) for call in logs]


# The line of a request


@on_sqlite
def test_a_request_is_logged_by_its_route_if_the_admin_asks_for_it(serve: Serve, upstream: Upstream) -> None:
    del upstream
    voichat = serve(VOICHAT_LOG="requests")
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    alice.until_settled(chat)
    voichat.stop()
    found = [each for each in logged(voichat) if each["logger"] == "webapp.requests"]
    seen = {(each["method"], each["route"], each["status"]) for each in found}
    assert {("GET", "/", 200), ("POST", "/chats", 303), ("GET", "/chats/<id:conversation_id>", 200)} <= seen
    assert all(each["ms"] >= 0 and each["bytes"] > 0 for each in found)
    assert chat.rpartition("/")[2] not in voichat.output()


@on_sqlite
def test_without_faults_the_log_is_empty(serve: Serve) -> None:
    voichat = serve()
    alice = Visitor(voichat)
    alice.until_settled(alice.send("Hi"))
    alice.get("/nowhere")
    voichat.stop()
    assert logged(voichat) == []
    assert voichat.output().startswith("Voichat is ready: http://")
