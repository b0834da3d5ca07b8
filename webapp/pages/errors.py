"""Every error is a page of the product: one sentence, what to do next, and the person's words still there."""

import logging
from dataclasses import dataclass

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException

from ..chats.records import Gone, NotFound
from ..db import DatabaseError
from . import composer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Advice:
    sentence: str
    next_step: str


START_AGAIN = "Go back, or start a new chat."
ADVICE = {
    400: Advice("This request makes no sense to the server.", START_AGAIN),
    403: Advice("This is not allowed.", START_AGAIN),
    404: Advice(
        "There is nothing here.",
        "A chat opens only in the browser that began it, and that browser has to keep Voichat's cookie.",
    ),
    405: Advice("This address takes no such request.", START_AGAIN),
    410: Advice("This message was sent before and has been deleted since.", START_AGAIN),
    413: Advice("What you sent is too large for this server.", "Go back and shorten it."),
    500: Advice("Something went wrong on this server; its log says what.", "Try again in a moment."),
    503: Advice("The server's database does not answer.", "Nothing was sent. Try again in a moment."),
}


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(NotFound, lambda _error: page(404))
    app.register_error_handler(Gone, lambda _error: page(410))
    app.register_error_handler(DatabaseError, _database_error)


def page(status: int, sentence: str = "") -> tuple[str, int]:
    advice = ADVICE.get(status, ADVICE[500 if status >= 500 else 400])
    html = render_template(
        "error.html",
        status=status,
        sentence=sentence or advice.sentence,
        next_step=advice.next_step,
        composer=composer.again(status) if request.method == "POST" else None,
    )
    return html, status


def _http_error(error: HTTPException) -> tuple[str, int, list[tuple[str, str]]]:
    is_ours = error.description != type(error).description
    html, status = page(error.code or 500, error.description or "" if is_ours else "")
    return html, status, [header for header in error.get_headers() if header[0] != "Content-Type"]


def _database_error(error: DatabaseError) -> tuple[str, int, dict[str, str]]:
    log.error("the database does not answer: %s", error)
    html, status = page(503)
    return html, status, {"Retry-After": "5"}
