"""Which requests are let in, and from whom."""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import pytest
from flask import Flask, Request
from werkzeug.datastructures import Headers
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Response

from tests.support.databases import count
from tests.support.people import Person
from webapp.db import Database, conversations
from webapp.settings import LOOPBACK_HOSTS
from webapp.web.security import TrustedProxies, is_cross_site, is_host_trusted

TEAM = ["chat.example.lan", ".Team.lan", "10.0.0.7", "[2001:db8::1]"]
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# The name that a browser was given


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        ("chat.example.lan", True),
        ("chat.example.lan:8000", True),
        ("CHAT.Example.LAN:443", True),
        ("10.0.0.7", True),
        ("10.0.0.7:80", True),
        ("[2001:db8::1]", True),
        ("[2001:DB8::1]:8000", True),
        ("eu.team.lan", True),
        ("a.b.team.lan:1", True),
        ("", False),
        ("evil.example", False),
        ("chat.example.lan.evil.example", False),
        ("evilchat.example.lan", False),
        ("sub.chat.example.lan", False),
        ("evilteam.lan", False),
        ("team.lan.evil.example", False),
        ("10.0.0.70", False),
        ("2001:db8::1", False),
        ("[2001:db8::10]", False),
        ("chat.example.lan:", False),
        ("chat.example.lan:80:80", False),
        ("chat.example.lan.", False),
        ("8000", False),
    ],
)
def test_a_host_is_trusted_by_its_whole_name_whatever_the_port(host: str, is_trusted: bool) -> None:
    assert is_host_trusted(host, TEAM) == is_trusted


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "team.localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_loopback_has_all_its_names(host: str) -> None:
    assert is_host_trusted(host, LOOPBACK_HOSTS)


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_HOSTS": "chat.example.lan"}])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("chat.example.lan", 200),
        ("Chat.Example.lan:8000", 200),
        ("localhost", 400),
        ("127.0.0.1", 400),
        ("evil.example", 400),
        ("chat.example.lan.evil.example", 400),
        ("chat.example.lan@evil.example", 400),
        ("evil.example@chat.example.lan", 400),
        ("evil.example/chat.example.lan", 400),
        ("evil.example#chat.example.lan", 400),
        ("evil.example, chat.example.lan", 400),
        ("chat.example.lan ", 400),
        ("chat.example.lan:80x", 400),
        ("chat.example.lan:99999", 400),
        ("chät.example.lan", 400),
        ("[::1", 400),
        ("<script>", 400),
    ],
)
def test_a_foreign_name_gets_a_400_and_one_sentence(alice: Person, host: str, status: int) -> None:
    answer = alice.get("/", headers={"Host": host})
    assert answer.status_code == status
    assert ("This server does not answer to the name" in answer.text) == (status == 400)
    assert "<script>" not in answer.text


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["/chats", "/static/style.css", "/healthz", "/nowhere", "/providers/"])
def test_under_a_foreign_name_there_is_nothing_at_all(alice: Person, path: str) -> None:
    assert alice.get(path, headers={"Host": "evil.example"}).status_code == 400


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_HOSTS": ".example.lan"}])
def test_the_link_that_the_admin_is_shown_is_one_that_works(alice: Person) -> None:
    link = alice.app.extensions["voichat"].settings.link
    assert alice.get("/", base_url=link).status_code == 200


# The site that a request came from

