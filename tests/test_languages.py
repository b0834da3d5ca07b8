"""Everybody reads the pages in their language, by what the browser asks for or by a choice that is kept."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator
from werkzeug.test import TestResponse

from tests.support.databases import rows
from tests.support.languages import ELSEWHERE, HEBREW
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.routes import QUERIES
from tests.support.servers import Voichat
from tests.support.world import World, filled
from webapp.db import conversations, presets
from webapp.web import i18n

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}


def language(answer: TestResponse) -> str:
    found = re.search(r'<html lang="([^"]*)"', answer.text)
    assert found
    assert answer.headers["Content-Language"] == found[1]
    return found[1]


def theme(answer: TestResponse) -> str:
    found = re.search(r'<html [^>]*data-theme="([^"]*)"', answer.text)
    return found[1] if found else ""


def choose(person: Person, **choices: str) -> TestResponse:
    answer = person.post("/settings", **Page(person.get("/settings")).fields | choices)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings?saved=1")
    return person.get("/settings?saved=1")


# By what the browser asks for


@ON_SQLITE
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("de-DE, ru;q=0.5", "ru"),
        ("de, fr;q=0.5", "en"),
        ("en-GB, ru;q=0.9", "en"),
        ("", "en"),
        ("\u00ff;q=x,,ru;q=9999", "en"),
    ],
)
def test_a_page_is_in_the_first_language_asked_for_that_there_is(alice: Person, asked: str, given: str) -> None:
    answer = alice.get("/chats", headers={"Accept-Language": asked})
    assert language(answer) == given
    assert "Accept-Language" in answer.headers["Vary"]
    assert Page(answer).title.startswith({"en": "Chats", "ru": "Чаты"}[given])


@ON_SQLITE
def test_an_error_is_said_in_it_and_the_words_are_still_there(alice: Person) -> None:
    answer = alice.client.post("/chats", data={"message": "Мой ответ", "temperature": "hot"}, headers=RUSSIAN)
    assert (answer.status_code, language(answer)) == (400, "ru")
    assert Page(answer).words == "Мой ответ"
    assert Page(answer).title.startswith("Температура")


@ON_SQLITE
def test_numbers_days_and_plurals_follow_it(app: Flask) -> None:
    with app.test_request_context(headers=RUSSIAN):
        russian = i18n.language()
        assert russian.number(1234567) == "1\u00a0234\u00a0567"
        days = [app.jinja_env.from_string("{{ 0|local_time|moment }}").render()]
        assert re.fullmatch(r"1 января 1970, \d\d:\d\d", days[0]) or days[0].startswith("31 декабря 1969")
        counted = "{{ ngettext('%(number)s token', '%(number)s tokens', n, number=n) }}"
        said = [app.jinja_env.from_string(counted).render(n=number) for number in (1, 2, 5, 11, 21)]
    assert said == ["1 токен", "2 токена", "5 токенов", "11 токенов", "21 токен"]


# By choice


def test_a_choice_counts_before_what_the_browser_asks_for_and_is_this_browsers_alone(
    alice: Person, bob: Person
) -> None:
    saved = choose(alice, language="ru", theme="dark", shortcuts="off")
    assert (language(saved), theme(saved)) == ("ru", "dark")
    assert 'role="status"' in saved.text
    chat = alice.send("Hello")
    for page in ("/", "/chats", chat, "/nowhere"):
        answer = alice.get(page, headers={"Accept-Language": "en"})
        assert (language(answer), theme(answer)) == ("ru", "dark"), page
        assert '<body data-shortcuts="off">' in answer.text
    assert (language(bob.get("/")), theme(bob.get("/"))) == ("en", "")


@ON_SQLITE
def test_a_choice_can_be_taken_back(alice: Person) -> None:
    choose(alice, language="ru", theme="light")
    saved = choose(alice, language="", theme="")
    assert (language(saved), theme(saved)) == ("en", "")


@ON_SQLITE
@pytest.mark.parametrize("given", ["xx", "../ru", "ru\0", "dark", "RU", '"><script>', "x" * 10_000])
def test_what_is_no_choice_is_none(alice: Person, given: str) -> None:
    answer = choose(alice, language=given, theme=given if given != "dark" else "blue")
    assert (answer.status_code, language(answer), theme(answer)) == (200, "en", "")


@ON_SQLITE
def test_a_choice_goes_with_the_browser_that_is_forgotten(alice: Person) -> None:
    choose(alice, theme="dark")
    alice.post("/forget")
    assert theme(alice.get("/")) == ""


@ON_SQLITE
@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_ADDRESS": "2/day"}])
def test_new_browsers_that_only_choose_count_as_messages_of_their_address_do(app: Flask) -> None:
    crowd = [Person(app) for _ in range(3)]
    answers = [each.post("/settings", **Page(each.get("/settings")).fields | {"theme": "dark"}) for each in crowd]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert theme(choose(crowd[0], theme="light")) == "light"


@ON_SQLITE
def test_only_to_look_at_the_settings_sets_no_cookie(alice: Person) -> None:
    assert "Set-Cookie" not in alice.get("/settings").headers


@ON_SQLITE
@pytest.mark.parametrize("settings", [{"VOICHAT_AUTH": "proxy", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1/32"}])
def test_who_is_signed_in_by_a_proxy_chooses_for_the_browser_too(alice: Person) -> None:
    alice.client.environ_base["HTTP_X_FORWARDED_USER"] = "alice"
    assert theme(choose(alice, theme="dark")) == "dark"
    alice.send("Hello")
    assert theme(alice.get("/chats")) == "dark"


# A further language


def test_a_further_language_is_one_file(tmp_path: Path, app: Flask, alice: Person) -> None:
    (tmp_path / "he.po").write_text(HEBREW)
    app.extensions["languages"] |= i18n.found(tmp_path)
    page = alice.get("/", headers={"Accept-Language": "he"})
    assert '<html lang="he" dir="rtl"' in page.text
    assert ">שיחה חדשה</a>" in page.text
    assert ">Settings</a>" in page.text  # what it does not say yet
    assert '<option value="he">עברית</option>' in alice.get("/settings").text


# From right to left


CODE = "```\nprint('a line that is longer than each of the paragraphs')\n```"
MIXED = f"שלום עולם, שלום לכולם\n\nIn English\n\n{CODE}\n\nثم العربية"


def edges(paragraph: Locator) -> tuple[bool, bool]:
    """Whether the words stand at the left and at the right edge of their paragraph."""
    left, right = paragraph.evaluate(
        """paragraph => {
            const range = document.createRange()
            range.selectNodeContents(paragraph)
            const words = range.getBoundingClientRect(), block = paragraph.getBoundingClientRect()
            return [words.left - block.left < 2, block.right - words.right < 2]
        }"""
    )
    return left, right


@pytest.mark.browser
@ON_SQLITE
def test_a_page_runs_as_its_language_does_and_each_paragraph_as_its_words_do(
    serve: Callable[..., Voichat], chromium: Browser
) -> None:
    voichat = serve("tests.support.hebrew:app")
    context = chromium.new_context(java_script_enabled=False, locale="he", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(voichat.url)
    page.fill("#message", MIXED)
    page.get_by_role("button", name="שליחה").click()
    sidebar, main = page.locator(".sidebar").bounding_box(), page.locator("main").bounding_box()
    assert sidebar
    assert main
    assert sidebar["x"] >= main["x"] + main["width"]
    text = page.locator("[data-role=user] .text")
    assert [edges(paragraph) for paragraph in text.locator("p").all()] == [(False, True), (True, False), (False, True)]
    assert text.locator("pre").evaluate("code => getComputedStyle(code).direction") == "ltr"
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    context.close()


# Nothing is left out


class Words(HTMLParser):
    """What the product itself says on a page, in its text and in the attributes that people read or hear."""

    SPOKEN = ("aria-label", "title", "placeholder", "alt", "label", "data-notice")
    OTHERS = ("bdi", "code", "kbd", "textarea", "script", "style", "option", "title")
    """What people, models and admins said, and what is the same in every language."""
    NO_CONTENT = ("input", "br", "meta", "link", "img", "hr", "wbr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.said += [found[name] or "" for name in self.SPOKEN if name in found and "alt" not in found]
        if tag not in self.NO_CONTENT:
            is_theirs = tag in self.OTHERS or found.get("dir") == "auto" or found.get("class") in ("who", "name")
            self._open.append((tag, is_theirs))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(is_theirs for _, is_theirs in self._open):
            self.said.append(data)


NAMES = re.compile(r"Voichat|Markdown|JSON|MB|Top p|English|Русский|Guide|Open WebUI|LibreChat|ChatGPT")


def pages(world: World) -> Iterator[str]:
    """One address of each kind, with each query that means something there."""
    for rule, query in QUERIES.items():
        path = filled(rule, world.alices)
        yield path
        yield from (f"{path}?{name}={filled(value, world.alices)}" for name, value in query.items())
    yield from ("/nowhere", f"/chats/{'0' * 32}", "/chats?q=nothing+like+it", "/chats?q=" + "x" * 400)


def test_every_page_is_said_in_another_language_to_the_last_word(world: World) -> None:
    world.app.extensions["languages"]["elsewhere"] = ELSEWHERE
    of_people = [(conversations, "title"), (presets, "name")]
    titles = "|".join(re.escape(row[name]) for table, name in of_people for row in rows(world.database, table))
    left = {}
    for address in pages(world):
        with closing(world.alice.get(address, headers={"Accept-Language": "elsewhere"})) as answer:
            said = Words(answer.text).said if answer.mimetype == "text/html" else []
        words = (NAMES.sub("", re.sub(titles, "", each)) for each in said)
        if english := [each.strip() for each in words if re.search("[A-Za-z]{2}", each)]:
            left[address] = english
    assert left == {}
