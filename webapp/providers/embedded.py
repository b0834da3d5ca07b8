"""The embedded upstream: a WSGI application that speaks VoiGpt's protocol and OpenAI's, and answers from the Guide."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .base import Message
from .guide import Guide, GuideFailure

MAX_BODY = 16 * 1024 * 1024


def application(
    docs: Path, *, max_body: int = MAX_BODY, sleep: Callable[[float], object] = time.sleep
) -> WSGIApplication:
    """The upstream over the manual in `docs`. `max_body` is in bytes; `sleep` is the Guide's."""
    guide = Guide(docs, sleep)
    routes: Routes = {
        "/": {"GET": home},
        "/generate_response/": {"POST": partial(generate_response, guide, max_body)},
        "/v1/models": {"GET": models},
        "/v1/chat/completions": {"POST": partial(chat_completions, guide, max_body)},
    }

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = route(routes, environ)(environ)
        except Refusal as refusal:
            response = refused(refusal, environ)
        except GuideFailure as failure:
            response = refused(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(failure)), environ)
        start_response(f"{response.status} {response.status.phrase}", list(response.headers))
        return response.body

    return respond


@dataclass(frozen=True)
class Response:
    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: Iterable[bytes]


class Refusal(Exception):
    """A request that gets `status` and one sentence, as a page or as JSON, whichever is spoken there."""

    def __init__(self, status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


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


def refused(refusal: Refusal, environ: WSGIEnvironment) -> Response:
    if not environ.get("PATH_INFO", "").startswith("/v1/"):
        return html(refusal.status, str(refusal), *refusal.headers)
    kind = "invalid_request_error" if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return in_json(error(str(refusal), kind), refusal.status, *refusal.headers)


def error(sentence: str, kind: str) -> Mapping[str, Any]:
    return {"error": {"message": sentence, "type": kind, "param": None, "code": None}}


def home(_environ: WSGIEnvironment) -> Response:
    cookie = f"{CSRF_COOKIE}={secrets.token_hex(16)}; Path=/; SameSite=Lax"
    return html(HTTPStatus.OK, "Voichat's built-in Guide.", ("Set-Cookie", cookie))


def generate_response(guide: Guide, max_body: int, environ: WSGIEnvironment) -> Response:
    if not (has_csrf_token(environ) and is_same_origin(environ)):
        raise Refusal(HTTPStatus.FORBIDDEN, "CSRF verification failed. Request aborted.")
    _, messages = read_messages(read_body(environ, max_body))
    return in_json({"response": "".join(guide.answer(messages))})


def models(_environ: WSGIEnvironment) -> Response:
    return in_json({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "voichat"}]})


def chat_completions(guide: Guide, max_body: int, environ: WSGIEnvironment) -> Response:
    asked, messages = read_messages(read_body(environ, max_body))
    if asked.get("model") != MODEL:
        raise Refusal(HTTPStatus.NOT_FOUND, f"There is no such model; there is {MODEL}.")
    answer = Completion(guide.answer(messages), sum(len(message["content"].split()) for message in messages))
    if asked.get("stream") is not True:
        return in_json(answer.whole())
    match asked.get("stream_options"):
        case {"include_usage": True}:
            events = answer.events(with_usage=True)
        case _:
            events = answer.events(with_usage=False)
    return Response(HTTPStatus.OK, (("Content-Type", "text/event-stream"),), events)


class Completion:
    """An answer in OpenAI's two forms. Its tokens are words."""

    def __init__(self, pieces: Iterator[str], prompt_tokens: int) -> None:
        self._pieces = pieces
        self._prompt_tokens = prompt_tokens
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": MODEL}

    def whole(self) -> Mapping[str, Any]:
        said = list(self._pieces)
        message = {"role": "assistant", "content": "".join(said)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage(len(said))}

    def events(self, with_usage: bool) -> Iterator[bytes]:
        try:
            yield from self._events(with_usage)
        except GuideFailure as failure:
            yield event(error(str(failure), "server_error"))

    def _events(self, with_usage: bool) -> Iterator[bytes]:
        yield self._event({"role": "assistant", "content": ""})
        count = 0
        for count, piece in enumerate(self._pieces, 1):  # noqa: B007 - the last count is wanted
            yield self._event({"content": piece})
        yield self._event({}, "stop")
        if with_usage:
            yield event({**self._head, "object": CHUNK, "choices": [], "usage": self._usage(count)})
        yield b"data: [DONE]\n\n"

    def _event(self, delta: Mapping[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event({**self._head, "object": CHUNK, "choices": [choice]})

    def _usage(self, count: int) -> Mapping[str, int]:
        total = self._prompt_tokens + count
        return {"prompt_tokens": self._prompt_tokens, "completion_tokens": count, "total_tokens": total}


def event(value: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


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


def read_messages(body: bytes) -> tuple[Mapping[str, Any], list[Message]]:
    """What was asked, and its messages."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    match parsed:
        case {"messages": [_, *_] as messages} if all(map(is_message, messages)):
            return parsed, list(map(in_words, messages))
    raise Refusal(HTTPStatus.BAD_REQUEST, 'Expected {"messages": [{"role": "…", "content": "…"}, …]}.')


def is_message(value: object) -> bool:
    match value:
        case {"role": "system" | "user" | "assistant", "content": str()}:
            return True
        case {"role": "system" | "user" | "assistant", "content": [*parts]}:
            return all(map(is_part, parts))
    return False


def is_part(value: object) -> bool:
    match value:
        case {"type": "text", "text": str()} | {"type": "image_url"}:
            return True
    return False


def in_words(message: Mapping[str, Any]) -> Message:
    """What OpenAI's clients may send in parts as one text."""
    content = message["content"]
    if isinstance(content, str):
        return Message(role=message["role"], content=content)
    if any(part["type"] == "image_url" for part in content):
        raise Refusal(HTTPStatus.BAD_REQUEST, NO_IMAGES)
    return Message(role=message["role"], content="\n".join(part["text"] for part in content))


def html(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Response:
    page = f"<!doctype html><title>{sentence}</title><h1>{status.phrase} ({status})</h1><p>{sentence}</p>"
    return whole(status, page.encode(), "text/html; charset=utf-8", *headers)


def in_json(value: Any, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]) -> Response:
    return whole(status, json.dumps(value).encode(), "application/json", *headers)


def whole(status: HTTPStatus, body: bytes, kind: str, *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", kind), ("Content-Length", str(len(body))), *headers), [body])


MODEL = "guide"
NO_IMAGES = "The Guide is no language model and takes no images: send words alone."
CHUNK = "chat.completion.chunk"
CSRF_COOKIE = "csrftoken"
COOKIE_TOKEN = re.compile(rf"(?:^|;)\s*{CSRF_COOKIE}=([A-Za-z0-9]{{32}})\s*(?:;|$)")
