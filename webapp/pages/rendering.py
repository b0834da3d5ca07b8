"""What templates need to show a message: its HTML, its time, its model, and where a page is flushed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from time import time as now
from typing import Any

from flask import Flask, g
from markupsafe import Markup

from .. import markdown, providers
from ..chats.instructions import PARAMETERS
from ..chats.records import Message
from ..sentences import Sentence
from ..web import i18n

MONTHS = (
    Sentence("January"),
    Sentence("February"),
    Sentence("March"),
    Sentence("April"),
    Sentence("May"),
    Sentence("June"),
    Sentence("July"),
    Sentence("August"),
    Sentence("September"),
    Sentence("October"),
    Sentence("November"),
    Sentence("December"),
)
WEEKDAYS = (
    Sentence("Monday"),
    Sentence("Tuesday"),
    Sentence("Wednesday"),
    Sentence("Thursday"),
    Sentence("Friday"),
    Sentence("Saturday"),
    Sentence("Sunday"),
)

YOU, A_MODEL = Sentence("You"), Sentence("A model")

FLUSH = "\0"  # no text holds NUL: it is replaced at the door
MOST_PIECES, MOST_CHARACTERS = 1000, 65_536


def init_app(app: Flask) -> None:
    app.add_template_filter(html)
    app.add_template_filter(local_time)
    app.add_template_filter(hour)
    app.add_template_filter(grouped)
    app.add_template_filter(model_label)
    for made in (clock, moment, writer):
        app.add_template_filter(_said(made), made.__name__)
    app.jinja_env.globals.update(flush=FLUSH, parameters=PARAMETERS)


def html(message: Message) -> Markup:
    """The message as it was rendered when it was stored; anew if the renderer has changed since."""
    if message.renderer == markdown.RENDERER_VERSION:
        return markdown.stored(message.html)
    return markdown.render(message.text, breaks=message.role == "user")


def local_time(seconds: float) -> datetime:
    """In the server's time zone: server and team share one more often than not."""
    return datetime.fromtimestamp(seconds).astimezone()


def today() -> date:
    return local_time(now()).date()


def hour(time: datetime) -> str:
    return f"{time:%H:%M}"


def clock(time: datetime) -> str:
    """The hour, and the day unless it is today."""
    return hour(time) if time.date() == today() else moment(time)


def moment(time: datetime) -> Sentence:
    """The day and the hour."""
    return Sentence("{day}, {hour}", day=day(time.date()), hour=hour(time))


def day(date: date) -> Sentence:
    return Sentence("{day} {month} {year}", day=date.day, month=MONTHS[date.month - 1], year=str(date.year))


def grouped(number: int) -> str:
    """As the reader's language writes it."""
    return i18n.language().number(number)


def model_label(value: str) -> str:
    """The name that the picker shows for `provider/model`."""
    return model_labels().get(value, value)


def model_labels() -> Mapping[str, str]:
    """Those of all models that are offered now."""
    found: Mapping[str, str] | None = g.get("model_labels")
    if found is None:
        found = g.model_labels = {choice.value: choice.label for choice in providers.choices()}
    return found


def writer(message: Message) -> str:
    """Who wrote it, for the person whose chat it is."""
    return YOU if message.role == "user" else model_label(message.model) or A_MODEL


def _said(made: Callable[[Any], str]) -> Callable[[Any], str]:
    """In the reader's language, also where a template puts it into words of its own."""
    return lambda value: i18n.language().say(made(value))


def flushed(pieces: Iterable[str]) -> Iterator[str]:
    """A template's many small pieces, joined up to each flush, or when they are many or long."""
    held, characters = list[str](), 0
    for piece in pieces:
        *whole, rest = piece.split(FLUSH)
        for part in whole:
            yield "".join([*held, part])
            held.clear()
            characters = 0
        held.append(rest)
        characters += len(rest)
        if len(held) >= MOST_PIECES or characters >= MOST_CHARACTERS:
            yield "".join(held)
            held.clear()
            characters = 0
    yield "".join(held)
