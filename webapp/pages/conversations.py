"""The list of one's chats."""

from math import inf

from flask import Blueprint, render_template, request

from ..chats import lists
from ..web import sessions, signin
from .house import house

blueprint = Blueprint("conversations", __name__)


@blueprint.get("/chats")
def index() -> str:
    """A page of chats; `?before=`, a time in seconds, is the next one."""
    owner = signin.owner()
    before = request.args.get("before", inf, type=float)
    found = lists.recent(house().database, owner, before) if owner else []
    return render_template(
        "conversations.html",
        conversations=found,
        is_full=len(found) == lists.PAGE,
        has_chats_from_before=sessions.owner() not in (None, owner),
    )
