"""Links to one's own chats: make one, see them all, revoke one."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from time import time

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Redirect

from ..chats import branches, lists, shares
from ..chats.records import Conversation
from ..chats.shares import Wish
from ..chats.text import cleaned, title
from ..sentences import Sentence
from ..web import signin, submit
from . import composer, fields, rendering, visitor
from .house import house

blueprint = Blueprint("sharing", __name__)

AS_IT_STANDS, AS_IT_GOES_ON = "stands", "goes-on"
PERIODS = {"": None, "day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
DAY_CHARACTERS = 20
TEMPORARY = Sentence("A temporary chat cannot be shared: keep it first.")


@dataclass(frozen=True)
class Form:
    """What stands in it, letter by letter."""

    at: str
    kind: str = AS_IT_STANDS
    ends: str = "month"
    day: str = ""
    name: str = ""
    submit_id: str = ""
    problem: str = ""
    other: None = None


@blueprint.get("/shares")
def index() -> str:
    owner = signin.owner()
    return render_template("share/all.html", shares=shares.of_owner(house().database, owner) if owner else [])


@blueprint.get("/chats/<id:conversation_id>/share")
def ask(conversation_id: str) -> str:
    at = cleaned(request.args.get("at", ""))
    leaf_id = branches.leaf(house().database, visitor.owner(), conversation_id, at)
    return _page(conversation_id, Form(leaf_id, submit_id=submit.new_id()))


@blueprint.post("/chats/<id:conversation_id>/share")
def share(conversation_id: str) -> ResponseReturnValue:
    chat = lists.conversation(house().database, visitor.owner(), conversation_id)
    sent = _sent()
    try:
        _add(_wish(chat, sent))
    except HTTPException as error:
        return _page(chat.id, replace(sent, problem=error.description or "")), error.code or 400
    except shares.TooMany as error:
        return _page(chat.id, replace(sent, problem=str(error))), HTTPStatus.CONFLICT
    return _see(url_for(".ask", conversation_id=chat.id, at=sent.at or None, _anchor="links"))


@blueprint.post("/chats/<id:conversation_id>/shares/<id:share_id>/revoke")
def revoke(conversation_id: str, share_id: str) -> Redirect:
    """Back to the list of all links if it was pressed there."""
    shares.revoke(house().database, visitor.owner(), conversation_id, share_id)
    return _see(url_for(".index") if fields.text("list") else url_for(".ask", conversation_id=conversation_id))


def _sent() -> Form:
    kind, ends, day, name = map(fields.text, ("kind", "ends", "day", "name"))
    return Form(fields.text("at"), kind, ends, day, name, fields.text("submit_id"))


def _add(wish: Wish) -> None:
    """Counts as a message does: nobody makes links without end."""
    owner = visitor.owner()
    admit = partial(house().limits.admit, visitor.sender(owner), reply_id="")
    shares.add(house().database, owner, wish, composer.submit_id(), admit)


def _wish(chat: Conversation, sent: Form) -> Wish:
    """Aborts with 400, 409 or 413 and a sentence."""
    if chat.is_temporary:
        abort(HTTPStatus.CONFLICT, TEMPORARY)
    fields.limit(Sentence("Your name"), sent.name, shares.NAME_CHARACTERS)
    if sent.kind not in ("", AS_IT_STANDS, AS_IT_GOES_ON) or sent.ends not in PERIODS:
        abort(HTTPStatus.BAD_REQUEST, Sentence("Pick what readers see, and when the link ends, from what is offered."))
    ends = _day(sent.day) or PERIODS[sent.ends]
    return Wish(chat.id, sent.at, sent.kind == AS_IT_GOES_ON, ends, title(sent.name))


def _day(typed: str) -> date | None:
    if not typed.strip():
        return None
    fields.limit(Sentence("The day"), typed, DAY_CHARACTERS)
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        abort(
            HTTPStatus.BAD_REQUEST, Sentence("The day on which the link ends must look like 2031-12-24, or be empty.")
        )
    if not _today() <= day < date.max:
        abort(HTTPStatus.BAD_REQUEST, Sentence("The day on which the link ends must be today or later."))
    return day


def _page(conversation_id: str, form: Form) -> str:
    owner = visitor.owner()
    return render_template(
        "share/one.html",
        conversation=lists.conversation(house().database, owner, conversation_id),
        form=form,
        shares=shares.of_chat(house().database, owner, conversation_id),
        today=_today(),
    )


def _today() -> date:
    return rendering.local_time(time()).date()


def _see(address: str) -> Redirect:
    return redirect(address, HTTPStatus.SEE_OTHER)
