"""LaTeX in a message: where it stands in the source, and as MathML that is safe to put into a page.

The converter is native code that nothing interrupts: deep nesting overflows its stack, and every opening bracket
that is never closed doubles its time. What might be either is refused before it gets there.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from math_core import LatexError, LatexToMathML
from pyromark import Options, events_with_range

from .characters import INVISIBLE

MAX_LATEX = 2_000  # characters of a formula; a dense page of mathematics has about as many
MAX_BRACES = 40  # braces, environments and \left in each other; the converter's stack holds some thousand
MAX_UNCLOSED = 8  # brackets that stay open; 30 take an hour
MAX_ELEMENTS = 60  # elements of the result in each other; browsers stop at 512


class Formula(NamedTuple):
    """A formula in a source: from where to where, in characters, and what stands between its delimiters."""

    start: int
    end: int
    latex: str
    display: bool


def formulas(source: str, options: Options) -> Iterator[Formula]:
    r"""The formulas `$…$`, `\(…\)`, `$$…$$` and `\[…\]` of a Markdown source, outside its code and its addresses."""
    if _OPENERS.search(source):
        yield from _Scanner(_masked(source, options)).formulas()


def formulas_so_far(source: str, options: Options) -> tuple[list[Formula], int]:
    """The formulas of a source that still grows, and where one begins that more text may end: else the source's end."""
    if not _OPENERS.search(source):
        return [], len(source)
    scanner = _Scanner(_masked(source, options))
    return list(scanner.formulas()), scanner.opened


def mathml(formula: Formula) -> str | None:
    """The formula as MathML of allowed elements and attributes, or nothing if it has errors or exceeds the limits."""
    if not _is_convertible(formula.latex):
        return None
    try:
        return _checked(_converter().convert_with_local_state(formula.latex, displaystyle=formula.display))
    except (LatexError, _NotAllowedError):
        return None


class _NotAllowedError(Exception):
    pass


@cache
def _converter() -> LatexToMathML:
    """Knows no macros: one of a few words could stand for any number of open brackets."""
    return LatexToMathML(max_expansions=0, fancy_error=False)


# Where formulas stand

_OPENERS = re.compile(r"\$|\\[(\[]")

_MARKS = re.compile(r"\\[^\n]|\$+|https?://\S*|\0+|\n(?:[ \t>]*(?=\n))?", re.IGNORECASE)

_CLOSERS = {r"\(": r"\)", r"\[": r"\]", "$$": "$$", "$": "$"}

_MATHEMATICAL = re.compile(r"\\[a-zA-Z]|[\^_=+<>\n]")

_SENTENCE = re.compile(r"[^\W\d_]{4}")


def _masked(source: str, options: Options) -> str:
    """The source with NUL for every character of code, raw HTML and autolinks."""
    parts, position = [], 0
    for start, end in _literal_places(source, options):
        parts += [source[position:start], "\0" * (end - start)]
        position = end
    return "".join([*parts, source[position:]])


def _literal_places(source: str, options: Options) -> Iterator[tuple[int, int]]:
    """From where to where, in characters; the parser counts bytes."""
    raw, at, characters = source.encode(), 0, 0
    for event, place in events_with_range(source, options=options):
        if _is_literal(event) and place["start"] >= at:
            start = characters + len(raw[at : place["start"]].decode())
            at, characters = place["end"], start + len(raw[place["start"] : place["end"]].decode())
            yield start, characters


def _is_literal(event: object) -> bool:
    name, data = _named(event)
    if name != "Start":
        return name in ("Code", "InlineHtml")
    tag, details = _named(data)
    return tag in ("CodeBlock", "HtmlBlock") or (tag == "Link" and details["link_type"] in ("Autolink", "Email"))


def _named(value: Any) -> tuple[str, Any]:
    return (value, None) if isinstance(value, str) else next(iter(value.items()))


