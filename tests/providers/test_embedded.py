import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from webapp.providers.embedded import application

DOCS = Path(__file__).parents[2] / "docs"
HERE = "http://embedded.invalid"
TOKEN = "0123456789abcdefghijABCDEFGHIJ01"
QUESTION = json.dumps({"messages": [{"role": "user", "content": "How do I connect my model?"}]}).encode()
GENUINE = {"HTTP_COOKIE": f"csrftoken={TOKEN}", "HTTP_X_CSRFTOKEN": TOKEN, "HTTP_ORIGIN": HERE}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def call(app: WSGIApplication, method: str, path: str, body: bytes = b"", **environ: str) -> Answer:
    """One request as a server would make it."""
    request: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "HTTP_HOST": "embedded.invalid",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    setup_testing_defaults(request)
    answer = Answer(0, {}, b"")

    def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], None]:
        answer.status, answer.headers = int(status[:3]), dict(headers)
        return lambda _: None

    chunks = app(request, start)
    answer.body = b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return answer


def generate(app: WSGIApplication, body: bytes = QUESTION, environ: Mapping[str, str] = GENUINE) -> Answer:
    return call(app, "POST", "/generate_response/", body, **environ)


@pytest.fixture
def app() -> WSGIApplication:
    return validator(application(DOCS))


def test_the_front_page_sets_a_new_csrf_cookie_each_time(app: WSGIApplication) -> None:
    first, second = call(app, "GET", "/"), call(app, "GET", "/")

    assert first.status == 200
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    assert first.headers["Set-Cookie"].startswith("csrftoken=")
    assert first.headers["Set-Cookie"] != second.headers["Set-Cookie"]


def test_the_guide_answers_in_json(app: WSGIApplication) -> None:
    answer = generate(app)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert "### Connecting a model: Connect your model" in json.loads(answer.body)["response"]


@pytest.mark.parametrize(
    "forged",
    [
        {"HTTP_COOKIE": ""},
        {"HTTP_COOKIE": "csrftoken="},
        {"HTTP_COOKIE": "csrftoken=short", "HTTP_X_CSRFTOKEN": "short"},
        {"HTTP_COOKIE": f"xcsrftoken={TOKEN}"},
        {"HTTP_X_CSRFTOKEN": ""},
        {"HTTP_X_CSRFTOKEN": TOKEN[::-1]},
        {"HTTP_X_CSRFTOKEN": "é" * 32},
        {"HTTP_ORIGIN": "http://elsewhere.invalid"},
        {"HTTP_ORIGIN": "https://embedded.invalid"},
        {"HTTP_ORIGIN": "null", "HTTP_REFERER": f"{HERE}/"},
    ],
)
def test_a_forged_request_is_forbidden_with_a_page(app: WSGIApplication, forged: dict[str, str]) -> None:
    answer = generate(app, environ=GENUINE | forged)

    assert answer.status == 403
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"CSRF verification failed" in answer.body


@pytest.mark.parametrize(
    ("referer", "status"),
    [(f"{HERE}/", 200), (f"{HERE}/page", 200), (f"{HERE}.elsewhere.invalid/", 403), ("", 403)],
)
def test_without_origin_the_referer_counts(app: WSGIApplication, referer: str, status: int) -> None:
    tokens = {name: GENUINE[name] for name in ("HTTP_COOKIE", "HTTP_X_CSRFTOKEN")}

    answer = generate(app, environ={"HTTP_REFERER": referer, **tokens})

    assert answer.status == status


def test_the_csrf_cookie_is_found_among_others(app: WSGIApplication) -> None:
    assert generate(app, environ=GENUINE | {"HTTP_COOKIE": f"a=1; csrftoken={TOKEN}; b=2"}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"messages",
        b"\xff",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": "hello"}',
        b'{"messages": [{"role": "user"}]}',
        b'{"messages": [{"role": "user", "content": 1}]}',
        b'{"messages": [{"role": "wizard", "content": "hello"}]}',
        b"[" * 200_000,
        b'{"messages": ' + b"1" * 5_000 + b"}",
    ],
    ids=range(12),
)
def test_anything_but_messages_is_a_bad_request(app: WSGIApplication, body: bytes) -> None:
    assert generate(app, body).status == 400


@pytest.mark.parametrize("length", ["many", "-1", "²"])
def test_a_length_that_is_no_number_is_a_bad_request(length: str) -> None:
    assert generate(application(DOCS), environ=GENUINE | {"CONTENT_LENGTH": length}).status == 400


def test_a_body_over_the_limit_is_refused_with_the_limit() -> None:
    app = application(DOCS, max_body=len(QUESTION))

    assert generate(app, QUESTION).status == 200
    refused = generate(app, QUESTION + b" ")
    assert refused.status == 413
    assert f"The limit is {len(QUESTION)} bytes." in refused.body.decode()


def test_another_path_is_not_found(app: WSGIApplication) -> None:
    assert call(app, "GET", "/generate_response").status == 404


@pytest.mark.parametrize(("method", "path", "allow"), [("POST", "/", "GET"), ("GET", "/generate_response/", "POST")])
def test_another_method_is_told_which_one_is_allowed(app: WSGIApplication, method: str, path: str, allow: str) -> None:
    answer = call(app, method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/"), ("GET", "/x"), ("POST", "/generate_response/")]
)
def test_every_response_has_its_length(app: WSGIApplication, method: str, path: str) -> None:
    answer = call(app, method, path)

    assert int(answer.headers["Content-Length"]) == len(answer.body) > 0


def test_the_slow_reply_is_paced_by_the_given_sleep() -> None:
    pauses: list[float] = []
    slow = json.dumps({"messages": [{"role": "user", "content": "a long slow reply"}]}).encode()

    assert generate(application(DOCS, sleep=pauses.append), slow).status == 200

    assert sum(pauses) == pytest.approx(10)


def test_a_whole_answer_that_fails_is_a_page_with_the_reason() -> None:
    broken = json.dumps({"messages": [{"role": "user", "content": "show me an error"}]}).encode()

    answer = generate(application(DOCS, sleep=lambda _: None), broken)

    assert answer.status == 500
    assert b"<title>This is only a demonstration of an error.</title>" in answer.body


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(app: WSGIApplication) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, WSGIServer, QuietHandler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def browser() -> OpenerDirector:
    return build_opener(ProxyHandler({}), HTTPCookieProcessor())


def fetch_token(browser: OpenerDirector, site: str) -> str:
    with browser.open(f"{site}/", timeout=10) as page:
        return str(page.headers["Set-Cookie"]).partition("=")[2].partition(";")[0]


def test_a_client_on_the_network_gets_an_answer(site: str, browser: OpenerDirector) -> None:
    headers = {"X-CSRFToken": fetch_token(browser, site), "Origin": site, "Content-Type": "application/json"}

    with browser.open(Request(f"{site}/generate_response/", QUESTION, headers), timeout=10) as answer:
        assert "no language model" in json.load(answer)["response"]


def test_a_client_with_another_token_is_forbidden(site: str, browser: OpenerDirector) -> None:
    fetch_token(browser, site)
    headers = {"X-CSRFToken": TOKEN, "Origin": site, "Content-Type": "application/json"}

    with pytest.raises(HTTPError, match="403") as refused:
        browser.open(Request(f"{site}/generate_response/", QUESTION, headers), timeout=10)

    refused.value.close()
