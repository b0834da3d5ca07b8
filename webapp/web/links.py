"""Addresses on pages: Flask works out each kind of them once, and the ids are put in."""

import re
from typing import Any, cast

from flask import Flask, current_app, request

HEX = re.compile(r"[0-9a-f]*")


def init_app(app: Flask) -> None:
    app.extensions["links"] = {}
    app.jinja_env.globals.update(url_for=url_for)


def url_for(endpoint: str, **values: Any) -> str:
    """As Flask's, to which it leaves what holds anything but ids and the names of static files."""
    if None in values.values():
        values = {name: value for name, value in values.items() if value is not None}
    kind: tuple[str, ...] = (endpoint, *values)
    if endpoint == "static":
        kind = (endpoint, values["filename"])
    elif not all(map(_is_id, values.values())):
        return current_app.url_for(endpoint, **values)
    patterns = cast(dict[tuple[str, ...], str], current_app.extensions["links"])
    if kind not in patterns:
        patterns[kind] = _pattern(endpoint, values)
    return request.script_root + patterns[kind].format_map(values)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and HEX.fullmatch(value) is not None


def _pattern(endpoint: str, values: dict[str, Any]) -> str:
    """The address below the root, with names in the places of the ids."""
    places = {} if endpoint == "static" else {name: f"{number:032x}" for number, name in enumerate(values)}
    url = current_app.url_for(endpoint, **values | places).removeprefix(request.script_root)
    for name, place in places.items():
        url = url.replace(place, f"{{{name}}}")
    return url
