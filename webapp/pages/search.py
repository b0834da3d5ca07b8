"""Search in one's chats."""

from flask import render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..chats.search import NEWEST, QUERY_CHARACTERS, Found, parts, search
from ..chats.text import cleaned
from ..sentences import Sentence
from ..web import signin
from . import fields
from .house import house


def page() -> ResponseReturnValue:
    """What `?q=` asks for; `?before=`, where the page before it ended, is the next one."""
    typed, owner = cleaned(request.args.get("q", "")), signin.owner()
    before = request.args.get("before", NEWEST, type=int)
    try:
        fields.limit(Sentence("The search"), typed, QUERY_CHARACTERS)
    except HTTPException as error:
        return _page(typed, [], Found([]), error.description), error.code or 400
    words = parts(typed)
    found = search(house().database, owner, words, min(before, NEWEST)) if owner and words else Found([])
    return _page(typed, words, found)


def _page(typed: str, words: list[str], found: Found, problem: str | None = None) -> str:
    is_first = "before" not in request.args
    return render_template("search.html", typed=typed, words=words, found=found, problem=problem, is_first=is_first)
