"""The embedded upstream: a WSGI application that speaks VoiGpt's protocol and answers from the Guide."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .base import Message
from .guide import Guide

MAX_BODY = 16 * 1024 * 1024


def application(
    docs: Path, *, max_body: int = MAX_BODY, sleep: Callable[[float], object] = time.sleep
) -> WSGIApplication:
    """The upstream over the manual in `docs`. `max_body` is in bytes; `sleep` is the Guide's."""
    guide = Guide(docs, sleep)
    routes: Routes = {
        "/": {"GET": home},
        "/generate_response/": {"POST": partial(generate_response, guide, max_body)},
    }

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = route(routes, environ)(environ)
        except Refusal as refusal:
            response = refusal.response
        length = ("Content-Length", str(len(response.body)))
        start_response(f"{response.status} {response.status.phrase}", [*response.headers, length])
        return [response.body]

    return respond


@dataclass(frozen=True)
class Response:
    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Refusal(Exception):
    """A request that gets an HTML page with `status` and one sentence."""

    def __init__(self, status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.response = html(status, sentence, *headers)


Handler: TypeAlias = Callable[[WSGIEnvironment], Response]
Routes: TypeAlias = Mapping[str, Mapping[str, Handler]]


def route(routes: Routes, environ: WSGIEnvironment) -> Handler:
    methods = routes.get(environ.get("PATH_INFO") or "/")
    if methods is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such page.")
    if handler := methods.get(environ["REQUEST_METHOD"]):
        return handler
    allow = ", ".join(methods)
    raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allow} is allowed here.", ("Allow", allow))


def home(_environ: WSGIEnvironment) -> Response:
    cookie = f"{CSRF_COOKIE}={secrets.token_hex(16)}; Path=/; SameSite=Lax"
    return html(HTTPStatus.OK, "Voichat's built-in Guide.", ("Set-Cookie", cookie))


def generate_response(guide: Guide, max_body: int, environ: WSGIEnvironment) -> Response:
    if not (has_csrf_token(environ) and is_same_origin(environ)):
        raise Refusal(HTTPStatus.FORBIDDEN, "CSRF verification failed. Request aborted.")
    messages = read_messages(read_body(environ, max_body))
    body = json.dumps({"response": "".join(guide.answer(messages))})
    return Response(HTTPStatus.OK, (("Content-Type", "application/json"),), body.encode())


def has_csrf_token(environ: WSGIEnvironment) -> bool:
    cookie = COOKIE_TOKEN.search(environ.get("HTTP_COOKIE", ""))
    header = environ.get("HTTP_X_CSRFTOKEN", "")
    return bool(cookie and header.isascii() and hmac.compare_digest(cookie[1], header))


def is_same_origin(environ: WSGIEnvironment) -> bool:
    """Whether Origin, else Referer, is this site: what Django's CsrfViewMiddleware asks under https."""
    here = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    if "HTTP_ORIGIN" in environ:
        return bool(environ["HTTP_ORIGIN"] == here)
    return bool(environ.get("HTTP_REFERER", "").startswith(f"{here}/"))


def read_body(environ: WSGIEnvironment, max_body: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Refusal(HTTPStatus.BAD_REQUEST, "Content-Length must be a number.")
    if len(length) > len(str(max_body)) or int(length) > max_body:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The limit is {max_body} bytes.")
    return bytes(environ["wsgi.input"].read(int(length)))


def read_messages(body: bytes) -> list[Message]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    match parsed:
        case {"messages": [_, *_] as messages} if all(map(is_message, messages)):
            return list(messages)
    raise Refusal(HTTPStatus.BAD_REQUEST, 'Expected {"messages": [{"role": "…", "content": "…"}, …]}.')


def is_message(value: object) -> bool:
    match value:
        case {"role": "system" | "user" | "assistant", "content": str()}:
            return True
    return False


def html(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Response:
    page = f"<!doctype html><title>{status.phrase}</title><h1>{status.phrase} ({status})</h1><p>{sentence}</p>"
    return Response(status, (("Content-Type", "text/html; charset=utf-8"), *headers), page.encode())


CSRF_COOKIE = "csrftoken"
COOKIE_TOKEN = re.compile(rf"(?:^|;)\s*{CSRF_COOKIE}=([A-Za-z0-9]{{32}})\s*(?:;|$)")
