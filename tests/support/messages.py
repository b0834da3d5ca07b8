"""What the HTML of a message may hold, and a reader that accepts nothing else."""

import re
from html.parser import HTMLParser

from pygments.token import STANDARD_TYPES

from webapp.markdown import COLOURED

VOID = {"br", "hr", "mspace"}
BLOCKS = {"h3", "h4", "h5", "h6", "p", "blockquote", "ol", "ul", "li", "pre", "div"}
TABLES = {"table", "thead", "tbody", "tr", "th", "td"}
INLINE = {"a", "code", "del", "em", "span", "strong", "sup"}
MATH = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mpadded", "mphantom"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"),
    *("mtable", "mtr", "mtd", "menclose"),
}
LENGTH = r"-?[\d.]+(em|ex|mu|px|pt|%)?"
TRUTH = "true|false"
MATH_ATTRIBUTES = {
    **dict.fromkeys(("accent", "accentunder", "displaystyle", "fence", "largeop", "movablelimits"), TRUTH),
    **dict.fromkeys(("separator", "stretchy", "symmetric"), TRUTH),
    **dict.fromkeys(("depth", "height", "linethickness", "lspace", "maxsize", "minsize", "rspace"), LENGTH),
    **dict.fromkeys(("voffset", "width"), LENGTH),
    "columnalign": "left|right",
    "display": "block",
    "form": "prefix|infix|postfix",
    "mathvariant": "normal",
    "notation": "[a-z ]+",
    "scriptlevel": "[+-]?[0-9]",
}
ALIGN = "align-(left|center|right)"
SHORT_CLASSES = {STANDARD_TYPES[kind] for kind in COLOURED}
ATTRIBUTES = {
    ("a", "href"): r"(?i:https?://|mailto:)[^\x00-\x1f]+",
    ("a", "rel"): "noopener noreferrer nofollow",
    ("a", "title"): r"[\s\S]*",
    ("code", "class"): "highlight",
    ("div", "class"): "table|footnote",
    ("div", "role"): "group",
    ("div", "tabindex"): "0",
    ("ol", "start"): r"\d+",
    ("pre", "class"): "plain",
    ("pre", "data-language"): r"[\w+#.-]+",
    ("pre", "tabindex"): "0",
    ("span", "class"): "|".join(["task", "invisible", "formula", *SHORT_CLASSES]),
    ("span", "role"): "group",
    ("span", "tabindex"): "0",
    ("td", "class"): ALIGN,
    ("th", "class"): ALIGN,
    ("th", "scope"): "col",
}


class Reader(HTMLParser):
    """Reads HTML as a browser would, and accepts what a message may contain and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in (MATH if "math" in [tag, *self._open] else BLOCKS | TABLES | INLINE | {"br", "hr"})
        assert tag != "a" or "a" not in self._open
        for name, value in attrs:
            pattern = MATH_ATTRIBUTES[name] if tag in MATH else ATTRIBUTES[tag, name]
            assert re.fullmatch(pattern, value or ""), (tag, name, value)
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a section: {data}")

    def close(self) -> None:
        super().close()
        assert self._open == []

    @property
    def text(self) -> str:
        return "".join(self.words)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader
