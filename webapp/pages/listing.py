"""What pages that list chats have in common: where one ends and the next begins, days, and the way back."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from itertools import groupby
from typing import Any

from flask import Flask, redirect, request, url_for
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from werkzeug.wrappers import Response as Redirect

from .. import markdown
from ..chats import lists
from ..chats.lists import Place
from ..chats.records import Conversation
from ..chats.text import cleaned
from ..sentences import Sentence
from . import fields, rendering
from .kept import kept, of_page

PLACE = re.compile(r"([0-9]+(?:\.[0-9]+)?)-([0-9a-f]{32})")


def init_app(app: Flask) -> None:
    app.add_template_global(rows)


@pass_context
def rows(context: Context, chats: Iterable[Conversation]) -> Markup:
    """Of a list, but for the last line end."""
    template, found, page = context.environment.get_template("conversation.html"), kept(), of_page()
    made = (found.made((chat, page), partial(template.render, conversation=chat)) for chat in chats)
    return markdown.stored("".join(made).removesuffix("\n"))


def asked_for() -> Place | None:
    """Where the page before this one ended; None for the first page, and for anything that `following` never gave."""
    match = PLACE.fullmatch(cleaned(request.args.get("before", "")))
    return Place(float(match[1]), match[2]) if match else None


def following(places: list[Place]) -> str:
    """Where the next page begins, given the places of what is on this one; empty if it is the last."""
    return written(places[-1]) if len(places) == lists.PAGE else ""


def written(place: Place | None) -> str:
    """As an address has it."""
    return f"{place.time!r}-{place.id}" if place else ""


def by_day(chats: Iterable[Conversation]) -> list[tuple[str, list[Conversation]]]:
    """Under the days on which they were last written to."""
    days = groupby(chats, lambda chat: rendering.local_time(chat.updated_at).date())
    return [(_called(day), list(them)) for day, them in days]


def back_to_list() -> Redirect | None:
    """To the page of the list that the form stood on, if it did."""
    return to_list(before=fields.text("before")) if fields.text("to") == "list" else None


def to_list(**query: Any) -> Redirect:
    found = {name: value or None for name, value in query.items()}
    return redirect(url_for("conversations.index", **found), HTTPStatus.SEE_OTHER)


def _called(day: date) -> str:
    today = rendering.today()
    near = {today: Sentence("Today"), today - timedelta(days=1): Sentence("Yesterday")}
    return near.get(day) or Sentence(
        "{weekday}, {day}", weekday=rendering.WEEKDAYS[day.weekday()], day=rendering.day(day)
    )
