"""What stands in a record, held against what it should be. Each raises `Refused`."""

from contextlib import suppress
from datetime import datetime
from time import time
from typing import Any

from ...sentences import Sentence
from ..instructions import NOTHING, PARAMETERS, SYSTEM_CHARACTERS, Instructions
from ..text import cleaned
from .found import Record, Refused

NAME_CHARACTERS = 200
DAY = 86400.0
# Some products write thousandths, millionths or billionths of a second: what is later than the year 5138 is in those.
LATEST = 1e11


def text(record: Record, name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(Sentence("“{name}” is no text", name=name))
    return cleaned(value)


def short(record: Record, name: str) -> str:
    """A name rather than a text: longer ones are cut."""
    return text(record, name)[:NAME_CHARACTERS]


def id_or_none(record: Record, name: str) -> str | None:
    return short(record, name) or None


def object_(record: Record, name: str) -> Record:
    """Empty if there is none."""
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(Sentence("“{name}” is no object", name=name))
    return value


def objects(record: Record, name: str) -> list[Record]:
    """Empty if there is none."""
    return [_object_in(name, value) for value in list_(record, name)]


def list_(record: Record, name: str) -> list[Any]:
    value = record.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(Sentence("“{name}” is no list", name=name))
    return value


def count(record: Record, name: str) -> int | None:
    value = record.get(name)
    if value is not None and not (type(value) is int and value >= 0):
        raise Refused(Sentence("“{name}” is no count", name=name))
    return value


def moment(record: Record, name: str) -> float | None:
    """Seconds since 1970, UTC, whether it is written as a number or as in ISO 8601. Zero is no time."""
    value = record.get(name)
    if isinstance(value, str) and value:
        value = _iso(name, value)
    if value is None or value == "" or value == 0:
        return None
    if type(value) not in (int, float):
        raise Refused(Sentence("“{name}” is no time", name=name))
    while value > LATEST:
        value /= 1000
    if not 0 < value <= time() + DAY:
        raise Refused(Sentence("“{name}” is a time that cannot be", name=name))
    return float(value)


def instructions(given: Record, system: str) -> Instructions:
    """Those that a chat can have here; `given` are parameters by our names."""
    kept: dict[str, Any] = {}
    for parameter in PARAMETERS:
        value = given.get(parameter.name)
        if type(value) in (int, float):
            with suppress(ValueError):
                kept[parameter.name] = parameter.value(f"{value}".removesuffix(".0"))
    fits = len(system.strip()) > 0 and len(system) <= SYSTEM_CHARACTERS
    return Instructions(system if fits else "", **kept) if fits or kept else NOTHING


def _object_in(name: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise Refused(Sentence("“{name}” holds something else than objects", name=name))
    return value


def _iso(name: str, value: str) -> float:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        raise Refused(Sentence("“{name}” is no time", name=name)) from None
