"""What the product says to people: in English, and with what another language needs to say it again."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

Value: TypeAlias = str | int

PARTS = "\x1f"  # the unit separator of ASCII; JSON writes it in another way


class Sentence(str):
    """The English words: `text` with its `{values}` filled in. A page says them in the reader's language.

    A value may be a sentence again; a number is written as the language writes numbers. `many` is the text for any
    other `number` than one.
    """

    text: str
    many: str
    number: int
    values: Mapping[str, Value]

    def __new__(cls, text: str, /, **values: Value) -> Self:
        return cls.made(text, "", 1, values)

    @classmethod
    def made(cls, text: str, many: str, number: int, values: Mapping[str, Value]) -> Self:
        self = super().__new__(cls, filled(text if number == 1 else many, values, in_english))
        self.text, self.many, self.number, self.values = text, many, number, values
        return self

    def __str__(self) -> str:
        """Itself: so `str(error)` of an error that was raised with a sentence is that sentence."""
        return self


def plural(one: str, many: str, number: int, /, **values: Value) -> Sentence:
    """`one` or `many`, both of which may say `{number}`."""
    return Sentence.made(one, many, number, {"number": number, **values})


def filled(text: str, values: Mapping[str, Value], written: Callable[[Value], str]) -> str:
    return text.format_map({name: written(value) for name, value in values.items()}) if values else text


def in_english(value: Value) -> str:
    return f"{value:,}" if isinstance(value, int) else value


NOTHING = Sentence("")


def packed(words: str) -> str:
    """Words for a database: in English, and behind them the parts of a sentence that has values."""
    english = words.replace(PARTS, " ")
    has_parts = isinstance(words, Sentence) and words.values
    return f"{english}{PARTS}{json.dumps(_parts(words), ensure_ascii=False)}" if has_parts else english


def unpacked(stored: str) -> Sentence:
    if not stored:
        return NOTHING
    _english, separator, parts = stored.partition(PARTS)
    return _whole(json.loads(parts)) if separator else Sentence(stored)


def _parts(value: Value) -> Any:
    if not isinstance(value, Sentence):
        return value
    return [value.text, value.many, value.number, {name: _parts(part) for name, part in value.values.items()}]


def _whole(parts: Any) -> Any:
    if not isinstance(parts, list):
        return parts
    text, many, number, values = parts
    return Sentence.made(text, many, number, {name: _whole(part) for name, part in values.items()})
