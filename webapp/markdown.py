"""Markdown → HTML that is safe to put into a page. The only maker of `Markup`.

The HTML is written from the parser's events: every word of a message passes through `escape`, every tag is ours.
nh3 then holds the result against the allow-list, and only after that our own highlighted code and MathML are
spliced in.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from html import escape
from itertools import groupby, islice
from secrets import token_hex
from time import thread_time
from typing import Any

import nh3
from markupsafe import Markup
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import STANDARD_TYPES, Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pyromark import Options, events
from pyromark.event import Event

from .characters import INVISIBLE
from .mathml import Formula, formulas, mathml

RENDERER_VERSION = 2
"""Stored beside cached HTML; goes up whenever the same text gives other HTML."""

MAX_INPUT = 200_000  # characters; a long chapter, and at worst half a second
MAX_OUTPUT = 1_000_000  # characters; the parser makes 2.3 MB of empty cells from a table of 14 KB
MAX_DEPTH = 100  # open elements, some 30 lists in each other; browsers stop at 512
MAX_CODE = 20_000  # characters of a code block that is highlighted
MAX_CODE_LINE = 500  # characters; lexers are quadratic within a line (INI takes 4 s for 20 000 times "=") …
MAX_CODE_GAP = 200  # … and in white space (C takes a minute for as much of it), in steps that nothing interrupts
MAX_FORMULAS = 1_000  # a message; each is a millisecond at worst
MAX_HIGHLIGHTING = 0.25  # seconds of CPU a message; between the steps too, nearly every lexer is quadratic somewhere


def render(text: str, *, breaks: bool = False) -> Markup:
    """The HTML of a finished message. `breaks` keeps single newlines, as people who type them expect.

    What exceeds the limits comes back whole, as plain text. Lone surrogates are for the caller to remove.
    """
    try:
        return stored(_Writer(breaks).rendered(text))
    except TooLargeError:
        return stored(_plain(text))


def stored(html: str) -> Markup:
    """Marks as safe what this file rendered; nothing else may come here."""
    return Markup(html)  # noqa: S704  the one place that vouches for HTML


class Rendering:
    """A message that is rendered a few whole blocks at a time. The limits are for all of it."""

    def __init__(self) -> None:
        self._writer = _Writer(breaks=False)
        self._drafter = _Writer(breaks=False, draft=True)

    def finished(self, blocks: str) -> str:
        """The HTML of the blocks that follow, or TooLargeError, after which there is no more of it."""
        return self._writer.rendered(blocks)

    def draft(self, block: str) -> str:
        """The HTML of the block that follows and is not finished: code without colours, formulas as written."""
        self._drafter.follow(self._writer)
        return self._drafter.rendered(block)


class TooLargeError(Exception):
    """A message exceeds the limits."""


class _TooSlowError(Exception):
    pass


def _plain(text: str) -> str:
    return f'<pre class="plain">{escape(text, quote=False)}</pre>\n'


OPTIONS = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS | Options.ENABLE_FOOTNOTES

_ALIGNMENTS = {"align-left", "align-center", "align-right"}

_CLEANER = nh3.Cleaner(
    tags={
        *("h3", "h4", "h5", "h6", "p", "blockquote", "ol", "ul", "li", "pre", "div", "hr", "br"),
        *("table", "thead", "tbody", "tr", "th", "td"),
        *("a", "code", "del", "em", "span", "strong", "sup"),
    },
    attributes={"a": {"href", "title"}, "ol": {"start"}, "pre": {"data-language"}},
    tag_attribute_values={
        "code": {"class": {"highlight"}},
        "div": {"class": {"table", "footnote"}, "role": {"group"}, "tabindex": {"0"}},
        "pre": {"class": {"plain"}, "tabindex": {"0"}},
        "span": {"class": {"task", "formula", "invisible"}, "role": {"group"}, "tabindex": {"0"}},
        "td": {"class": _ALIGNMENTS},
        "th": {"class": _ALIGNMENTS, "scope": {"col"}},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


class _Writer:
    """Writes events as HTML. It may be fed block by block: it knows the headings above, and what is left to spend."""

    def __init__(self, breaks: bool, draft: bool = False) -> None:
        self._newline = "<br>\n" if breaks else "\n"
        self._events: Iterator[Event] = iter(())
        self._parts: list[str] = []
        self._read = 0
        self._written = 0
        self._size = 0
        self._closers: list[str] = []
        self._headings: list[str] = []
        self._columns: tuple[str, ...] = ()
        self._cells: Iterator[tuple[str, str]] = iter(())
        self._highlighter = _Highlighter(0 if draft else MAX_HIGHLIGHTING)
        self._formulas = _Formulas(_unconverted if draft else _formula_html)

    def follow(self, writer: "_Writer") -> None:
        """Goes on where the other writer stands, and forgets what it wrote itself."""
        self._headings = [*writer._headings]
        self._read, self._written, self._size = writer._read, writer._written, writer._size
        self._formulas.forget()

    def rendered(self, text: str) -> str:
        """The HTML of a text of whole blocks, below what was rendered before."""
        self._read += len(text)
        if self._read > MAX_INPUT:
            raise TooLargeError
        self._write(events(self._formulas.set_aside(text), options=OPTIONS))
        html = self._formulas.splice(self._highlighter.splice(_CLEANER.clean("".join(self._parts))))
        self._parts.clear()
        self._written += len(html)
        if self._written > MAX_OUTPUT:
            raise TooLargeError
        return html

    def _write(self, events: Iterator[Event]) -> None:
        self._events = events
        for event in events:
            name, data = _named(event)
            _WRITERS[name](self, data)

    def start(self, tag: Any) -> None:
        name, data = _named(tag)
        if name in _ELEMENTS:
            self._open(*_ELEMENTS[name])
        else:
            _STARTERS[name](self, data)

    def end(self, _tag: Any) -> None:
        self._put(self._closers.pop())

    def text(self, text: str) -> None:
        self._put(_marked(escape(text)) if self._is_in_link() else _linked(text))

    def literal(self, text: str) -> None:
        self._put(escape(text))

    def code(self, code: str) -> None:
        self._put(code if self._formulas.is_place(code) else f"<code>{_marked(escape(code))}</code>")

    def soft_break(self, _data: None) -> None:
        self._put(self._newline)

    def hard_break(self, _data: None) -> None:
        self._put("<br>\n")

    def rule(self, _data: None) -> None:
        self._put("<hr>\n")

    def task(self, done: bool) -> None:
        self._put(f'<span class="task">{"☑" if done else "☐"}</span> ')

    def footnote_reference(self, label: str) -> None:
        self._put(f"<sup>{escape(label)}</sup>")

    def footnote(self, label: str) -> None:
        self._open(f'<div class="footnote"><sup>{escape(label)}</sup>\n', "</div>\n")

    def heading(self, heading: dict[str, Any]) -> None:
        tag = f"h{self._level(heading['level'])}"
        self._open(f"<{tag}>", f"</{tag}>\n")

    def list_(self, start: int | None) -> None:
        tag = "ul" if start is None else "ol"
        self._open(f'<{tag} start="{start}">\n' if start not in (None, 1) else f"<{tag}>\n", f"</{tag}>\n")

    def table(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._open('<div class="table" role="group" tabindex="0"><table>\n', "</tbody></table></div>\n")

    def table_head(self, _data: None) -> None:
        self._cells = iter([_cell("th", column) for column in self._columns])
        self._open("<thead><tr>", "</tr></thead>\n<tbody>\n")

    def table_row(self, _data: None) -> None:
        self._cells = iter([_cell("td", column) for column in self._columns])
        self._open("<tr>", "</tr>\n")

    def table_cell(self, _data: None) -> None:
        self._open(*next(self._cells))

    def link(self, link: dict[str, Any]) -> None:
        self._open(*self._anchor(link))

    def image(self, image: dict[str, Any]) -> None:
        alt = self._inner_text()
        opener, closer = self._anchor(image)
        if alt or closer == _LINK_END:
            self._put(opener + escape(alt or image["dest_url"]) + closer)
        else:
            self._put(escape(image["dest_url"]))

    def code_block(self, kind: Any) -> None:
        language = _language(kind)
        code = self._inner_text()
        label = f' data-language="{language}"' if language else ""
        self._put(f'<pre tabindex="0"{label}>{self._highlighter.place(code, language)}</pre>\n')

    def html_block(self, _data: None) -> None:
        self._put(_plain(self._inner_text().rstrip("\n")))

    def _anchor(self, link: dict[str, Any]) -> tuple[str, str]:
        """What goes around the words of a link; a refused address is shown beside them."""
        if self._is_in_link():
            return "", ""
        address = "mailto:" + link["dest_url"] if link["link_type"] == "Email" else link["dest_url"]
        if not _SAFE_ADDRESS.fullmatch(address):
            return ("&lt;", "&gt;") if link["link_type"] == "Autolink" else ("", f" ({escape(address)})")
        title = f' title="{escape(link["title"])}"' if link["title"] else ""
        return f'<a href="{escape(address)}"{title}>', _LINK_END

    def _inner_text(self) -> str:
        return self._formulas.restored(_inner_text(self._events))

    def _is_in_link(self) -> bool:
        return _LINK_END in self._closers

    def _level(self, level: str) -> int:
        """Counts from h3, below the page's own headings, and skips no level on the way down."""
        while self._headings and self._headings[-1] >= level:
            self._headings.pop()
        self._headings.append(level)
        return min(2 + len(self._headings), 6)

    def _open(self, opener: str, closer: str) -> None:
        if len(self._closers) == MAX_DEPTH:
            raise TooLargeError
        self._closers.append(closer)
        self._put(opener)

    def _put(self, html: str) -> None:
        self._size += len(html)
        if self._size > MAX_OUTPUT:
            raise TooLargeError
        self._parts.append(html)


