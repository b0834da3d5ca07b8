"""Whatever an upstream does wrong, the chat keeps the words, says one sentence and offers Retry."""

import gzip
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from threading import Event

import pytest

from tests.providers.authorities import LONG_AGO, Authority
from tests.providers.upstream import (
    Answer,
    Asked,
    Peer,
    Upstream,
    cut,
    drip,
    raw,
    reply,
    reset,
    silence,
    voigpt,
)
from tests.support.proxies import microsocks
from tests.support.servers import Voichat, free_port
from tests.support.visitors import Visitor, at_once

Serve = Callable[..., Voichat]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the database."""

SECONDS = 5
HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = HEAD + b"Content-Length: 100000000\r\n\r\n"
TOO_LATE = f"The upstream had not finished after {SECONDS} seconds; try again, or ask for less."
TOO_LONG = "The upstream's answer is longer than 16 MB; the admin has to look at its log."
BROKE_OFF = "The connection to the upstream broke off before the answer was complete; try again."

FAULTS: dict[str, tuple[Answer, str]] = {
    "drip in the header": (drip(HEAD, b"X: "), TOO_LATE),
    "drip in the body": (drip(LONG), TOO_LATE),
    "silence": (silence(), TOO_LATE),
    "RST": (reset(), BROKE_OFF),
    "RST in the body": (reset(LONG, b"part"), BROKE_OFF),
    "cut": (cut(LONG, b"part"), BROKE_OFF),
    "huge": (raw(LONG, bytes(17 * 2**20)), TOO_LONG),
    "bomb": (reply(gzip.compress(bytes(2**26)), content_encoding="gzip"), TOO_LONG),
    "broken packing": (
        reply("no gzip", content_encoding="gzip"),
        "The upstream's answer cannot be unpacked; try again, and tell the admin if it stays so.",
    ),
    "no HTTP": (
        cut(b"220 mail.example ESMTP\r\n"),
        "The upstream does not answer in HTTP; the admin has to correct its address.",
    ),
    "elsewhere": (
        reply("", 302, location="https://login.example/?key=secret"),
        "The upstream redirects to another place (302); the admin has to correct its address.",
    ),
    "itself": (
        reply("", 307, location="/generate_response/"),
        "The upstream redirects to itself (307); the admin has to let it answer without a sign-in.",
    ),
    "a page": (
        reply("<html><title>Sign in</title>", content_type="text/html"),
        "The upstream answered with a web page instead of data; the admin has to correct its address: “Sign in”.",
    ),
    "its own fault": (
        reply("", 503, retry_after="7"),
        "The upstream has a fault of its own (503 Service Unavailable); try again, and tell the admin if it stays so.",
    ),
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def mended() -> Event:
    return Event()


@pytest.fixture
def faulty(authority: Authority, mended: Event) -> Iterator[Upstream]:
    """Behind https. Answers each of `FAULTS` with its fault, until it is mended."""
    healthy = voigpt()

    def answer(asked: Asked, peer: Peer) -> None:
        is_well = asked.method == "GET" or mended.is_set()
        (healthy if is_well else FAULTS[asked.json["messages"][-1]["content"]][0])(asked, peer)

    with Upstream(answer, tls=authority.signed()) as upstream:
        yield upstream


def problem(page: str) -> str:
    [found] = re.findall(r'<p class="problem">(.*?)</p>', page, re.DOTALL)
    return unescape(found).strip()


@on_sqlite
def test_each_fault_is_said_with_retry_and_the_words_are_still_there(
    serve: Serve, faulty: Upstream, authority: Authority, mended: Event
) -> None:
    voichat = serve(VOIGPT_URL=faulty.url, VOIGPT_CA_FILE=authority.file, VOICHAT_REPLY_SECONDS=str(SECONDS))
    people = {fault: Visitor(voichat) for fault in FAULTS}
    chats = dict(zip(people, at_once(lambda fault: people[fault].send(fault), people), strict=True))

    def settled(fault: str) -> list[tuple[str, str]]:
        return [(shown.role, shown.status) for shown in people[fault].until_settled(chats[fault])]

    assert at_once(settled, people) == [[("user", "complete"), ("assistant", "failed")]] * len(FAULTS)
    pages = {fault: person.get(chats[fault]).text for fault, person in people.items()}
    assert {fault: problem(page) for fault, page in pages.items()} == {
        fault: sentence for fault, (_, sentence) in FAULTS.items()
    }
    mended.set()
    for fault, person in people.items():
        assert person.press("Retry", pages[fault]).status == 303
    for fault, person in people.items():
        assert [shown.words for shown in person.until_settled(chats[fault])] == [fault, "Hello."]


def refused(voichat: Voichat) -> str:
    """The sentence that a message gets; its words are kept."""
    alice = Visitor(voichat)
    chat = alice.send("Are you there?")
    asked, failed = alice.until_settled(chat)
    assert (asked.words, failed.status) == ("Are you there?", "failed")
    page = alice.get(chat).text
    assert "<button>Retry</button>" in page
    return problem(page)


@on_sqlite
def test_an_expired_certificate_is_said_in_the_chat_and_on_the_status_page(serve: Serve, authority: Authority) -> None:
    sentence = "The certificate of the upstream is not trusted: it has expired; the admin has to see to it."
    with Upstream(voigpt(), tls=authority.signed(until=LONG_AGO)) as upstream:
        voichat = serve(VOIGPT_URL=upstream.url, VOIGPT_CA_FILE=authority.file)
        assert refused(voichat) == sentence
        assert sentence in unescape(Visitor(voichat).get("/providers/").text)


@on_sqlite
def test_a_proxy_that_is_down_is_said_in_the_chat(serve: Serve) -> None:
    voichat = serve(VOIGPT_PROXY=f"socks5h://127.0.0.1:{free_port()}")
    assert (
        refused(voichat)
        == "The proxy is not running: it refused the connection; try again, and tell the admin if it stays so."
    )


@on_sqlite
def test_a_proxy_that_wants_a_password_is_said_in_the_chat_without_the_one_that_is_set(
    serve: Serve, tmp_path: Path
) -> None:
    with microsocks(tmp_path) as port:
        sentence = refused(serve(VOIGPT_PROXY=f"socks5://alice:hunter2@127.0.0.1:{port}"))
    assert (
        sentence
        == "The proxy asks for a name and a password, or does not take those that are set; the admin has to set others."
    )
