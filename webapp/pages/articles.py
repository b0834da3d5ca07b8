"""Finished messages as they stand on their page, kept for the next time: most of a chat is the same each time."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from flask import Flask, request
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from .. import markdown
from ..chats.records import Message, Siblings
from ..web import i18n
from . import rendering

BYTES = 16_000_000  # of each worker
NUL = "\0"


class Kept:
    """What was used last, up to so many characters in all."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._found: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> str | None:
        with self._lock:
            if found := self._found.get(key):
                self._found.move_to_end(key)
            return found

    def add(self, key: Hashable, words: str) -> None:
        with self._lock:
            self._left += len(self._found.pop(key, "")) - len(words)
            self._found[key] = words
            while self._left < 0:
                self._left += len(self._found.popitem(last=False)[1])


def init_app(app: Flask) -> None:
    kept = Kept(BYTES)
    app.add_template_filter(runs)

    @app.template_global()
    @pass_context
    def articles(context: Context, messages: Sequence[Message], siblings: Mapping[str, Siblings]) -> Markup:
        """Of messages that have settled."""
        form, files, of_page = context["composer"], context["files"], _of_page(context)
        newest, labels = context["window"].newest.id, rendering.model_labels()

        def article(message: Message) -> str:
            shown = tuple(file.url for file in files.get(message.id, ()))
            key = _key(message, siblings), labels.get(message.model), message.id == newest, shown, of_page
            words = kept.get(key)
            if words is None:
                words = _written(context, message, siblings)
                kept.add(key, words)
            return words

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


def _of_page(context: Context) -> Hashable:
    """What all of a page's articles depend on."""
    return context["at"], i18n.language().code, rendering.today(), request.script_root


def _key(message: Message, siblings: Mapping[str, Siblings]) -> Hashable:
    """What an article is made of besides."""
    place = siblings.get(message.id)
    # A reply whose runner fell silent is shown as interrupted, and may go on growing in the same attempt.
    said = message.attempt, message.status, message.settled_at, len(message.text), len(message.reasoning)
    return message.id, said, tuple(place.ids) if place else ()