_WRITERS: dict[str, Callable[[_Writer, Any], None]] = {
    "Start": _Writer.start,
    "End": _Writer.end,
    "Text": _Writer.text,
    "Code": _Writer.code,
    "InlineHtml": _Writer.literal,
    "SoftBreak": _Writer.soft_break,
    "HardBreak": _Writer.hard_break,
    "Rule": _Writer.rule,
    "TaskListMarker": _Writer.task,
    "FootnoteReference": _Writer.footnote_reference,
}

_STARTERS: dict[str, Callable[[_Writer, Any], None]] = {
    "Heading": _Writer.heading,
    "List": _Writer.list_,
    "CodeBlock": _Writer.code_block,
    "HtmlBlock": _Writer.html_block,
    "Table": _Writer.table,
    "TableHead": _Writer.table_head,
    "TableRow": _Writer.table_row,
    "TableCell": _Writer.table_cell,
    "FootnoteDefinition": _Writer.footnote,
    "Link": _Writer.link,
    "Image": _Writer.image,
}

_ELEMENTS = {
    "Paragraph": ("<p>", "</p>\n"),
    "BlockQuote": ("<blockquote>\n", "</blockquote>\n"),
    "Item": ("<li>", "</li>\n"),
    "Emphasis": ("<em>", "</em>"),
    "Strong": ("<strong>", "</strong>"),
    "Strikethrough": ("<del>", "</del>"),
}

