"""Addresses on pages: Flask works out each kind of them once, and the ids are put in."""

import re
from typing import Any

from flask import Flask, current_app, request

HEX = re.compile(r"[0-9a-f]*")


class Links:
    """As Flask's `url_for`, to which it leaves what holds anything but ids and the names of static files."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._patterns: dict[tuple[str, ...], str] = {}

    def to(self, endpoint: str, **values: Any) -> str:
        if None in values.values():
            values = {name: value for name, value in values.items() if value is not None}
        kind: tuple[str, ...] = (endpoint, *values)
        if endpoint == "static":
            kind, values = (endpoint, values["filename"]), {}
        elif not _are_ids(values):
            return self._app.url_for(endpoint, **values)
        if kind not in self._patterns:
            self._patterns[kind] = self._pattern(*kind)
        return request.script_root + self._patterns[kind] % values

    def _pattern(self, endpoint: str, *names: str) -> str:
        """The address below the root, with places for the ids."""
        if endpoint == "static":
            return self._below_root(endpoint, filename=names[0])
        places = {name: f"{number:032x}" for number, name in enumerate(names)}
        url = self._below_root(endpoint, **places)
        for name, place in places.items():
            url = url.replace(place, f"%({name})s")
        return url

    def _below_root(self, endpoint: str, **values: Any) -> str:
        return self._app.url_for(endpoint, **values).removeprefix(request.script_root).replace("%", "%%")


def init_app(app: Flask) -> None:
    links = app.extensions["links"] = Links(app)
    app.jinja_env.globals.update(url_for=links.to)


def url_for(endpoint: str, **values: Any) -> str:
    url: str = current_app.extensions["links"].to(endpoint, **values)
    return url


def _are_ids(values: dict[str, Any]) -> bool:
    try:
        return all(map(HEX.fullmatch, values.values()))
    except TypeError:  # a number
        return False
