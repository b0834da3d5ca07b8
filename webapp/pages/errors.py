"""Every error is a page of the product: one sentence, what to do next, and the person's words still there."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from math import ceil

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException

from .. import outages
from ..chats.attachments import OWNER_MEGABYTES, Full
from ..chats.files import Unwritable
from ..chats.records import Gone, NotFound
from ..db import DatabaseError
from ..sentences import Sentence, plural
from ..users.limits import LimitReached
from . import composer, fields, rendering
from .house import house

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Advice:
    sentence: str
    next_step: str


GO_BACK = Sentence("Go back, or start a new chat.")
ADVICE = {
    400: Advice(Sentence("This request makes no sense to the server."), GO_BACK),
    403: Advice(Sentence("This is not allowed."), GO_BACK),
    404: Advice(Sentence("There is nothing here."), GO_BACK),
    405: Advice(Sentence("This address takes no such request."), GO_BACK),
    410: Advice(Sentence("This message was sent before and has been deleted since."), GO_BACK),
    413: Advice("", Sentence("Go back and shorten it.")),
    429: Advice("", Sentence("Go back and try again then.")),
    500: Advice(
        Sentence("Something went wrong on this server; its log says what."), Sentence("Try again in a moment.")
    ),
    503: Advice(Sentence("The server cannot do this now."), Sentence("Try again in a moment.")),
}
ASK_AGAIN_SECONDS = 5
SOON_SECONDS = 120
FULL = Sentence(
    "Your pictures take the {most} MB that are kept for one person: delete chats that have some first.",
    most=OWNER_MEGABYTES,
)
NO_SUCH_CHAT = Sentence(
    "A chat opens only in the browser that began it, and that browser has to keep Voichat's cookie."
)
NO_SUCH_CHAT_OF_YOURS = Sentence("A chat opens only for the person who began it.")
NO_SUCH_SHARE = Sentence(
    "A shared chat opens until its link ends or is revoked: ask whoever sent it to you for another."
)
NO_SUCH_LINK = Sentence(
    "A recovery link opens until it is ended or a newer one is made. Perhaps it was cut off when it was copied."
)
NO_SUCH_PRESET = Sentence("A preset opens only for the person who saved it, until it is deleted.")
NO_SUCH_THING = {"presets": NO_SUCH_PRESET, "shared": NO_SUCH_SHARE, "recovery": NO_SUCH_LINK}


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(Gone, lambda _error: page(410))
    app.register_error_handler(Full, lambda _error: page(413, FULL))
    app.register_error_handler(Unwritable, _unwritable)
    app.register_error_handler(LimitReached, _limit_reached)
    app.register_error_handler(DatabaseError, _database_error)


def page(status: int, sentence: str = "", next_step: str = "") -> tuple[str, int]:
    """`next_step` says what to do when the person's words are not on the page, with a form to send them again."""
    advice = ADVICE.get(status, ADVICE[500 if status >= 500 else 400])
    html = render_template(
        "error.html",
        status=status,
        sentence=sentence or advice.sentence,
        next_step=next_step or advice.next_step,
        composer=composer.again(status) if request.method == "POST" else None,
        words=words() if request.method == "POST" else "",
    )
    return html, status


def words() -> str:
    """What the person wrote: a message, or else a system prompt, or a name."""
    try:
        return next((fields.text(name) for name in ("message", "system", "name") if name in request.form), "")
    except HTTPException:
        return ""


def _not_found(_error: NotFound) -> tuple[str, int]:
    return page(404, next_step=_who_may_open_it())


def _who_may_open_it() -> str:
    if request.blueprint in NO_SUCH_THING:
        return NO_SUCH_THING[request.blueprint]
    return NO_SUCH_CHAT_OF_YOURS if house().settings.auth == "proxy" else NO_SUCH_CHAT


def _http_error(error: HTTPException) -> tuple[str, int, list[tuple[str, str]]]:
    html, status = page(error.code or 500, _sentence(error))
    return html, status, [header for header in error.get_headers() if header[0] != "Content-Type"]


def _sentence(error: HTTPException) -> str:
    if error.description != type(error).description:
        return error.description or ""
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        most = request.max_content_length or 0
        return Sentence("What you sent is too large: this server reads at most {most} bytes.", most=most)
    return ""


def _limit_reached(error: LimitReached) -> tuple[str, int, dict[str, str]]:
    html, status = page(429, Sentence("{first} {second}", first=str(error), second=_opening(error.seconds)))
    return html, status, {"Retry-After": str(ASK_AGAIN_SECONDS if error.seconds is None else ceil(error.seconds))}


def _unwritable(error: Unwritable) -> tuple[str, int]:
    log.error("a picture cannot be stored: %s", error)
    # Translators: {why} is “its disk is nearly full” or “its disk says …”.
    sentence = Sentence(
        "The server cannot store pictures now: {why}. Send the message without them, or later.", why=str(error)
    )
    return page(503, sentence)


def _opening(seconds: float | None) -> Sentence:
    """When a limit opens; a time of day is the first whole minute after that."""
    if seconds is None:
        return Sentence("You can send again when a reply has ended.")
    if seconds <= SOON_SECONDS:
        left = max(1, ceil(seconds))
        return plural("You can send again in {number} second.", "You can send again in {number} seconds.", left)
    opens = datetime.now().astimezone() + timedelta(seconds=seconds, minutes=1)
    return Sentence("You can send again at {time}.", time=rendering.clock(opens))


def _database_error(error: DatabaseError) -> tuple[str, int] | tuple[str, int, dict[str, str]]:
    what = outages.outage(error)
    log.error("the database %s: %s", what or "refuses what it was asked", error)
    if not what:
        return page(500)
    return *page(503, outages.sentence(what)), {"Retry-After": "5"}