SAME, OTHER = "http://chat.lan:8000", "http://evil.example"


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "new-word"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": SAME}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": OTHER}, False),
        ({"Origin": SAME}, False),
        ({"Origin": "https://chat.lan:8000"}, False),
        ({"Origin": "HTTP://Chat.LAN:8000"}, False),
        ({"Origin": "http://chat.lan"}, True),
        ({"Origin": "http://chat.lan:8001"}, True),
        ({"Origin": "http://chat.lan:8000.evil.example"}, True),
        ({"Origin": "http://chat.lan:8000@evil.example"}, True),
        ({"Origin": "http://evil.example@chat.lan:8000"}, True),
        ({"Origin": OTHER}, True),
        ({"Origin": OTHER, "Referer": f"{SAME}/"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "null", "Referer": f"{SAME}/"}, True),
        ({"Origin": "http://["}, True),
        ({"Origin": "chat.lan:8000"}, True),
        ({"Origin": "file://"}, True),
        ({"Referer": f"{SAME}/chats?q=1"}, False),
        ({"Referer": f"{OTHER}/?{SAME}"}, True),
        ({"Referer": "http://["}, True),
        ({"Referer": "about:blank"}, True),
        ({"Sec-Fetch-Site": "", "Origin": "", "Referer": ""}, False),
    ],
)
def test_the_first_that_is_there_of_sec_fetch_site_origin_and_referer_decides(
    headers: dict[str, str], is_refused: bool
) -> None:
    environ = EnvironBuilder(base_url=SAME, headers=Headers(headers)).get_environ()
    assert is_cross_site(Request(environ)) == is_refused


SITES = {None: None, "same-origin": False, "none": False, "same-site": True, "cross-site": True}
ORIGINS = {None: None, SAME: False, OTHER: True, "null": True}
REFERERS = {None: None, f"{SAME}/chats": False, f"{OTHER}/": True}


@pytest.mark.parametrize("referer", REFERERS)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("site", SITES)
def test_in_every_combination_the_first_of_the_three_decides(
    site: str | None, origin: str | None, referer: str | None
) -> None:
    given = {"Sec-Fetch-Site": site, "Origin": origin, "Referer": referer}
    headers = Headers({name: value for name, value in given.items() if value})
    verdicts = [verdict for verdict in (SITES[site], ORIGINS[origin], REFERERS[referer]) if verdict is not None]
    assert (
        is_cross_site(Request(EnvironBuilder(base_url=SAME, headers=headers).get_environ())) == (verdicts or [False])[0]
    )


def test_an_opaque_origin_is_another_site_for_a_request_without_a_name_too() -> None:
    environ = EnvironBuilder(headers=Headers({"Host": "", "Origin": "null"})).get_environ()
    assert is_cross_site(Request(environ))


@ON_ONE_DATABASE
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": OTHER}, {"Referer": OTHER}])
def test_what_another_site_makes_a_browser_send_is_not_carried_out(
    alice: Person, database: Database, headers: dict[str, str]
) -> None:
    answer = alice.client.post("/chats", data={"message": "Hi"}, headers=headers)
    assert answer.status_code == 403
    assert "came from another site" in answer.text
    assert count(database, conversations) == 0


@ON_ONE_DATABASE
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_of_no_address_does_another_site_get_more_than_a_refusal(alice: Person, app: Flask, method: str) -> None:
    paths = {re.sub("<[^>]*>", "0" * 32, rule.rule) for rule in app.url_map.iter_rules()}
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert {alice.client.open(path, method=method, headers=headers).status_code for path in paths} == {403}


@ON_ONE_DATABASE
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Referer": OTHER}])
def test_a_link_on_another_site_opens(alice: Person, method: str, headers: dict[str, str]) -> None:
    chat = alice.send("Hi")
    for path in ("/", "/chats", chat):
        assert alice.client.open(path, method=method, headers=headers).status_code == 200


# The proxy in front

FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "chat.example.lan",
    "X-Forwarded-Prefix": "/chat",
}
NETWORKS = [ip_network(text) for text in ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1")]


def seen(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An application that says what of the request reached it."""
    said = [environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ["SCRIPT_NAME"]]
    left = sorted(name for name in environ if name.startswith("HTTP_X_FORWARDED"))
    return Response(" ".join([*said, *left]))(environ, start_response)


def through_proxies(peer: str, headers: dict[str, str]) -> list[str]:
    answer = Client(TrustedProxies(seen, NETWORKS, "HTTP_REMOTE_USER")).get(
        "/", headers=headers, environ_base={"REMOTE_ADDR": peer}
    )
    return answer.text.split(" ")


@pytest.mark.parametrize(
    ("peer", "counts"),
    [
        ("10.1.2.3", True),
        ("192.0.2.1", True),
        ("2001:db8::5", True),
        ("::1", True),
        ("::ffff:10.1.2.3", True),  # what a socket for both families calls 10.1.2.3
        ("11.0.0.1", False),
        ("192.0.2.2", False),
        ("2001:db9::1", False),
        ("::ffff:11.0.0.1", False),
        ("127.0.0.1", False),
        ("", False),
        ("localhost", False),
        ("10.1.2.3,192.0.2.1", False),
    ],
)
def test_what_was_forwarded_counts_only_from_a_proxy_that_the_admin_named(peer: str, counts: bool) -> None:
    forwarded = ["203.0.113.9", "https", "chat.example.lan", "/chat"]
    assert through_proxies(peer, FORWARDED)[:4] == (forwarded if counts else [peer, "http", "localhost", ""])


def test_what_a_stranger_says_was_forwarded_is_taken_away() -> None:
    headers = FORWARDED | {"X-Forwarded-Port": "1", "X-Forwarded-Anything": "x"}
    assert through_proxies("203.0.113.5", headers) == ["203.0.113.5", "http", "localhost", ""]


def test_of_several_hops_the_last_counts() -> None:
    hops = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Host": "evil.example, chat.example.lan"}
    assert through_proxies("10.0.0.1", hops)[:3] == ["203.0.113.9", "http", "chat.example.lan"]


@pytest.mark.parametrize(
    ("prefix", "script_name"),
    [
        ("/chat", "/chat"),
        ("/chat/", "/chat/"),  # Werkzeug cuts the slash off
        ("/a/b-c_d.e~f", "/a/b-c_d.e~f"),
        ("/evil, /chat", "/chat"),
        ("/", "/"),
        ("", ""),
        ("//evil.example", ""),
        ("/chat, //evil.example", ""),
        ("/\\evil.example", ""),
        ("https://evil.example", ""),
        ("chat", ""),
        ("/a//b", ""),
        ('/"><script>', ""),
        ("/chat?x", ""),
        ("/%2fevil.example", ""),
    ],
)
def test_a_prefix_is_a_plain_path_or_none(prefix: str, script_name: str) -> None:
    assert through_proxies("10.0.0.1", {"X-Forwarded-Prefix": prefix})[3] == script_name


def test_the_header_forwarded_counts_from_nobody() -> None:
    headers = {"Forwarded": "for=203.0.113.9;proto=https;host=evil.example"}
    assert through_proxies("10.0.0.1", headers) == ["10.0.0.1", "http", "localhost", ""]


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", [*FORWARDED, "X-Forwarded-Port", "X-Forwarded-Server", "Forwarded", "X-Real-IP"])
@pytest.mark.parametrize("value", ["evil.example", "https", "//evil.example", "0"])
def test_no_page_repeats_what_a_stranger_says_was_forwarded(alice: Person, name: str, value: str) -> None:
    plain, forged = alice.get("/providers"), alice.get("/providers", headers={name: value})
    assert (forged.status_code, forged.headers["Location"]) == (plain.status_code, plain.headers["Location"])


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("settings", "action"), [({}, "/chats"), ({"VOICHAT_TRUSTED_PROXIES": "127.0.0.0/8"}, "/chat/chats")]
)
def test_links_are_under_the_prefix_of_a_trusted_proxy_alone(alice: Person, action: str) -> None:
    page = alice.get("/", headers=FORWARDED | {"X-Forwarded-Host": "localhost"}).text
    assert f'action="{action}"' in page


@ON_ONE_DATABASE
@pytest.mark.parametrize(("settings", "status"), [({}, 200), ({"VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}, 400)])
def test_a_forwarded_name_has_to_be_one_of_ours_too(alice: Person, status: int) -> None:
    assert alice.get("/", headers={"X-Forwarded-Host": "evil.example"}).status_code == status


@ON_ONE_DATABASE
@pytest.mark.parametrize("settings", [{"VOICHAT_TRUSTED_PROXIES": "127.0.0.1", "VOICHAT_HOSTS": "chat.example.lan"}])
def test_a_form_sent_through_the_proxy_is_of_the_same_site(alice: Person) -> None:
    headers = FORWARDED | {"Origin": "https://chat.example.lan"}
    answer = alice.client.post("/chats", data={"message": "Hi"}, headers=headers)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/chat/chats/")
