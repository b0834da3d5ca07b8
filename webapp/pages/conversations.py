"""The list of one's chats."""

from flask import Blueprint, render_template

from ..chats import history
from ..web import sessions
from .house import house

blueprint = Blueprint("conversations", __name__)


@blueprint.get("/chats")
def index() -> str:
    owner = sessions.owner()
    found = history.recent(house().database, owner) if owner else []
    return render_template("conversations.html", conversations=found)
