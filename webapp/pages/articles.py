"""Finished messages as they stand on their page, kept for the next time: most of a chat is the same each time."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from flask import Flask
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from .. import markdown
from ..chats.records import Message, Siblings
from . import rendering
from .kept import kept, of_page

NUL = "\0"


def init_app(app: Flask) -> None:
    app.add_template_filter(runs)
    app.add_template_global(articles)


@pass_context
def articles(context: Context, messages: Sequence[Message], siblings: Mapping[str, Siblings]) -> Markup:
    """Of messages that have settled."""
    form, files, newest = context["composer"], context["files"], context["window"].newest.id
    found, labels, page = kept(), rendering.model_labels(), (context["at"], of_page())

    def article(message: Message) -> str:
        shown = tuple(file.url for file in files.get(message.id, ()))
        key = _key(message, siblings), labels.get(message.model), message.id == newest, shown, page
        return found.made(key, partial(_written, context, message, siblings))

    return markdown.stored("".join(map(article, messages)).replace(NUL, escape(form.submit_id)))


def runs(messages: Iterable[Message], begins: str | None) -> Iterator[list[Message]]:
    """Those that have settled as long as they follow one another, and each of the others; `begins` begins a run."""
    run: list[Message] = []
    for message in messages:
        if run and not (run[-1].is_settled and message.is_settled and message.id != begins):
            yield run
            run = []
        run.append(message)
    if run:
        yield run


def _written(context: Context, message: Message, siblings: Mapping[str, Siblings]) -> str:
    """With a NUL for the submit id, which no other page has: no text holds one."""
    form = replace(context["composer"], submit_id=NUL)
    page = {**context.get_all(), "composer": form, "message": message, "siblings": siblings}
    return context.environment.get_template("chat/message.html").render(page)


def _key(message: Message, siblings: Mapping[str, Siblings]) -> Hashable:
    """What an article is made of besides."""
    place = siblings.get(message.id)
    # A reply whose runner fell silent is shown as interrupted, and may go on growing in the same attempt.
    said = message.attempt, message.status, message.settled_at, len(message.text), len(message.reasoning)
    return message.id, said, tuple(place.ids) if place else ()
