"""How many of CommonMark's examples have the reference's visible text and structure.

    .venv/bin/python -m bench.commonmark [--all]

Some of ours differs on purpose, and is made equal before the two are compared: headings count from h3, raw HTML is
text, an image is a link, an unsafe or relative address is no link and stands beside its words. Examples with raw
HTML, images or such addresses are counted apart; `--all` names every example that differs.
"""

import json
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from webapp.markdown import render

EXAMPLES = Path(__file__).resolve().parent.parent / "tests/data/commonmark-0.31.2.json"

KEPT = {"p", "blockquote", "ol", "ul", "li", "pre", "code", "em", "strong", "a", "hr", "br", "h"}

ON_PURPOSE = re.compile(r"<img |href=\"(?!https?://|mailto:)", re.IGNORECASE)


class Example(NamedTuple):
    number: int
    section: str
    markdown: str
    html: str

    @property
    def differs_on_purpose(self) -> bool:
        return bool(ON_PURPOSE.search(self.html)) or self.section in ("HTML blocks", "Raw HTML") or _has_foreign(self)


class Outline(HTMLParser):
    """Elements and words in their order, without white space between blocks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        name = _name(tag)
        if name in KEPT:
            self.parts.append(f"<{name} {dict(attrs).get('start', '')}>")

    def handle_endtag(self, tag: str) -> None:
        if _name(tag) in KEPT - {"br", "hr"}:
            self.parts.append(f"</{_name(tag)}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def __str__(self) -> str:
        return re.sub(r"\s*(</?(?:p|blockquote|ol|ul|li|pre|hr|h)\b[^>]*>)\s*", r"\1", "".join(self.parts)).strip()


def examples() -> list[Example]:
    rows = json.loads(EXAMPLES.read_text())
    return [Example(row["example"], row["section"], row["markdown"], row["html"]) for row in rows]


def agrees(example: Example) -> bool:
    return str(Outline(render(example.markdown))) == str(Outline(example.html))


def _name(tag: str) -> str:
    return "h" if re.fullmatch(r"h\d", tag) else tag


def _has_foreign(example: Example) -> bool:
    return not Outline(example.html).tags <= KEPT | {f"h{level}" for level in range(1, 7)}


def main() -> None:
    found = examples()
    comparable = [example for example in found if not example.differs_on_purpose]
    wrong = [example for example in comparable if not agrees(example)]
    print(f"{len(comparable) - len(wrong)} of {len(comparable)} examples agree with the reference;")  # noqa: T201
    print(f"{len(found) - len(comparable)} more hold raw HTML, images or unsafe links, which differ on purpose.")  # noqa: T201
    print(*(f"{section}: {count}" for section, count in Counter(e.section for e in wrong).items()), sep="\n")  # noqa: T201
    if "--all" in sys.argv:
        print(*(f"{e.number} {e.markdown!r}\n  {render(e.markdown)!r}\n  {e.html!r}" for e in wrong), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
