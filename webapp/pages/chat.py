"""A chat: begin it, read it, go on with it."""

from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, stream_template, stream_with_context, url_for
from werkzeug.wrappers import Response as Redirect

from .. import providers
from ..chats import branches, history, lease, lists
from ..chats.records import Message
from ..chats.text import cleaned
from ..web import signin
from . import composer, fields, plain, rendering
from .fields import Typed
from .house import house
from .live import Live
from .visitor import owner as _owner
from .visitor import sender as _sender

blueprint = Blueprint("chat", __name__)


@blueprint.get("/")
def new() -> Response:
    words = cleaned(request.args.get("q", ""))
    form = composer.fresh(url_for(".begin"), words, typed=Typed(preset=cleaned(request.args.get("preset", ""))))
    page = Response(render_template("chat/new.html", composer=form, has_model=providers.has_model()))
    # With no-store, Back would fetch another submit id for the words that the browser restores, and Send send twice.
    page.headers["Cache-Control"] = "private, no-cache"
    return page


@blueprint.post("/chats")
def begin() -> Redirect:
    draft = composer.first_draft()
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
    return _again(lease.retry, conversation_id, reply_id)


@blueprint.post("/chats/<id:conversation_id>/replies/<id:reply_id>/continue")
def go_on_with(conversation_id: str, reply_id: str) -> Redirect:
    """As Retry, and the reply keeps the text that it has."""
    return _again(lease.go_on, conversation_id, reply_id)


@blueprint.post("/chats/<id:conversation_id>/replies/<id:reply_id>/regenerate")
def regenerate(conversation_id: str, reply_id: str) -> Redirect:
    """Another reply beside this one. Safe to repeat with the hidden `submit_id`."""
    owner = _owner()
    reply = branches.reply(house().database, owner, conversation_id, reply_id)
    fields.offered(reply.model)
    sent = history.regenerate(house().database, owner, reply, composer.submit_id(), _admit(owner))
    return _to_chat(conversation_id, at=sent.message_id)


@blueprint.post("/chats/<id:conversation_id>/replies/<id:reply_id>/stop")
def stop(conversation_id: str, reply_id: str) -> Redirect | Response:
    at, reply = _branch(conversation_id), branches.reply(house().database, _owner(), conversation_id, reply_id)
    house().replies.stop(reply.id)
    return _stopped(conversation_id, at)


@blueprint.post("/chats/<id:conversation_id>/stop")
def stop_all(conversation_id: str) -> Redirect | Response:
    """All of the chat's replies that wait or are being written."""
    at, chat = _branch(conversation_id), lists.conversation(house().database, _owner(), conversation_id)
    for reply_id in lease.unsettled_of(house().database, chat.id):
        house().replies.stop(reply_id)
    return _stopped(conversation_id, at)


@blueprint.get("/chats/<id:conversation_id>")
def show(conversation_id: str) -> Response:
    """The chat; the response stays open until its replies have settled."""
    owner, at = _owner(), cleaned(request.args.get("at", ""))
    conversation = lists.conversation(house().database, owner, conversation_id)
    messages = branches.branch(house().database, owner, conversation_id, at)
    page = {"conversation": conversation, "messages": messages, "at": at, "composer": _composer(messages, at)}
    page |= {"siblings": branches.siblings(house().database, messages), "seen_from": _seen_from(messages)}
    page |= {"is_instructed": bool(history.instructions(house().database, owner, conversation_id).set)}
    # Last, for what fails before the response is there would not give it back.
    seat = None if request.method == "HEAD" or all(map(_is_settled, messages)) else house().replies.seat(owner)
    live = Live(seat, house(), owner, has_css=_has_css()) if seat else None
    if _wants_plain_text():
        return _open(stream_with_context(plain.pieces(messages, live)), "text/plain", live)
    page |= {"live": live}
    return _open(stream_template("chat/show.html", **page), "text/html", live) if live else Response(_whole(page))


def _open(pieces: Iterator[str], kind: str, live: Live | None) -> Response:
    response = Response(rendering.flushed(pieces), mimetype=kind)
    response.headers["X-Accel-Buffering"] = "no"
    if live:
        response.call_on_close(live.seat.close)
    return response


def _whole(page: dict[str, Any]) -> str:
    return render_template("chat/show.html", **page)


def _again(again: Callable[..., bool], conversation_id: str, reply_id: str) -> Redirect:
    owner, at = _owner(), _branch(conversation_id)
    reply = branches.reply(house().database, owner, conversation_id, reply_id)
    if request.form.get("attempt", reply.attempt, type=int) == reply.attempt:
        fields.offered(reply.model)  # before what had come makes way
        again(house().database, reply.id, reply.attempt, _admit(owner))
    return _to_chat(conversation_id, at=at)


def _stopped(conversation_id: str, at: str) -> Redirect | Response:
    """A Stop from the page's hidden frame leaves the page as it is: its stream goes on to the end."""
    if request.headers.get("Sec-Fetch-Dest") == "iframe":
        return Response(status=HTTPStatus.NO_CONTENT)
    return _to_chat(conversation_id, at=at)


def _seen_from(messages: list[Message]) -> str | None:
    """The oldest message that the newest answer was made from, if older ones were left out."""
    answers = [message for message in messages if message.role == "assistant" and message.is_settled and message.text]
    return answers[-1].seen_from if answers else None


def _is_settled(message: Message) -> bool:
    return message.is_settled


def _has_css() -> bool:
    """Text browsers show every version of a block that grows: they get each once it is closed."""
    return request.user_agent.string.startswith("Mozilla/")


def _wants_plain_text() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "text/plain"], "text/html") == "text/plain"


def _composer(messages: list[Message], at: str) -> composer.Composer:
    last = messages[-1]
    action = url_for(".go_on", conversation_id=last.conversation_id)
    return composer.fresh(action, model=last.model, parent=last.id if at and last.role == "assistant" else "")


def _branch(conversation_id: str) -> str:
    """The message whose branch the form's page showed; empty for the newest branch. Raises `NotFound`."""
    at = cleaned(request.form.get("at", ""))
    return branches.message(house().database, _owner(), conversation_id, at).id if at else ""


def _admit(owner: str) -> lease.Admit:
    return partial(house().limits.admit, _sender(owner))


def _to_chat(conversation_id: str, at: str | None = None) -> Redirect:
    return redirect(url_for(".show", conversation_id=conversation_id, at=at or None), HTTPStatus.SEE_OTHER)
