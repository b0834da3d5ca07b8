"""Chats that are deleted, one or all, and what can be done about it afterwards."""

from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from ..chats import deleted, lists
from ..chats.lists import Place
from ..chats.owned import KEPT_DAYS
from ..chats.text import cleaned
from ..web import signin
from . import fields, listing, visitor
from .house import house

blueprint = Blueprint("deleted", __name__)


@dataclass(frozen=True)
class Undo:
    """What the notice after a deletion says: one chat by its title, or many that were deleted at one moment."""

    chat_id: str = ""
    title: str = ""
    count: int = 1
    moment: float | None = None


def undo(owner: str | None) -> Undo | None:
    """For the page of the list to which a deletion leads; nothing if it was undone, or is not this owner's."""
    chat_id, moment = cleaned(request.args.get("deleted", "")), request.args.get("deleted_at", type=float)
    chat = deleted.find(house().database, owner, chat_id) if owner and chat_id else None
    if chat:
        return Undo(chat.id, chat.title)
    count = deleted.count(house().database, owner, moment) if owner and moment else 0
    return Undo(count=count, moment=moment) if count else None


@blueprint.post("/chats/<id:conversation_id>/delete")
def delete(conversation_id: str) -> Redirect:
    deleted.remove(house().database, visitor.owner(), conversation_id)
    _stop_replies()
    return listing.to_list(before=fields.text("before"), deleted=conversation_id)


@blueprint.post("/chats/<id:conversation_id>/restore")
def restore(conversation_id: str) -> Redirect:
    deleted.restore(house().database, visitor.owner(), conversation_id)
    return listing.back_to_list() or _to_deleted()


@blueprint.get("/chats/delete")
def ask_about_all() -> str:
    owner = signin.owner()
    front = lists.front(house().database, owner, 1) if owner else None
    return render_template("delete-all.html", has_chats=bool(front and (front.pinned or front.recent)), days=KEPT_DAYS)


@blueprint.post("/chats/delete")
def delete_all() -> Redirect:
    moment = deleted.remove_all(house().database, visitor.owner())
    _stop_replies()
    return listing.to_list(deleted_at=moment)


@blueprint.get("/chats/deleted")
def index() -> str:
    owner, before = signin.owner(), listing.asked_for()
    chats = deleted.recent(house().database, owner, before) if owner else []
    return render_template(
        "deleted.html",
        groups=[(moment, list(them)) for moment, them in groupby(chats, lambda chat: chat.deleted_at)],
        following=listing.following([Place(chat.deleted_at or 0, chat.id) for chat in chats]),
        days=KEPT_DAYS,
    )


@blueprint.post("/chats/deleted")
def restore_or_erase_all() -> Redirect:
    """Restores what was deleted at the moment `restore`, and deletes for good what was deleted until `until`."""
    owner, moment, until = visitor.owner(), _moment("restore"), _moment("until")
    if moment:
        deleted.restore_all(house().database, owner, moment)
    if until:
        deleted.erase_all(house().database, owner, until)
        house().housekeeping.call()
    return _to_deleted() if until else listing.to_list()


@blueprint.post("/chats/<id:conversation_id>/erase")
def erase(conversation_id: str) -> Redirect:
    """Deletes it for good, unless it has been restored meanwhile: then it is shown."""
    is_erased = deleted.erase(house().database, visitor.owner(), conversation_id)
    house().housekeeping.call()
    chat = url_for("chat.show", conversation_id=conversation_id)
    return _to_deleted() if is_erased else redirect(chat, HTTPStatus.SEE_OTHER)


def _stop_replies() -> None:
    for reply_id in deleted.unsettled(house().database, visitor.owner()):
        house().replies.stop(reply_id)


def _moment(name: str) -> float | None:
    return request.form.get(name, type=float)


def _to_deleted() -> Redirect:
    return redirect(url_for(".index"), HTTPStatus.SEE_OTHER)
