"""What a page says to a browser: its elements, its messages, its composer."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from werkzeug.test import TestResponse

SCRIPT = '"></textarea></title><script>alert(1)</script><img src=x onerror=alert(1)>'
"""Words that would run in a page that does not escape them."""


@dataclass
class Article:
    """One message; `end` is the state in which a streamed reply ended."""

    id: str
    role: str
    status: str
    end: str = ""
    text: str = ""
    times: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """`fields` are those of its forms, `action` is the composer's address, both empty without one.

    `options` are the models, `presets` what else may be picked. A box is a field if it is ticked. `tags` are all but
    the scripts of the product.
    """

    def __init__(self, answer: TestResponse) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.articles: list[Article] = []
        self.fields: dict[str, str] = {}
        self.options: list[str] = []
        self.presets: list[str] = []
        self.attempts: list[str] = []
        self.action = ""
        self.text = ""
        self.title = ""
        self._open: list[str] = []
        self._typing = self._picking = ""
        self.feed(answer.text)
        self.close()

    @property
    def words(self) -> str:
        """What stands in the composer."""
        return self.fields.get("message", "")

    @property
    def said(self) -> list[str]:
        return [re.sub(r"\s+", " ", article.text).strip() for article in self.articles]

    @property
    def is_harmless(self) -> bool:
        """Nothing of `SCRIPT` became an element."""
        return not {"script", "img"} & set(self.tags) and not any(name.startswith("on") for name in self.attributes)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if not (tag == "script" and "/static/js/" in found.get("src", "")):
            self.tags.append(tag)
        self.attributes |= found.keys()
        self._open.append(tag)
        match tag:
            case "article":
                self.articles.append(Article(found.get("id", ""), found["data-role"], found["data-status"]))
            case "span" if found.get("class") == "end":
                self.articles[-1].end = found["data-status"]
            case "time" if self.articles:
                self.articles[-1].times.append(found["datetime"])
            case "a":
                self.links.append(found.get("href", ""))
            case "input" if found.get("type") == "checkbox":
                self.fields |= {found["name"]: found.get("value", "on")} if "checked" in found else {}
            case "form" | "input" | "textarea" | "select" | "option":
                self._note_field(tag, found)

    def _note_field(self, tag: str, found: dict[str, str]) -> None:
        if tag == "form" and found.get("id") == "composer":
            self.action = found["action"]
        elif tag == "option":
            (self.presets if self._picking == "preset" else self.options).append(found["value"])
            if "selected" in found:
                self.fields[self._picking] = found["value"]
        elif found.get("name") == "attempt":
            self.attempts.append(found["value"])
        elif "name" in found and found.get("type") != "search":
            self.fields[found["name"]] = found.get("value", "")
            if tag == "textarea":
                self._typing = found["name"]
            elif tag == "select":
                self._picking = found["name"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":  # a browser drops the first line end
            self.fields[self._typing] = self.fields[self._typing].removeprefix("\n")
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if "textarea" in self._open:
            self.fields[self._typing] += data
        elif "article" in self._open and "menu" not in self._open:
            self.articles[-1].text += data
        elif "title" in self._open:
            self.title += data
