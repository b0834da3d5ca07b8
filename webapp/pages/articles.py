"""Finished messages as they stand on their page, kept for the next time: most of a chat is the same each time."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from threading import Lock

from flask import Flask, request
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from .. import markdown
from ..chats.records import Message, Siblings
from ..web import i18n
from . import rendering

BYTES = 16_000_000  # of each worker


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

    @app.template_global()
    @pass_context
    def article(context: Context, message: Message, siblings: Mapping[str, Siblings]) -> Markup:
        """A message that has settled."""
        key = _key(context, message, siblings)
        words = kept.get(key) if key else None
        if words is None:
            page = {**context.get_all(), "message": message, "siblings": siblings}
            words = context.environment.get_template("chat/message.html").render(page)
            if key:
                kept.add(key, words)
        return markdown.stored(words)


def _key(context: Context, message: Message, siblings: Mapping[str, Siblings]) -> Hashable:
    """All that its article is made of; None if there is something that no other page has."""
    if message.id == context["window"].newest.id or message.id in context["files"]:
        return None
    place = siblings.get(message.id)
    versions = tuple(place.ids) if place else ()
    # A reply whose runner fell silent is shown as interrupted, and may go on growing in the same attempt.
    said = (message.id, message.attempt, message.status, message.settled_at, len(message.text), len(message.reasoning))
    return (
        said,
        rendering.model_label(message.model),
        versions,
        context["at"],
        i18n.language().code,
        rendering.today(),
        request.script_root,
    )