_LINK_END = "</a>"


def _named(value: Any) -> tuple[str, Any]:
    """An event or tag as name and data; the parser gives a bare name or a dict of one pair."""
    return (value, None) if isinstance(value, str) else next(iter(value.items()))


def _inner_text(events: Iterable[Event]) -> str:
    """The text up to the end of the element that has just begun, without its markup."""
    words, depth = [], 1
    for name, data in map(_named, events):
        depth += (name == "Start") - (name == "End")
        if depth == 0:
            break
        words.append(data if name in _TEXTS else " " * name.endswith("Break"))
    return "".join(words)


_TEXTS = {"Text", "Code", "Html", "InlineHtml"}


def _cell(tag: str, alignment: str) -> tuple[str, str]:
    scope = ' scope="col"' if tag == "th" else ""
    align = "" if alignment == "None" else f' class="align-{alignment.lower()}"'
    return f"<{tag}{scope}{align}>", f"</{tag}>"


def _language(kind: Any) -> str:
    """The language that a code block's fence names, or nothing."""
    _, info = _named(kind)
    name = _LANGUAGE_NAME.match(info or "")
    return name[0].lower() if name else ""


_LANGUAGE_NAME = re.compile(r"[\w+#.-]{1,30}(?=[\s,:{]|$)")

_SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\x00-\x1f\x7f]+", re.IGNORECASE)

_BARE_LINK = '<a href="{0}">{0}</a>'

_BARE_ADDRESS = re.compile(
    r"""(?<!\w)https?://\w[^\s<>"`\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*""", re.IGNORECASE
)


def _linked(text: str) -> str:
    """The text with its bare addresses as links."""
    parts, position = [], 0
    for match in _BARE_ADDRESS.finditer(text):
        address = _without_prose(match[0])
        parts += [escape(text[position : match.start()]), _BARE_LINK.format(escape(address))]
        position = match.start() + len(address)
    return "".join(parts) + escape(text[position:])


def _without_prose(address: str) -> str:
    """Leaves to the sentence around it the marks that end it, and brackets that were opened before."""
    surplus = Counter({close: address.count(close) - address.count(open_) for open_, close in _BRACKETS})
    end = len(address)
    while address[end - 1] in _SENTENCE_MARKS or surplus[address[end - 1]] > 0:
        end -= 1
        surplus[address[end]] -= 1
    return address[:end]


_SENTENCE_MARKS = frozenset("?!.,:;*_~'…。，、；：？！»”’）")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))


class _Formulas:
    """Keeps the formulas of one message until the rest has passed the allow-list."""

    def __init__(self, convert: Callable[[Formula], str | None]) -> None:
        self._convert = convert
        self._sources: list[str] = []
        self._html: list[str] = []
        self._token = token_hex(16)  # unknown to the message, so nothing in it can pose as a place

    @cached_property
    def _place(self) -> re.Pattern[str]:
        return re.compile(rf"`*{self._token}-(\d+);`*")

    def set_aside(self, text: str) -> str:
        """The text with a code span for each formula; its fence is longer than any other, so that it meets no other."""
        fence = "`" * (1 + max(map(len, _BACKTICKS.findall(text)), default=0))
        parts, position = [], 0
        for formula in islice(formulas(text, OPTIONS), MAX_FORMULAS - len(self._sources)):
            if text[formula.start - 1 : formula.start] != "`" and text[formula.end : formula.end + 1] != "`":
                parts += [text[position : formula.start], fence, self._keep(text, formula), fence]
                position = formula.end
        return "".join([*parts, text[position:]])

    def forget(self) -> None:
        self._sources.clear()
        self._html.clear()

    def is_place(self, code: str) -> bool:
        return bool(self._sources) and self._place.fullmatch(code) is not None

    def restored(self, text: str) -> str:
        """The text with formulas as they were written."""
        return self._place.sub(lambda place: self._sources[int(place[1])], text) if self._sources else text

    def splice(self, html: str) -> str:
        """The HTML with formulas as MathML; what landed in an attribute is as it was written."""
        if not self._sources:
            return html
        html = _TAG.sub(lambda tag: self._place.sub(self._source, tag[0]), html)
        return self._place.sub(lambda place: self._html[int(place[1])], html)

    def _source(self, place: re.Match[str]) -> str:
        return escape(self._sources[int(place[1])])

    def _keep(self, text: str, formula: Formula) -> str:
        source = text[formula.start : formula.end]
        self._sources.append(source)
        self._html.append(self._convert(formula) or _marked(escape(source)))
        return f"{self._token}-{len(self._sources) - 1};"


_BACKTICKS = re.compile("`+")

_TAG = re.compile("<[^<>]*>")


def _formula_html(formula: Formula) -> str | None:
    html = mathml(formula)
    if html and formula.display:
        return f'<span class="formula" role="group" tabindex="0">{html}</span>'
    return html


def _unconverted(_formula: Formula) -> None:
    return None


