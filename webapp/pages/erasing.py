"""Everything about a person: what there is, and an end to it."""

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from ..chats import erasure, holdings
from ..sentences import Sentence
from ..web import sessions, signin
from . import fields
from .house import house

blueprint = Blueprint("erasing", __name__)

TICK_FIRST = Sentence("Nothing was deleted: tick the box first.")


@blueprint.get("/erase")
def ask() -> str:
    return _page()


@blueprint.post("/erase")
def erase() -> ResponseReturnValue:
    owner = signin.owner()
    if owner and not fields.is_ticked("sure"):
        return _page(TICK_FIRST), HTTPStatus.BAD_REQUEST
    if owner:
        everything_of(owner)
    if owner == sessions.owner():
        sessions.end()
    answer = redirect(url_for(".ask"), HTTPStatus.SEE_OTHER)
    answer.headers["Clear-Site-Data"] = '"cache"'  # as `auth.forget` does
    return answer


def everything_of(owner: str) -> None:
    """Gone from all pages when this returns; the housekeeping is told to leave nothing of it in the files."""
    for reply_id in erasure.unsettled_of(house().database, owner):
        house().replies.stop(reply_id)
    erasure.erase(house().database, house().files, owner)
    house().housekeeping.call()


def _page(problem: str = "") -> str:
    owner = signin.owner()
    held = holdings.of(house().database, owner) if owner else None
    return render_template("erase.html", held=held, problem=problem, is_sqlite=house().database.is_sqlite)
