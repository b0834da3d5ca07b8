"""Parts of pages as they were put together, kept for the next time: most of a page is the same each time."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import cast

from flask import Flask, current_app, request

from ..web import i18n
from . import rendering

BYTES = 16_000_000  # of each worker


def init_app(app: Flask) -> None:
    app.extensions["kept"] = Kept(BYTES)


def kept() -> "Kept":
    return cast(Kept, current_app.extensions["kept"])


def of_page() -> Hashable:
    """What every part of a page depends on."""
    return i18n.language().code, rendering.today(), request.script_root


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

    def made(self, key: Hashable, make: Callable[[], str]) -> str:
        """What is kept by this key, made now if nothing is."""
        words = self.get(key)
        if words is None:
            words = make()
            self.add(key, words)
        return words

    def add(self, key: Hashable, words: str) -> None:
        with self._lock:
            self._left += len(self._found.pop(key, "")) - len(words)
            self._found[key] = words
            while self._left < 0:
                self._left += len(self._found.popitem(last=False)[1])
