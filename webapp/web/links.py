"""Addresses in templates: Flask works out each kind of them once, and the ids are put in."""

import re
from typing import Any

from flask import Flask, request

HEX = re.compile(r"[0-9a-f]*")


def init_app(app: Flask) -> None:
    """Gives templates a `url_for` that leaves to Flask's what holds anything but ids and the names of static files."""
    kinds: dict[tuple[str, ...], str] = {}

    def url_for(endpoint: str, **values: Any) -> str:
        if None in values.values():
            values = {name: value for name, value in values.items() if value is not None}
        kind: tuple[str, ...] = (endpoint, *values)
        if endpoint == "static":
            kind = (endpoint, values["filename"])
        elif not all(map(_is_id, values.values())):
            return app.url_for(endpoint, **values)
        if kind not in kinds:
            kinds[kind] = _pattern(app, endpoint, values)
        return request.script_root + kinds[kind].format_map(values)

    app.jinja_env.globals.update(url_for=url_for)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and HEX.fullmatch(value) is not None


def _pattern(app: Flask, endpoint: str, values: dict[str, Any]) -> str:
    """The address below the root, with names in the places of the ids."""
    places = {} if endpoint == "static" else {name: f"{number:032x}" for number, name in enumerate(values)}
    url = app.url_for(endpoint, **values | places).removeprefix(request.script_root)
    for name, place in places.items():
        url = url.replace(place, f"{{{name}}}")
    return url
