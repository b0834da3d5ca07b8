"""Where the blocks of a Markdown text stand that is still being written.

A line's place among the top-level blocks follows from the lines above it alone, and from its own beginning. So a
block is closed for good once the next one has begun in a way that no further character can turn into something else.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pyromark import events_with_range

from .markdown import OPTIONS
from .mathml import Formula, formulas_so_far

HELD_WORDS = 100  # characters that wait for the end of an emphasis; then its mark is shown as it is
HELD_LINES = 500  # characters that wait for the end of a table's row, a link or a formula


class Reach(NamedTuple):
    """How far a text has come, in characters: up to `closed` its blocks are final, up to `shown` it is fit to be seen.

    `shown` leaves out what the next characters will most likely turn into something else: half a link, the dashes
    of a table, an emphasis that has no end yet.
    """

    closed: int
    shown: int


def reach(text: str) -> Reach:
    """How far a text has come that begins with a block and goes on to grow."""
    formulas, pending = formulas_so_far(text, OPTIONS)
    starts = list(_starts(_as_words(text, formulas)))
    closed = max((start for start in starts[1:] if start <= pending and _is_decided(text, start)), default=0)
    shown = _settled(text)
    if len(text) - pending <= HELD_LINES:
        shown = min(shown, pending)
    return Reach(closed, max(closed, min([shown, *(start for start in starts[1:] if start > closed)])))


def _as_words(text: str, formulas: list[Formula]) -> str:
    """The text with a word for each formula, of whose lines none is a heading or a list."""
    parts, position = [], 0
    for formula in formulas:
        parts += [text[position : formula.start], "x" * (formula.end - formula.start)]
        position = formula.end
    return "".join([*parts, text[position:]])


def _starts(text: str) -> Iterator[int]:
    """Where the lines begin that begin a top-level block; the parser counts bytes."""
    raw, at, characters, depth = text.encode(), 0, 0, 0
    for event, place in events_with_range(text, options=OPTIONS):
        kind = _kind(event)
        depth -= kind == "End"
        if depth == 0 and kind != "End":
            characters += len(raw[at : place["start"]].decode())
            at = place["start"]
            yield text.rfind("\n", 0, characters) + 1
        depth += kind == "Start"


def _kind(event: Any) -> str:
    return event if isinstance(event, str) else next(iter(event))


def _is_decided(text: str, start: int) -> bool:
    """Whether the line that begins here will stay what it is, whatever follows."""
    return text.find("\n", start) >= 0 or _DECIDED.match(text, start) is not None


_WORD = r"[^\W\d_]|[^\x00-\x7f]"

_DECIDED = re.compile(
    rf"""[ ]{{0,3}}(?:(?:[-+*>]|\#{{1,6}}|\d{{1,9}}[.)])[ ])*
         (?!```)
         (?:(?:\*{{1,3}}|_{{1,3}}|~~|`{{1,2}}|["'(]){{0,2}}(?:{_WORD}) | !?\[[^\[\]\n^]+\][^:] | \d+[^\d.)] )""",
    re.VERBOSE,
)


# What is fit to be seen


def _settled(text: str) -> int:
    """Up to where the text is fit to be seen, as far as its last line tells."""
    start = text.rfind("\n") + 1
    line = text[start:]
    settled = min(_before_emphasis(line), _before_unfinished(line))
    if len(line) <= HELD_LINES and (_UNDECIDED.fullmatch(line, 0, settled) or _may_be_row(text, start)):
        return start
    return start + settled


def _may_be_row(text: str, start: int) -> bool:
    """Whether the line that begins here follows one that may be a row of a table."""
    return "|" in text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start]


# The rest of a line after these may make another block of it: a list, a rule, a heading, a fence, a row.
_UNDECIDED = re.compile(r"[ \t>]*(?:(?:\||`{3}|~{3}).*|[-+*_=#:~`.)\[\]x> \t\d]*)", re.DOTALL)


def _before_unfinished(line: str) -> int:
    unfinished = _UNFINISHED.search(line, max(0, len(line) - HELD_LINES))
    return unfinished.start() if unfinished else len(line)


_UNFINISHED = re.compile(
    r"""(?: !?\[[^\[\]\n]*(?:\](?:\([^()\n]*)?)?  # a link
          | \b(?:h(?:tt?)?|https?\S*)             # an address
          | &[\#\w]*                              # an entity
          | <[^<>\n]*                             # an address, or HTML
          | \\
        )$""",
    re.VERBOSE,
)


def _before_emphasis(line: str) -> int:
    opened: dict[str, int] = {}
    for mark in _EMPHASIS.finditer(line):
        if mark["run"] and opened.pop(mark["run"], None) is None and _may_open(line, mark):
            opened[mark["run"]] = mark.start()
    return min((start for start in opened.values() if len(line) - start <= HELD_WORDS), default=len(line))


_EMPHASIS = re.compile(r"\\.|(`+)[^`\n]+\1|(?P<run>\*+|_+|~~|`+)")


def _may_open(line: str, mark: re.Match[str]) -> bool:
    before, after = line[max(0, mark.start() - 1) : mark.start()], line[mark.end() : mark.end() + 1]
    return not after.isspace() and not (mark[0][0] == "_" and before.isalnum())