class _Scanner:
    """Reads the marks of a source once, from left to right; a mark that finds no partner in its block is text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._opened: re.Match[str] | None = None

    @property
    def opened(self) -> int:
        """Where the formula begins that has not found its end; else the end of the source."""
        return self._opened.start() if self._opened else len(self._source)

    def formulas(self) -> Iterator[Formula]:
        for mark in _MARKS.finditer(self._source):
            if self._opened and mark[0] == _CLOSERS[self._opened[0]] and self._may_close(self._opened, mark):
                yield self._formula(self._opened, mark)
                self._opened = None
            elif self._may_open(mark):
                self._opened = mark
            elif self._opened and self._is_barrier(mark):
                self._opened = None

    def _is_barrier(self, mark: re.Match[str]) -> bool:
        """Code ends what was opened, and so does an empty line; a line end too, for a lone dollar."""
        if mark[0][0] == "\n":
            return self._source.startswith("\n", mark.end()) or bool(self._opened and self._opened[0] == "$")
        return mark[0][0] == "\0"

    def _may_open(self, mark: re.Match[str]) -> bool:
        """A lone dollar opens before a word and not behind one: prices have one, and variables of a shell."""
        if mark[0] != "$":
            return mark[0] in _CLOSERS
        before, after = self._around(mark)
        return bool(after.strip()) and not before.isalnum() and (self._opened is None or self._opened[0] == "$")

    def _may_close(self, opened: re.Match[str], mark: re.Match[str]) -> bool:
        latex = self._source[opened.end() : mark.start()]
        if mark[0][0] == "$":
            return bool(latex.strip()) and (mark[0] == "$$" or self._ends_formula(mark))
        if _MATHEMATICAL.search(latex):
            return True
        return mark[0] == r"\)" and bool(latex.strip()) and not _SENTENCE.search(latex)

    def _ends_formula(self, mark: re.Match[str]) -> bool:
        before, after = self._around(mark)
        return not (before.isspace() or after.isdigit() or (after.isalpha() and before in "/:"))

    def _around(self, mark: re.Match[str]) -> tuple[str, str]:
        return self._source[max(0, mark.start() - 1) : mark.start()], self._source[mark.end() : mark.end() + 1]

    def _formula(self, opened: re.Match[str], mark: re.Match[str]) -> Formula:
        latex = self._source[opened.end() : mark.start()]
        if "\n" in latex:
            latex = re.sub(rf"\n(?:[ \t]*>){{0,{self._quotes(opened)}}}", "\n", latex)
        return Formula(opened.start(), mark.end(), latex.strip(), opened[0] in ("$$", r"\["))

    def _quotes(self, opened: re.Match[str]) -> int:
        """In how many quotes the line stands."""
        line = self._source[self._source.rfind("\n", 0, opened.start()) + 1 : opened.start()]
        return line.count(">", 0, len(line) - len(line.lstrip(" \t>")))


# What may be converted

_STEPS = re.compile(
    r"""(?P<deeper>\{|\\begin\b|\\left(?![a-zA-Z]))
      | (?P<back>\}|\\end\b|\\right(?![a-zA-Z]))
      | (?P<next>&|\\\\)
      | (?P<open>\\\{|\\l(?:vert|Vert|angle?|ang|floor|ceil|brace|brack|group|moustache|lbracket|Brace|Angle|paren
            |lparenthesis|langle)\b|\\[ul]lcorner\b|[(\[⌈⌊❲⟅⟦⟨⟪⟬⟮⦃⦅⦇⦉⦋⦍⦏⦑⦓⦕⦗⧘⧚⧼])
      | (?P<close>\\\}|\\r(?:vert|Vert|angle?|ang|floor|ceil|brace|brack|group|moustache|rbracket|Brace|Angle|paren
            |rparenthesis|rangle)\b|\\[ul]rcorner\b|[)\]⌉⌋❳⟆⟧⟩⟫⟭⟯⦄⦆⦈⦊⦌⦎⦐⦒⦔⦖⦘⧙⧛⧽])
      | \\[a-zA-Z]+ | \\.""",
    re.VERBOSE | re.DOTALL,
)


def _is_convertible(latex: str) -> bool:
    return len(latex) <= MAX_LATEX and not INVISIBLE.search(latex) and _is_shallow(latex)


def _is_shallow(latex: str) -> bool:
    levels, unclosed = [0], 0
    for step in _STEPS.finditer(latex):
        unclosed += _take(levels, step.lastgroup)
        if len(levels) > MAX_BRACES or unclosed + levels[-1] > MAX_UNCLOSED:
            return False
    return unclosed + sum(levels) <= MAX_UNCLOSED


def _take(levels: list[int], step: str | None) -> int:
    """Follows one step; says how many brackets can no longer be closed after it."""
    if step == "deeper":
        levels.append(0)
    elif step == "open":
        levels[-1] += 1
    elif step == "close":
        levels[-1] = max(0, levels[-1] - 1)
    elif step == "next" or (step == "back" and len(levels) == 1):
        lost, levels[-1] = levels[-1], 0
        return lost
    elif step == "back":
        return levels.pop()
    return 0


# What may come out

_ELEMENTS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mpadded", "mphantom"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"),
    *("mtable", "mtr", "mtd", "menclose"),
}

_LENGTH = r"-?[\d.]{1,12}(?:em|ex|mu|px|pt|%)?"

_ATTRIBUTES = {
    **dict.fromkeys(("accent", "accentunder", "displaystyle", "fence", "largeop", "movablelimits"), "true|false"),
    **dict.fromkeys(("separator", "stretchy", "symmetric"), "true|false"),
    **dict.fromkeys(("depth", "height", "linethickness", "lspace", "maxsize", "minsize", "rspace"), _LENGTH),
    **dict.fromkeys(("voffset", "width"), _LENGTH),
    "display": "block",
    "form": "prefix|infix|postfix",
    "mathvariant": "normal",
    "notation": "[a-z ]{1,40}",
    "scriptlevel": r"[+-]?\d",
}

_DROPPED = {"class", "id", "style"}

_PIECES = re.compile(r'<(/?)([a-z]+)((?: [a-z-]+="[^"<>]*")*)(/?)>|([^<>]+)|(.)', re.DOTALL)

_ATTRIBUTE = re.compile(r' ([a-z-]+)="([^"]*)"')

_ALIGNED = re.compile(r"text-align: (left|right)")


def _checked(html: str) -> str:
    """The converter's HTML, written again from what is allowed; anything else is an error."""
    opened: list[str] = []
    written = "".join(_piece(piece, opened) for piece in _PIECES.finditer(html))
    if opened:
        raise _NotAllowedError
    return written


def _piece(piece: re.Match[str], opened: list[str]) -> str:
    end, name, attributes, empty, words, _ = piece.groups()
    if words is not None:
        return str(words)
    if name not in _ELEMENTS or len(opened) == MAX_ELEMENTS:
        raise _NotAllowedError
    if end:
        return _end(name, opened)
    if not empty:
        opened.append(name)
    return f"<{name}{''.join(map(_attribute, _ATTRIBUTE.finditer(attributes)))}{empty}>"


def _end(name: str, opened: list[str]) -> str:
    if not opened or opened.pop() != name:
        raise _NotAllowedError
    return f"</{name}>"


def _attribute(attribute: re.Match[str]) -> str:
    name, value = attribute.groups()
    if name in _DROPPED:
        aligned = _ALIGNED.search(value)
        return f' columnalign="{aligned[1]}"' if aligned else ""
    if not re.fullmatch(_ATTRIBUTES.get(name, "(?!)"), value):
        raise _NotAllowedError
    return attribute[0]
