"""Each row of the fault table, asked in each way that an adapter asks."""

import re
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from tests.providers.authorities import LONG_AGO, Authority
from tests.providers.faults import (
    FAULTS,
    HUGE,
    KEY,
    OPENAI_ONLY,
    SECONDS,
    STREAMED,
    STREAMS_ONLY,
    WAYS,
    WHOLE,
    Fault,
    Way,
)
from tests.providers.upstream import Asked, Peer, Upstream, voigpt
from tests.support.languages import left_in_english
from webapp.providers import http
from webapp.providers.base import Chunk, Messages, ProviderError
from webapp.providers.http import Call
from webapp.providers.openai import OpenAI
from webapp.providers.voigpt import VoiGpt

HELLO: Messages = [{"role": "user", "content": "Hello"}]
ROWS = [(way, fault) for fault in FAULTS for way in WAYS]
ROWS += [(way, fault) for fault in OPENAI_ONLY for way in (WHOLE, STREAMED)]
ROWS += [(STREAMED, fault) for fault in STREAMS_ONLY]


@pytest.fixture(autouse=True)
def _no_tokens() -> None:
    """An earlier test's upstream may have had the same port."""
    VoiGpt._tokens.clear()
    http._network(None)  # reads the system's certificates, which takes as long as the deadlines here


@contextmanager
def faulty(way: Way, fault: Fault) -> Iterator[Upstream]:
    """Answers a chat with the fault; VoiGpt's page with its token is well."""
    page, broken = voigpt(token=KEY), way.answer(fault)

    def answer(asked: Asked, peer: Peer) -> None:
        (page if asked.method == "GET" else broken)(asked, peer)

    with Upstream(answer) as upstream:
        yield upstream


def ask(way: Way, url: str, call: Call, said: list[Chunk], **options: Any) -> ProviderError | None:
    """What comes is in `said`; returns what was raised."""
    if way.name == "voigpt":
        chunks = VoiGpt.create_completion("", HELLO, False, url=url, call=call, **options)
    else:
        chunks = OpenAI.create_completion("m", HELLO, way is STREAMED, None, KEY, url=url, call=call, **options)
    try:
        for chunk in chunks:
            said.append(chunk)
    except ProviderError as error:
        return error
    return None


def has_a_remedy(error: ProviderError) -> bool:
    """Where the same request cannot succeed, somebody has to act; else the person tries again."""
    remedy = "try again" if error.again else "the admin|start a new chat"
    return bool(re.search(remedy, str(error)))


@pytest.mark.parametrize(("way", "fault"), ROWS, ids=[f"{fault.name}, {way.name}" for way, fault in ROWS])
def test_the_sentence_says_what_is_wrong_and_what_to_do(
    way: Way, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Chunk] = []
    is_slow = "{seconds}" in fault.sentence
    with faulty(way, fault) as upstream:
        error = ask(way, upstream.url, Call(SECONDS if is_slow else 20.0), said)
    assert "".join(chunk for chunk in said if isinstance(chunk, str)) == fault.kept_by(way)
    assert fault.is_said_by(str(error or ""), SECONDS), error
    assert len(upstream.asked_for("POST")) == fault.times_asked(way)
    assert caplog.records == []
    if error:
        assert str(error).isprintable()
        assert left_in_english(str(error)) == ""
        assert error.again is fault.again
        assert has_a_remedy(error)
        assert error.retry_after == pytest.approx(fault.retry_after, abs=2)


@pytest.mark.parametrize("seconds", [0.0, 30.0, 3600.0])
def test_the_time_of_day_to_come_back_is_the_one_on_the_persons_clock(seconds: float) -> None:
    sentence = str(http.Response(429, {"Retry-After": f"{seconds:.0f}"}, {}, b"").failure())
    [said] = re.findall(r"try again after (\S+)\.$", sentence)
    assert said in [f"{datetime.now().astimezone() + timedelta(seconds=seconds - late):%H:%M:%S}" for late in range(3)]


LARGE = [(way, fault) for fault in HUGE for way in WAYS] + [(STREAMED, STREAMS_ONLY[0])]


@pytest.mark.parametrize(("way", "fault"), LARGE, ids=[f"{fault.name}, {way.name}" for way, fault in LARGE])
def test_what_is_huge_takes_little_memory(way: Way, fault: Fault) -> None:
    with faulty(way, fault) as upstream:
        tracemalloc.start()
        try:
            assert ask(way, upstream.url, Call(30), [])
            assert tracemalloc.get_traced_memory()[1] < 2.5 * Call().max_bytes
        finally:
            tracemalloc.stop()


# What stands in the way of any answer

Place = Callable[[Authority], AbstractContextManager[str]]

UNTRUSTED = "The certificate of the upstream is not trusted: {}; the admin has to see to it."


@contextmanager
def nowhere(_: Authority) -> Iterator[str]:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def plain(_: Authority) -> Iterator[str]:
    """An http server, asked for https."""

    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def named(url: str) -> Place:
    @contextmanager
    def place(_: Authority) -> Iterator[str]:
        yield url

    return place


def secure(*names: str, **options: Any) -> Place:
    @contextmanager
    def place(authority: Authority) -> Iterator[str]:
        with Upstream(tls=authority.signed(*names, **options)) as upstream:
            yield upstream.url
            assert upstream.asked == []

    return place


@contextmanager
def self_signed(_: Authority) -> Iterator[str]:
    with Upstream(tls=True) as upstream:
        yield upstream.url
        assert upstream.asked == []


PLACES: dict[str, tuple[Place, str, bool]] = {
    "refused": (
        nowhere,
        "The upstream is not running: it refused the connection; try again, and tell the admin if it stays so.",
        True,
    ),
    "an unknown name": (
        named("http://unknown.invalid"),
        "The upstream was not found: its name is not known; the admin has to correct its address.",
        False,
    ),
    "a name service without an answer": (
        named("http://unanswered.invalid"),
        "The upstream was not found: the name service does not answer; try again later.",
        True,
    ),
    "an address that is none": (
        named("ftp://x/"),
        "The upstream's address, key or proxy is not set up correctly; the admin has to correct them.",
        False,
    ),
    "self-signed": (self_signed, UNTRUSTED.format("it is self-signed"), False),
    "expired": (secure(until=LONG_AGO), UNTRUSTED.format("it has expired"), False),
    "a certificate for another name": (
        secure("elsewhere.example"),
        UNTRUSTED.format("it is for another name"),
        False,
    ),
    "no TLS at all": (
        plain,
        "The secure connection to the upstream failed: wrong version number; the admin has to correct its address.",
        False,
    ),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    yield Authority(tmp_path_factory.mktemp("authority"))
    http._network.cache_clear()


@pytest.fixture
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service without a network."""
    asked: Any = socket.getaddrinfo
    codes = {"unknown.invalid": socket.EAI_NONAME, "unanswered.invalid": socket.EAI_AGAIN}

    def look_up(host: str, *arguments: Any, flags: int = 0, **options: Any) -> Any:
        if host in codes and not flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(codes[host], "no")
        return asked(host, *arguments, flags=flags, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.usefixtures("_names")
@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
@pytest.mark.parametrize("name", PLACES)
def test_what_stands_in_the_way_is_said(
    way: Way, name: str, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    place, sentence, again = PLACES[name]
    said: list[Chunk] = []
    with place(authority) as url:
        error = ask(way, url, Call(20), said, ca_file=authority.file if name != "self-signed" else None)
    assert error
    assert (str(error), error.again, said) == (sentence, again, [])
    assert left_in_english(str(error)) in ("", "wrong version number")
    assert has_a_remedy(error)
    assert caplog.records == []
