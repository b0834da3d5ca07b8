"""Behind a real nginx that caches all it may: two people never mix, and everything stays where it belongs."""

import re
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from tests.providers.upstream import Answer as Reply
from tests.providers.upstream import voigpt
from tests.support.held import held
from tests.support.nginx import Nginx, ProxiedVisitor, nginx
from tests.support.servers import Voichat
from tests.support.visitors import Answer, said
from tests.support.wire import ask

Serve = Callable[..., Voichat]


@pytest.fixture(scope="module")
def trusting(stand: Serve) -> Voichat:
    return stand(VOICHAT_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="module", params=["", "/chat"], ids=["whole host", "sub-path"])
def front(
    request: pytest.FixtureRequest, trusting: Voichat, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    with nginx(trusting, request.param, tmp_path_factory.mktemp("nginx")) as started:
        yield started


@pytest.fixture
def home(front: Nginx) -> str:
    """The address of a new chat."""
    return f"{front.prefix}/"


@pytest.fixture
def alice(front: Nginx) -> ProxiedVisitor:
    return ProxiedVisitor(front)


@pytest.fixture
def bob(front: Nginx) -> ProxiedVisitor:
    return ProxiedVisitor(front)


POSTED = re.compile("/replies/|/(messages|pin|delete|copy)$")
"""Where only a form leads."""


def links(answer: Answer) -> list[str]:
    return re.findall(r'(?:href|src|action)="(?!data:)([^"#]+)', answer.text)


def test_a_whole_conversation_goes_through(alice: ProxiedVisitor, home: str) -> None:
    chat = alice.send("Hi", home)
    assert chat.startswith(f"{home}chats/")
    alice.until_settled(chat)
    assert alice.send("And again", chat).startswith(chat)
    assert [each.words for each in alice.until_settled(chat)] == ["Hi", "Hello.", "And again", "Hello."]
    assert ">Hi</a>" in alice.get(f"{home}chats").text


def test_every_link_of_every_page_stays_under_the_prefix_and_opens(alice: ProxiedVisitor, home: str) -> None:
    chat = alice.send("Hi", home)
    alice.until_settled(chat)
    for path in (home, f"{home}chats", f"{home}providers/", chat, f"{home}nowhere"):
        found = [link for link in links(alice.get(path)) if not POSTED.search(link)]
        assert found, path
        assert {link for link in found if not link.startswith(home)} == set(), path
        assert {alice.get(link).status for link in found} == {200}, path


def test_a_redirect_stays_on_the_host_and_under_the_prefix(alice: ProxiedVisitor, front: Nginx, home: str) -> None:
    assert alice.get(f"{home}providers").headers["Location"] == f"{front.url}{home}providers/"
    forms = ({"message": "Hi"}, {"message": "Hi", "next": "//evil.example"})
    assert all(alice.post(f"{home}chats", form).headers["Location"].startswith(f"{home}chats/") for form in forms)


def test_the_cookie_is_bound_to_this_host_or_to_the_prefix(alice: ProxiedVisitor, front: Nginx, home: str) -> None:
    sent = alice.post(f"{home}chats", {"message": "Hi"}).headers["Set-Cookie"]
    assert sent.startswith("__Secure-voichat=" if front.prefix else "__Host-voichat=")
    assert {f"Path={home}", "Secure", "HttpOnly", "SameSite=Lax"} <= set(sent.split("; "))
    assert "Domain" not in sent


@pytest.mark.parametrize("site", ["same-origin", ""])
def test_a_form_of_our_own_page_is_taken(alice: ProxiedVisitor, front: Nginx, home: str, site: str) -> None:
    headers = {"Sec_Fetch_Site": site} if site else {"Origin": front.url}
    assert alice.post(f"{home}chats", {"message": "Hi"}, **headers).status == 303


@pytest.mark.parametrize("origin", ["https://127.0.0.1", "https://127.0.0.1:1", "https://evil.example", "null"])
def test_a_form_of_another_site_is_refused(alice: ProxiedVisitor, home: str, origin: str) -> None:
    assert alice.post(f"{home}chats", {"message": "Hi"}, Origin=origin).status == 403


# What the cache holds


def test_two_people_never_see_each_others_pages(alice: ProxiedVisitor, bob: ProxiedVisitor, home: str) -> None:
    theirs = {alice: "Alice was here", bob: "Bob was here"}
    chats = {person: person.send(words, home) for person, words in theirs.items()}
    assert alice.cookie != bob.cookie
    for person, chat in chats.items():
        person.until_settled(chat)
    for _ in range(3):
        for person, other in ((alice, bob), (bob, alice)):
            assert theirs[other] not in person.get(f"{home}chats").text
            assert theirs[person] in person.get(f"{home}chats").text
            assert theirs[person] in person.get(chats[person]).text
            assert person.get(chats[other]).status == 404


def test_no_page_comes_from_the_cache(alice: ProxiedVisitor, home: str) -> None:
    chat = alice.send("Hi", home)
    alice.until_settled(chat)
    paths = [home, f"{home}chats", chat, f"{home}providers/", f"{home}providers", f"{home}nowhere", f"{home}healthz"]
    for path in [*paths, *paths]:
        assert alice.get(path).headers["X-Cached"] in ("MISS", "BYPASS"), path


def test_a_cookie_is_given_to_one_person_alone(alice: ProxiedVisitor, bob: ProxiedVisitor, home: str) -> None:
    alice.send("Hi", home)
    for path in (home, f"{home}chats", f"{home}static/style.css"):
        assert bob.get(path).cookie == ""


def test_each_new_page_has_a_submit_id_of_its_own(alice: ProxiedVisitor, bob: ProxiedVisitor, home: str) -> None:
    found = [re.findall(r'name="submit_id" value="(\w+)"', each.get(home).text) for each in (alice, bob, alice)]
    assert len({each for [each] in found}) == 3


def test_a_static_file_comes_from_the_cache(alice: ProxiedVisitor, bob: ProxiedVisitor, home: str) -> None:
    [style] = [link for link in links(alice.get(home)) if "/style.css" in link]
    first, second = (person.get(f"{style}&first") for person in (alice, bob))
    assert [answer.headers["X-Cached"] for answer in (first, second)] == ["MISS", "HIT"]
    assert first.text == second.text


# What nginx passes on


def test_a_reply_arrives_as_it_is_written(
    alice: ProxiedVisitor, home: str, answers: dict[str, Reply], may_answer: Event
) -> None:
    may_answer.clear()
    answers["Are you there?"] = held(voigpt(), may_answer)
    with alice.open(alice.send("Are you there?", home)) as page:
        assert [each.words for each in said(page.read_until("Writing…"))] == ["Are you there?"]
        may_answer.set()
        assert said(page.read_to_its_end())[-1].words == "Hello."


def test_what_a_client_says_was_forwarded_never_arrives(alice: ProxiedVisitor, home: str) -> None:
    forged = {
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Prefix": "/evil",
        "X_Forwarded_Proto": "http",
        "X_Forwarded_For": "203.0.113.9",
    }
    answer = alice.get(f"{home}providers", **forged)
    assert answer.headers["Location"] == f"{alice.nginx.url}{home}providers/"
    assert alice.post(f"{home}chats", {"message": "Hi"}, **forged).cookie.startswith("__")


def test_a_foreign_name_gets_a_400_and_spoils_no_page_for_others(alice: ProxiedVisitor, home: str) -> None:
    assert alice.get(home, Host="evil.example").status == 400
    assert alice.get(home).status == 200


def test_a_long_message_at_the_limit_goes_through(alice: ProxiedVisitor, home: str) -> None:
    chat = alice.send("🙂" * 100_000, home)
    assert len(said(alice.get(chat).text)[0].words) == 100_000


def test_without_nginx_nobody_is_taken_for_it(stand: Serve) -> None:
    direct = stand(VOICHAT_TRUSTED_PROXIES="192.0.2.1")
    sent = b"GET /providers HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Prefix: /chat\r\nConnection: close\r\n\r\n"
    assert ask(direct.port, sent).headers["Location"] == "http://127.0.0.1/providers/"
