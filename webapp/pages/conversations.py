"""The list of one's chats, what they are called, and which of them stand on top."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Redirect

from ..chats import lists, naming
from ..chats.instructions import Changed, version
from ..chats.lists import Front, Place, TooManyPinned
from ..chats.records import Conversation
from ..chats.text import TITLE_CHARACTERS, title
from ..sentences import Sentence
from ..web import sessions, signin
from . import deleted, fields, listing, search, visitor
from .house import house

blueprint = Blueprint("conversations", __name__)

TOO_MANY_PINNED = Sentence(
    "You have {most} pinned chats, which is the most: unpin one to pin another.", most=lists.MOST_PINNED
)


@dataclass(frozen=True)
class Form:
    """What stands in it. `other` is what another tab has stored since, by label."""

    name: str
    version: str
    problem: str = ""
    other: Mapping[str, str] | None = None


@blueprint.get("/chats")
def index() -> ResponseReturnValue:
    """A page of chats; `?before=`, where the page before it ended, is the next one. With `?q=` a search in them."""
    if request.args.get("q") is not None:
        return search.page()
    owner, before = signin.owner(), listing.asked_for()
    front = _front(owner, before) if owner else Front([], [])
    return render_template(
        "conversations.html",
        pinned=front.pinned,
        days=listing.by_day(front.recent),
        before=listing.written(before),
        following=listing.following([Place(chat.updated_at, chat.id) for chat in front.recent]),
        undo=deleted.undo(owner),
        has_history=owner is not None,
        has_chats_from_before=sessions.owner() not in (None, owner),
    )


@blueprint.get("/chats/<id:conversation_id>/rename")
def ask_for_name(conversation_id: str) -> str:
    chat = _find(conversation_id)
    return _page(chat, Form(chat.title, version(chat.title)))


@blueprint.post("/chats/<id:conversation_id>/rename")
def rename(conversation_id: str) -> ResponseReturnValue:
    chat, typed, seen = _find(conversation_id), fields.text("name"), fields.text("version")
    try:
        naming.rename(house().database, visitor.owner(), conversation_id, _name(typed), seen)
    except HTTPException as error:
        return _page(chat, Form(typed, seen, problem=error.description or "")), error.code or 400
    except Changed as error:
        return _page(chat, Form(typed, version(error.now), other={Sentence("Name"): error.now})), HTTPStatus.CONFLICT
    return _to_chat(conversation_id)


@blueprint.post("/chats/<id:conversation_id>/pin")
def pin(conversation_id: str) -> Redirect:
    """`pinned` says how it shall be: a second press does not undo the first."""
    try:
        lists.pin(house().database, visitor.owner(), conversation_id, is_pinned=bool(fields.text("pinned")))
    except TooManyPinned:
        abort(HTTPStatus.CONFLICT, TOO_MANY_PINNED)
    return listing.back_to_list() or _to_chat(conversation_id)


def _front(owner: str, before: Place | None) -> Front:
    """Pinned chats stand on the first page alone."""
    if before is None:
        return lists.front(house().database, owner, lists.PAGE)
    return Front([], lists.recent(house().database, owner, before))


def _find(conversation_id: str) -> Conversation:
    return lists.conversation(house().database, visitor.owner(), conversation_id)


def _name(typed: str) -> str:
    """Aborts with 400 or 413 and a sentence."""
    fields.limit(Sentence("The name"), typed, TITLE_CHARACTERS)
    return title(typed) or abort(HTTPStatus.BAD_REQUEST, Sentence("Give the chat a name."))


def _page(chat: Conversation, form: Form) -> str:
    return render_template("chat/rename.html", conversation=chat, form=form)


def _to_chat(conversation_id: str) -> Redirect:
    return redirect(url_for("chat.show", conversation_id=conversation_id), HTTPStatus.SEE_OTHER)
