"""Markdown → its words: what is left to read when the markup is taken away, for copying into a mail or a program."""

import re
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from pyromark import events

from .markdown import MAX_DEPTH, MAX_INPUT, OPTIONS
from .mathml import formulas


def words(text: str) -> str:
    """Code and formulas as written, list markers, quotes' marks and links' addresses kept, cells parted by tabs.

    What exceeds the limits of rendering comes back as it is.
    """
    if len(text) > MAX_INPUT:
        return text
    sources: list[str] = []
    token = token_hex(16)  # unknown to the message, so nothing in it can pose as a place
    masked = _masked(text, token, sources)
    found = _without_markup(masked)
    return text if found is None else re.sub(rf"{token}x(\d+);", lambda place: sources[int(place[1])], found)


def _masked(text: str, token: str, sources: list[str]) -> str:
    """The text with each formula set aside into `sources`: Markdown would take `_` and `\\\\` in it for its own."""
    parts, position = [], 0
    for formula in formulas(text, OPTIONS):
        parts += [text[position : formula.start], f"{token}x{len(sources)};"]
        sources.append(text[formula.start : formula.end])
        position = formula.end
    return "".join([*parts, text[position:]])


def _without_markup(text: str) -> str | None:
    """None if it is nested too deeply, or if a small table would make much of little."""
    stack: list[tuple[str, Any, list[str]]] = [("", None, [])]
    numbers: list[int | None] = []
    for count, (name, data) in enumerate(map(_named, events(text, options=OPTIONS))):
        if count > MAX_INPUT or len(stack) > MAX_DEPTH:
            return None
        if name == "Start":
            tag, detail = _named(data)
            if tag == "List":
                numbers.append(detail)
            stack.append((tag, numbers[-1] if tag == "Item" else detail, []))
        elif name == "End":
            tag, detail, parts = stack.pop()
            _add(stack[-1][2], tag, _written(tag, detail, "".join(parts)))
            if tag == "Item" and numbers[-1] is not None:
                numbers[-1] += 1
            elif tag == "List":
                numbers.pop()
        else:
            stack[-1][2].append(_LEAVES[name](data))
    return "".join(stack[0][2]).strip("\n") + "\n"


def _named(value: Any) -> tuple[str, Any]:
    """An event or tag as name and data; the parser gives a bare name or a dict of one pair."""
    return (value, None) if isinstance(value, str) else next(iter(value.items()))


def _add(parts: list[str], tag: str, written: str) -> None:
    """A block begins on a line of its own."""
    if tag in _BLOCKS and parts and not parts[-1].endswith("\n"):
        parts.append("\n")
    parts.append(written)


def _written(tag: str, detail: Any, inner: str) -> str:
    match tag:
        case "Item":
            marker = "- " if detail is None else f"{detail}. "
            return _hung(marker, " " * len(marker), inner)
        case "BlockQuote":
            return _hung("> ", "> ", inner) + "\n"
        case "FootnoteDefinition":
            return _hung(f"[{detail}] ", "    ", inner) + "\n"
        case "Link" | "Image":
            address = detail["dest_url"]
            return inner if inner == address else f"{inner} ({address})" if inner else address
        case "TableCell":
            return f"{inner}\t"
        case "TableHead" | "TableRow":
            return inner.removesuffix("\t") + "\n"
    return f"{inner.rstrip(chr(10))}\n{_BLOCKS[tag]}" if tag in _BLOCKS else inner


def _hung(first: str, others: str, inner: str) -> str:
    """The lines behind a marker."""
    lines = [f"{others}{line}".rstrip() for line in inner.strip("\n").splitlines()]
    return "\n".join([f"{first}{lines[0].removeprefix(others)}", *lines[1:]] if lines else [first.rstrip()]) + "\n"


# What stands on lines of its own, and what follows it.
_BLOCKS = {
    **dict.fromkeys(("Paragraph", "Heading", "CodeBlock", "HtmlBlock", "List", "Table"), "\n"),
    **dict.fromkeys(("Item", "BlockQuote", "FootnoteDefinition", "TableHead", "TableRow"), ""),
}

_LEAVES: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("Text", "Code", "Html", "InlineHtml"), str),
    "SoftBreak": lambda _: "\n",
    "HardBreak": lambda _: "\n",
    "Rule": lambda _: "---\n\n",
    "TaskListMarker": lambda is_done: "[x] " if is_done else "[ ] ",
    "FootnoteReference": lambda label: f"[{label}]",
}
