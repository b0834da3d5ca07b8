"""The files that pages are made of besides their HTML: one style sheet, packed once, kept for ever."""

import gzip
import re
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.support.people import Person
from webapp.web import assets

PACKED = {"Accept-Encoding": "gzip, deflate, br, zstd"}
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PLAIN = [{}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}]


def uncommented(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def style(person: Person, **headers: str) -> TestResponse:
    return person.get("/static/style.css", headers=headers)


def test_every_style_sheet_is_part_of_the_one_that_pages_name() -> None:
    assert sorted(assets.STYLES) == sorted(path.stem for path in (assets.STATIC / "css").iterdir())


@ON_SQLITE
def test_a_page_names_one_style_sheet(alice: Person) -> None:
    assert len(re.findall(r'rel="stylesheet"', alice.get("/").text)) == 1


@ON_SQLITE
def test_the_style_sheet_holds_each_rule_and_no_comment(alice: Person) -> None:
    sent = alice.get("/static/style.css").text
    for path in (assets.STATIC / "css").iterdir():
        assert "".join(uncommented(path).split()) in "".join(sent.split()), path.name
    assert "/*" not in sent


def test_what_is_left_out_stands_in_no_string() -> None:
    for path in (assets.STATIC / "css").iterdir():
        for string in re.findall(r"\"[^\"]*\"|'[^']*'|url\([^)]*\)", uncommented(path)):
            assert assets.SPACE.sub(r"\1", string) == string, (path.name, string)


@ON_SQLITE
def test_a_browser_gets_the_style_sheet_packed(alice: Person) -> None:
    plain, packed = style(alice), style(alice, **PACKED)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 4


@ON_SQLITE
@pytest.mark.parametrize("headers", PLAIN, ids=str)
def test_whoever_does_not_ask_for_gzip_gets_it_plain(alice: Person, headers: dict[str, str]) -> None:
    answer = style(alice, **headers)
    assert "Content-Encoding" not in answer.headers
    assert answer.text.startswith(":root")


@ON_SQLITE
@pytest.mark.parametrize("headers", [{}, PACKED], ids=["plain", "packed"])
def test_a_cache_keeps_both_forms_apart_and_asks_for_each_by_its_tag(alice: Person, headers: dict[str, str]) -> None:
    first = style(alice, **headers)
    assert first.headers["Vary"] == "Accept-Encoding"
    again = style(alice, **headers, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["Vary"]) == (304, b"", "Accept-Encoding")
    other = style(alice, **({} if headers else PACKED), **{"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


@ON_SQLITE
def test_no_page_is_packed(alice: Person) -> None:
    """It holds people's words beside what a guess could be mixed with: its length must not tell."""
    for path in ("/", "/chats", alice.send("Hi")):
        assert "Content-Encoding" not in alice.get(path, headers=PACKED).headers
