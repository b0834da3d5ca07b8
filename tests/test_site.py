"""What this place is called, what its admin tells everybody, and what browsers and robots ask unasked."""

import re
from html import unescape
from io import BytesIO

import pytest
from PIL import Image

from tests.support.people import Person
from tests.support.routes import UNASKED
from webapp.pages.site import ICON, PAPER
from webapp.web.assets import STATIC

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PASSWORD = {"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "correct horse battery"}
BEHIND_A_PROXY = {"VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}
UNDER_CHAT = {"X-Forwarded-Prefix": "/chat"}
POLICY = {"VOICHAT_NAME": "Ada & Co", "VOICHAT_NOTICE": "Words go to <gpu.example> only."}
MORE = {"VOICHAT_NOTICE_URL": "https://example.com/policy/?a=1&b=2"}


def head(person: Person, path: str = "/") -> str:
    return person.get(path).text.partition("</head>")[0]


@pytest.mark.parametrize("settings", [POLICY])
def test_the_place_bears_its_name(alice: Person) -> None:
    for path in ("/", "/chats", "/nowhere", alice.send("Hi")):
        page = alice.get(path).text
        assert re.search(r"<title>[^<]* · Ada &amp; Co</title>", page), path
        assert re.search(r'<a class="brand" href="/"><bdi>Ada &amp; Co</bdi></a>', page), path
    described = alice.get("/manifest.webmanifest").json
    assert described
    assert (described["name"], described["short_name"]) == ("Ada & Co", "Ada & Co")


@pytest.mark.parametrize("settings", [POLICY, POLICY | MORE], ids=["", "with more"])
def test_what_the_admin_tells_everybody_stands_on_every_page(alice: Person, settings: dict[str, str]) -> None:
    for path in ("/", "/chats", "/nowhere", "/providers/", alice.send("Hi")):
        [notice] = re.findall(r'<p class="notice">(.*)</p>', alice.get(path).text)
        words, _, link = notice.partition(" <a ")
        assert unescape(words) == POLICY["VOICHAT_NOTICE"]
        assert unescape(link) == ('href="https://example.com/policy/?a=1&b=2">More</a>' if len(settings) > 2 else "")


def test_where_the_admin_says_nothing_there_is_no_line(alice: Person) -> None:
    assert "notice" not in alice.get("/").text


@pytest.mark.parametrize("settings", [PASSWORD])
@pytest.mark.parametrize("path", UNASKED)
def test_whoever_asks_gets_it_and_may_keep_it_for_a_day(mallory: Person, path: str) -> None:
    answer = mallory.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=86400")
    again = mallory.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_robots_are_sent_away(mallory: Person) -> None:
    answer = mallory.get("/robots.txt")
    assert (answer.mimetype, answer.text) == ("text/plain", "User-agent: *\nDisallow: /\n")


@pytest.mark.parametrize(
    ("path", "sizes"), [("/favicon.ico", {(16, 16), (32, 32)}), ("/apple-touch-icon.png", {(180, 180)})]
)
def test_who_looks_for_an_icon_where_it_always_was_finds_one(
    alice: Person, path: str, sizes: set[tuple[int, int]]
) -> None:
    image = Image.open(BytesIO(alice.get(path).data))
    assert image.info.get("sizes", {image.size}) == sizes


@pytest.mark.parametrize("settings", [BEHIND_A_PROXY])
@pytest.mark.parametrize(("headers", "home"), [({}, "/"), (UNDER_CHAT, "/chat/")], ids=["whole host", "sub-path"])
def test_it_can_be_had_as_an_app_that_begins_where_it_stands(alice: Person, headers: dict[str, str], home: str) -> None:
    page = alice.get("/", headers=headers).text
    assert f'<link rel="manifest" href="{home}manifest.webmanifest">' in page
    answer = alice.get("/manifest.webmanifest", headers=headers)
    assert answer.mimetype == "application/manifest+json"
    described = answer.json
    assert described
    assert [described[name] for name in ("id", "start_url", "scope")] == [home] * 3
    named = [icon for icon in described["icons"] if not icon["src"].startswith("data:")]
    assert [icon.get("purpose") for icon in named] == [None, None, "maskable"]
    for icon in named:
        assert icon["src"].startswith(f"{home}static/")
        image = Image.open(BytesIO(alice.get(icon["src"].removeprefix(home[:-1])).data))
        assert f"{image.width}x{image.height}" == icon["sizes"]


@pytest.mark.parametrize("settings", [BEHIND_A_PROXY | {"VOICHAT_AUTH": "proxy"}])
def test_where_a_proxy_asks_who_comes_the_manifest_is_fetched_with_its_cookie(mallory: Person) -> None:
    assert 'href="/manifest.webmanifest" crossorigin="use-credentials">' in head(mallory, "/login")


def test_an_icon_takes_no_request(alice: Person) -> None:
    [icon] = re.findall(r'<link rel="icon" href="([^"]*)">', head(alice))
    assert icon == ICON
    assert icon.startswith("data:image/svg+xml,%3Csvg%20")


def test_the_bar_of_the_browser_has_the_colour_of_the_page(alice: Person) -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    [(light, dark)] = re.findall(r"--paper: light-dark\((#\w{6}), (#\w{6})\)", tokens)
    assert re.findall(r'<meta name="theme-color" content="(#\w{6})"( media)?', head(alice)) == [
        (dark, " media"),
        (light, ""),
    ]
    assert light == PAPER