class _Highlighter:
    """Highlights the code of one message, and keeps its HTML until the rest has passed the allow-list."""

    def __init__(self, seconds: float) -> None:
        self._blocks: list[str] = []
        self._token = token_hex(16)  # unknown to the message, so nothing in it can pose as a placeholder
        self._seconds = seconds

    def place(self, code: str, language: str) -> str:
        """The code element, around a placeholder if its code is highlighted."""
        block = self._highlighted(code, language)
        if block is None:
            return f"<code>{_marked(escape(code))}</code>"
        self._blocks.append(block)
        return f'<code class="highlight">{self._token}-{len(self._blocks) - 1};</code>'

    def splice(self, html: str) -> str:
        if not self._blocks:
            return html
        return re.sub(rf"{self._token}-(\d+);", lambda place: self._blocks[int(place[1])], html)

    def _highlighted(self, code: str, language: str) -> str | None:
        if self._seconds <= 0 or language not in _LANGUAGES or not _is_highlightable(code):
            return None
        lexer = get_lexer_by_name(language, stripnl=False, startinline=True)  # its first use compiles it: not counted
        start = thread_time()
        try:
            tokens = list(_until(start + self._seconds, lexer.get_tokens(code)))
            return _spans(tokens) if _is_whole(tokens, code) else None
        except _TooSlowError:
            return None
        finally:
            self._seconds -= thread_time() - start


def _is_highlightable(code: str) -> bool:
    return len(code) <= MAX_CODE and not _UNREASONABLE.search(code)


_UNREASONABLE = re.compile(rf"^.{{{MAX_CODE_LINE + 1}}}|(?<!\s)\s{{{MAX_CODE_GAP + 1}}}", re.MULTILINE)

_Tokens = Iterable[tuple[_TokenType, str]]


def _until(deadline: float, tokens: _Tokens) -> _Tokens:
    for token in tokens:
        if thread_time() > deadline:
            raise _TooSlowError
        yield token


def _is_whole(tokens: _Tokens, code: str) -> bool:
    """Whether the lexer kept to the text: Terraform's repeats lines after "<<" several times over."""
    return "".join(value for _, value in tokens).rstrip("\n") == code.rstrip("\n")


def _spans(tokens: _Tokens) -> str:
    return "".join(_span(kind, group) for kind, group in groupby(tokens, lambda token: _class(token[0])))


def _span(kind: str, tokens: _Tokens) -> str:
    words = _marked(escape("".join(value for _, value in tokens), quote=False))
    return f'<span class="{kind}">{words}</span>' if kind else words


def _marked(html: str) -> str:
    """The HTML of words, with each character that is invisible or turns text round as its visible number."""
    return INVISIBLE.sub(lambda found: f'<span class="invisible">[U+{ord(found[0]):04X}]</span>', html)


@cache
def _class(kind: _TokenType) -> str:
    return next((STANDARD_TYPES[ancestor] for ancestor in reversed(kind.split()) if ancestor in COLOURED), "")


COLOURED = {
    *(Comment, Comment.Preproc, Keyword, Operator.Word, String, Number),
    *(Name.Attribute, Name.Builtin, Name.Class, Name.Decorator, Name.Function, Name.Tag, Name.Variable),
    *(Generic.Deleted, Generic.Inserted, Generic.Heading, Generic.Subheading),
}
"""The kinds of tokens that `static/css/code.css` colours; each covers the kinds below it."""

# Lexers that look up further ones by a name in the code (HTTP, Markdown, PostgreSQL) would lead around this list.
_LEXERS = {
    *("Awk", "Bash", "Batchfile", "C", "C#", "C++", "Clojure", "CMake", "CSS", "Dart", "Diff", "Docker", "Elixir"),
    *("Erlang", "F#", "Go", "GraphQL", "Groovy", "Haskell", "HTML", "INI", "Java", "JavaScript", "JSON"),
    *("JSX", "Julia", "Kotlin", "LessCss", "Lua", "Makefile", "Matlab", "Nginx configuration file", "Nix"),
    *("Objective-C", "OCaml", "Perl", "PHP", "PowerShell", "Protocol Buffer", "Python"),
    *("Ruby", "Rust", "S", "Scala", "SCSS", "SQL", "Swift", "Terraform", "TeX", "TOML", "TSX", "TypeScript"),
    *("VB.net", "XML", "YAML", "Zig"),
}

_LANGUAGES = {alias for name, aliases, *_ in get_all_lexers(plugins=False) if name in _LEXERS for alias in aliases}
