"""A chat: begin it, read it, go on with it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, stream_template, stream_with_context
from werkzeug.wrappers import Response as Redirect

from .. import providers
from ..chats import attachments, branches, history, lease, lists, windows
from ..chats.records import Message
from ..chats.text import cleaned
from ..chats.windows import Part
from ..web import signin
from ..web.body import takes_files
from ..web.links import url_for
from . import composer, fields, plain, rendering, sidebar
from .attachments import shown
from .fields import Typed
from .house import house
from .live import Live
from .visitor import owner as _owner
from .visitor import sender as _sender

blueprint = Blueprint("chat", __name__)


@blueprint.get("/")
def new() -> Response:
    words = cleaned(request.args.get("q", ""))
    form = composer.fresh(url_for("chat.begin"), words, typed=Typed(preset=cleaned(request.args.get("preset", ""))))
    page = Response(
        render_template("chat/new.html", composer=form, has_model=providers.has_model(), chats=sidebar.chats())
    )
    # With no-store, Back would fetch another submit id for the words that the browser restores, and Send send twice.
    # But where somebody can sign out, Back must not bring back the titles beside the form.
    if not house().settings.can_sign_out:
        page.headers["Cache-Control"] = "private, no-cache"
    return page


@blueprint.post("/chats")
@takes_files
def begin() -> Redirect:
    draft = composer.first_draft()
    owner = signin.owner_for(draft.submit_id, partial(house().limits.check, _sender("")))
    with attachments.kept(house().database, house().files, draft.pictures):
        sent = history.begin(house().database, owner, draft, _admit(owner))
    return _to_chat(sent.conversation_id)


@blueprint.post("/chats/<id:conversation_id>/messages")
@takes_files
def go_on(conversation_id: str) -> Redirect:
    draft, owner = composer.draft(), _owner()
    with attachments.kept(house().database, house().files, draft.pictures):
        sent = history.append(house().database, owner, conversation_id, draft, _admit(owner))
    return _to_chat(sent.conversation_id, at=sent.message_id if draft.parent_id or draft.edits else None)


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
    """A window on the chat, or with `all` the whole branch; stays open until the replies on it have settled."""
    owner, at, is_whole = _owner(), _asked("at"), bool(_asked("all"))
    if _wants_plain_text():
        return _text(owner, conversation_id, at)
    before = "" if is_whole else _asked("before")
    with house().database.read():
        conversation = lists.conversation(house().database, owner, conversation_id)
        window = windows.window(house().database, owner, conversation_id, at, before)
        page = {"conversation": conversation, "window": window, "at": at, "is_whole": is_whole}
        page |= {"parts": _whole(owner, conversation_id, at) if is_whole else [_part(window.messages)]}
        page |= {"composer": _composer(window.newest, is_newest=not (at or before))}
        page |= {"files": shown(conversation.id), "chats": sidebar.chats()}
        page |= {"is_instructed": bool(history.instructions(house().database, owner, conversation_id).set)}
    live = _live(owner, window.tail if is_whole else window.messages)
    page |= {"live": live}
    if live or is_whole:
        return _open(stream_template("chat/show.html", **page), "text/html", live)
    return Response(render_template("chat/show.html", **page))


def _text(owner: str, conversation_id: str, at: str) -> Response:
    """The whole branch."""
    window = windows.window(house().database, owner, conversation_id, at)
    messages = (message for part in _whole(owner, conversation_id, at) for message in part.messages)
    files = attachments.names(house().database, conversation_id)
    live = _live(owner, window.tail)
    return _open(stream_with_context(plain.pieces(messages, live, files)), "text/plain", live)


def _whole(owner: str, conversation_id: str, at: str) -> Iterator[Part]:
    return windows.whole(house().database, branches.ids(house().database, owner, conversation_id, at))


def _part(messages: list[Message]) -> Part:
    return windows.part(house().database, messages)


def _live(owner: str, messages: list[Message]) -> Live | None:
    """For those that have not settled, if there is a seat. Last: what fails after it would not give it back."""
    is_over = request.method == "HEAD" or all(message.is_settled for message in messages)
    seat = None if is_over else house().replies.seat(owner)
    return Live(seat, house(), owner, has_css=_has_css()) if seat else None


def _open(pieces: Iterator[str], kind: str, live: Live | None) -> Response:
    response = Response(rendering.flushed(pieces), mimetype=kind)
    response.headers["X-Accel-Buffering"] = "no"
    if live:
        response.call_on_close(live.seat.close)
    return response


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


def _has_css() -> bool:
    """Text browsers show every version of a block that grows: they get each once it is closed."""
    return request.user_agent.string.startswith("Mozilla/")


def _wants_plain_text() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "text/plain"], "text/html") == "text/plain"


def _composer(newest: Message, *, is_newest: bool) -> composer.Composer:
    """Goes on after the newest message of the branch that is shown; `is_newest`: that of the whole chat then was."""
    form = composer.fresh(url_for("chat.go_on", conversation_id=newest.conversation_id), model=newest.model)
    if is_newest or newest.role != "assistant":
        return replace(form, at=newest.id)
    return replace(form, parent=newest.id)


def _asked(name: str) -> str:
    return cleaned(request.args.get(name, ""))


def _branch(conversation_id: str) -> str:
    """The message whose branch the form's page showed; empty for the newest branch. Raises `NotFound`."""
    at = cleaned(request.form.get("at", ""))
    return branches.message(house().database, _owner(), conversation_id, at).id if at else ""


def _admit(owner: str) -> lease.Admit:
    return partial(house().limits.admit, _sender(owner))


def _to_chat(conversation_id: str, at: str | None = None) -> Redirect:
    return redirect(url_for("chat.show", conversation_id=conversation_id, at=at or None), HTTPStatus.SEE_OTHER)
