"""A chat: begin it, read it, go on with it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, stream_template, url_for
from werkzeug.wrappers import Response as Redirect

from ..chats import history, lease
from ..chats.live import Seat
from ..chats.records import Message, NotFound
from ..chats.text import cleaned
from ..db import DatabaseError
from ..users.limits import Sender
from ..web import addresses, signin
from . import composer, rendering
from .house import House, house

log = logging.getLogger(__name__)

blueprint = Blueprint("chat", __name__)


@blueprint.get("/")
def new() -> Response:
    words = cleaned(request.args.get("q", ""))
    page = Response(render_template("chat/new.html", composer=composer.fresh(url_for(".begin"), words)))
    # With no-store, Back would fetch another submit id for the words that the browser restores, and Send send twice.
    page.headers["Cache-Control"] = "private, no-cache"
    return page


@blueprint.post("/chats")
def begin() -> Redirect:
    draft = composer.draft()
    owner = signin.owner_for(draft.submit_id, partial(house().limits.check, _sender("")))
    sent = history.begin(house().database, owner, draft, _admit(owner))
    return _to_chat(sent.conversation_id)


@blueprint.post("/chats/<id:conversation_id>/messages")
def go_on(conversation_id: str) -> Redirect:
    draft, owner = composer.draft(), _owner()
    sent = history.append(house().database, owner, conversation_id, draft, _admit(owner))
    return _to_chat(sent.conversation_id, at=sent.message_id if draft.parent_id else None)


@blueprint.post("/chats/<id:conversation_id>/replies/<id:reply_id>/retry")
def retry(conversation_id: str, reply_id: str) -> Redirect:
    """Safe to repeat with the hidden `attempt`: each attempt has one Retry."""
    owner, at = _owner(), _branch(conversation_id)
    reply = history.reply(house().database, owner, conversation_id, reply_id)
    if request.form.get("attempt", reply.attempt, type=int) == reply.attempt:
        lease.retry(house().database, reply.id, reply.attempt, _admit(owner))
    return _to_chat(conversation_id, at=at)


@blueprint.get("/chats/<id:conversation_id>")
def show(conversation_id: str) -> Response:
    """The chat; the response stays open until its replies have settled."""
    owner, at = _owner(), cleaned(request.args.get("at", ""))
    conversation = history.conversation(house().database, owner, conversation_id)
    messages = history.branch(house().database, owner, conversation_id, at)
    page = {"conversation": conversation, "messages": messages, "at": at, "composer": _composer(messages, at)}
    if request.method == "HEAD" or all(message.is_settled for message in messages):
        return Response(_whole(page))
    seat = house().replies.seat()
    return _stream(page, Live(seat, house(), owner)) if seat else Response(_whole(page))


@dataclass(frozen=True)
class Live:
    """What the template of an unsettled reply asks for, after the first byte: what goes wrong is logged."""

    seat: Seat
    house: House
    owner: str

    def follow(self, reply: Message) -> Iterator[None]:
        """Starts the reply if it waits. The page before it has been sent, whatever the database does now."""
        self.house.replies.start(reply.id)
        try:
            yield from self.seat.follow(reply.id)
        except DatabaseError:
            log.exception("chat %s is followed no further", reply.conversation_id)

    def now(self, reply: Message) -> Message:
        try:
            return history.message(self.house.database, self.owner, reply.conversation_id, reply.id)
        except (DatabaseError, NotFound):
            log.exception("reply %s cannot be shown", reply.id)
            return reply


def _stream(page: dict[str, Any], live: Live) -> Response:
    pieces = stream_template("chat/show.html", **page, live=live)
    response = Response(rendering.flushed(pieces))
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(live.seat.close)
    return response


def _whole(page: dict[str, Any]) -> str:
    return render_template("chat/show.html", **page)


def _composer(messages: list[Message], at: str) -> composer.Composer:
    last = messages[-1]
    action = url_for(".go_on", conversation_id=last.conversation_id)
    return composer.fresh(action, model=last.model, parent=last.id if at and last.role == "assistant" else "")


def _branch(conversation_id: str) -> str:
    """The message whose branch the form's page showed; empty for the newest branch. Raises `NotFound`."""
    at = cleaned(request.form.get("at", ""))
    return history.message(house().database, _owner(), conversation_id, at).id if at else ""


def _owner() -> str:
    owner = signin.owner()
    if owner is None:
        raise NotFound
    return owner


def _sender(owner: str) -> Sender:
    return Sender(owner, addresses.key())


def _admit(owner: str) -> lease.Admit:
    return partial(house().limits.admit, _sender(owner))


def _to_chat(conversation_id: str, at: str | None = None) -> Redirect:
    return redirect(url_for(".show", conversation_id=conversation_id, at=at or None), HTTPStatus.SEE_OTHER)
