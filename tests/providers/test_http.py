import gzip
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import pytest
from urllib3.util.wait import wait_for_write

from tests.providers.upstream import (
    Answer,
    Asked,
    Peer,
    Upstream,
    blackhole,
    chunked,
    cut,
    drip,
    pem,
    raw,
    reply,
    reply_json,
    reset,
    silence,
)
from webapp.providers import http, lifeline, network
from webapp.providers.base import Cancelled, ProviderError
from webapp.providers.http import Call

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = HEAD + b"Connection: close\r\n\r\n"
LONG = HEAD + b"Content-Length: 1000000\r\n\r\n"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    http._network(None)  # reads the system's certificates, which takes as long as some deadlines here
    with Upstream(reply("ok")) as upstream:
        yield upstream


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The upstream's certificate is in the system's store."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem()))
    http._network.cache_clear()
    yield
    http._network(None).close()
    http._network.cache_clear()


def fail(url: str, call: Call | None = None, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        (call or Call(20)).get(url, **options)
    assert str(caught.value).endswith(".")
    return caught.value


def ask(url: str, **options: Any) -> str:
    return Call(20).get(url, **options).text()


def ended_within(seconds: float, future: "Future[ProviderError]") -> ProviderError:
    begun = monotonic()
    error = future.result(10)
    assert monotonic() - begun < seconds
    return error


# What is sent and what comes back


def test_an_answer_has_status_headers_cookies_and_body(upstream: Upstream) -> None:
    upstream.queue(reply("Grüße", 418, content_type="text/plain", set_cookie="a=1; Path=/; HttpOnly"))
    answer = Call().get(f"{upstream.url}/tea?x=1")
    assert (answer.status, answer.text(), answer.body) == (418, "Grüße", "Grüße".encode())
    assert answer.headers["content-type"] == "text/plain"
    assert answer.cookies == {"a": "1"}
    assert upstream.asked[0].path == "/tea?x=1"


def test_json_is_posted_as_utf_8_with_its_length(upstream: Upstream) -> None:
    upstream.queue(reply_json({"said": "да"}))
    answer = Call().post_json(upstream.url, {"say": "да 🙂"}, {"X-Own": "yes"})
    assert answer.json() == {"said": "да"}
    asked = upstream.asked[0]
    assert (asked.method, asked.json) == ("POST", {"say": "да 🙂"})
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-own"] == "yes"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"] == "Voichat"


def test_no_cookie_goes_from_one_request_to_the_next(upstream: Upstream) -> None:
    upstream.queue(reply("a", set_cookie="secret=1; Path=/"))
    call = Call()
    for _ in range(2):
        call.get(upstream.url)
    Call().get(upstream.url)
    assert [asked.headers.get("cookie") for asked in upstream.asked] == [None] * 3


def test_proxies_and_passwords_of_the_environment_are_ignored(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ask(upstream.url) == "ok"
    assert "authorization" not in upstream.asked[0].headers


def test_a_proxy_is_used(upstream: Upstream) -> None:
    assert ask("http://nowhere.invalid/x", proxy=f"http://us:pw@127.0.0.1:{upstream.port}") == "ok"
    asked = upstream.asked[0]
    assert (asked.path, asked.headers["host"]) == ("http://nowhere.invalid/x", "nowhere.invalid")
    assert asked.headers["proxy-authorization"] == "Basic dXM6cHc="


def test_a_proxy_forwards(upstream: Upstream) -> None:
    def forward(asked: Asked, peer: Peer) -> None:
        reply(f"by proxy: {ask(asked.path)}")(asked, peer)

    with Upstream(forward) as proxy:
        assert ask(f"{upstream.url}/x", proxy=proxy.url) == "by proxy: ok"


def test_a_proxy_that_refuses_a_tunnel_is_named(upstream: Upstream) -> None:
    upstream.queue(cut(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    error = fail("https://nowhere.invalid/", proxy=upstream.url)
    assert str(error).startswith(
        "The proxy asks for a name and a password, or does not take those that are set (407); "
    )
    assert upstream.asked[0].method == "CONNECT"


def test_a_proxy_that_is_down_is_named() -> None:
    error = fail("http://nowhere.invalid/", proxy="http://127.0.0.1:1")
    assert (
        str(error)
        == "The proxy is not running: it refused the connection; try again, and tell the admin if it stays so."
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Host.example:80/x", "http://host.example"),
        ("https://us:pw@host.example:443", "https://host.example"),
        ("https://host.example:8443/a/b?c", "https://host.example:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://ключ.example/", "https://xn--j1ac0b1a.example"),
    ],
)
def test_an_origin_is_what_a_browser_sends(url: str, expected: str) -> None:
    assert http.origin(url) == expected


# Connections


def test_a_connection_is_used_again(upstream: Upstream) -> None:
    for _ in range(5):
        ask(upstream.url)
    assert [asked.connection for asked in upstream.asked] == [0] * 5


def test_a_connection_that_the_upstream_closed_is_not_used_again(upstream: Upstream) -> None:
    closed = Event()

    def close(_: Asked, peer: Peer) -> None:
        peer.send(HEAD, b"Content-Length: 2\r\n\r\nok")
        peer.close()
        closed.set()

    upstream.queue(close)
    ask(upstream.url)
    assert closed.wait(5)
    assert Call().post_json(upstream.url, {}).text() == "ok"
    assert [asked.connection for asked in upstream.asked] == [0, 1]


def test_a_connection_that_was_long_idle_is_not_used_again(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(upstream.url)
    monkeypatch.setattr(network, "IDLE_SECONDS", 0.0)
    ask(upstream.url)
    assert [asked.connection for asked in upstream.asked] == [0, 1]


def test_a_post_that_gets_no_answer_is_not_sent_twice(upstream: Upstream) -> None:
    upstream.queue(reply("ok"), cut())
    ask(upstream.url)
    with pytest.raises(ProviderError, match="broke off"):
        Call().post_json(upstream.url, {})
    assert [asked.method for asked in upstream.asked] == ["GET", "POST"]


@pytest.mark.parametrize("answer", [cut(LONG), reset(LONG), raw(CHUNKED + b"x\r\n")])
def test_a_connection_that_failed_is_not_used_again(upstream: Upstream, answer: Answer) -> None:
    upstream.queue(answer)
    fail(upstream.url)
    assert ask(upstream.url) == "ok"
    assert [asked.connection for asked in upstream.asked] == [0, 1]


def test_a_crowd_of_idle_connections_is_closed_by_the_next_call(
    upstream: Upstream, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(8)

    def together(asked: Asked, peer: Peer) -> None:
        meeting.wait(5)
        reply("ok")(asked, peer)

    upstream.queue(*[together] * 8)
    assert list(pool.map(ask, [upstream.url] * 8)) == ["ok"] * 8
    monkeypatch.setattr(network, "IDLE_SECONDS", 0.0)
    ask(upstream.url)
    assert upstream.connections == 9
    upstream.wait_for_open(1)


def test_an_empty_answer_gives_its_connection_back(upstream: Upstream) -> None:
    upstream.queue(reply("", 204), reply(""))
    for _ in range(3):
        ask(upstream.url)
    assert upstream.connections == 1


def test_two_hundred_calls_at_once_are_answered(upstream: Upstream) -> None:
    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(ask, [upstream.url] * 400)) == ["ok"] * 400


def test_no_descriptor_is_left_behind(upstream: Upstream) -> None:
    ask(upstream.url)
    before = len(os.listdir("/proc/self/fd"))
    upstream.queue(cut(LONG), silence(LONG), reply("x", 302), raw(b"nonsense\r\n\r\n", then=Peer.close))
    fail(upstream.url)
    fail(upstream.url, Call(0.2))
    fail(upstream.url)
    fail(upstream.url)
    fail("http://127.0.0.1:1")
    upstream.wait_for_closed()
    assert ask(upstream.url) == "ok"
    upstream.wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (cut(), "broke off"),
        (reset(), "broke off"),
        (cut(LONG + b"part"), "broke off"),
        (reset(LONG + b"part"), "broke off"),
        (cut(CHUNKED + b"4\r\nwo"), "broke off"),
        (cut(CHUNKED + b"4\r\nword\r\n"), "broke off"),
        (cut(CHUNKED + b"zz\r\nword\r\n"), "broke off"),
        (cut(b"nonsense\r\n\r\n"), "does not answer in HTTP"),
        (cut(HEAD + b"X: " + b"y" * 70_000), "does not answer in HTTP"),
        (cut(HEAD + b"X: y\r\n" * 200), "does not answer in HTTP"),
        (reply("not gzip", content_encoding="gzip"), "cannot be unpacked"),
        (reply("x", 304), "redirects to another place (304)"),
        (reply("x", 302, location="//evil.example\\@x/"), "redirects to"),
    ],
)
def test_a_broken_answer_is_an_error_in_words(upstream: Upstream, answer: Answer, sentence: str) -> None:
    upstream.queue(answer)
    error = str(fail(upstream.url))
    assert sentence in error
    assert str(upstream.port) not in error


def test_a_redirect_is_not_followed(upstream: Upstream) -> None:
    with Upstream(reply("stolen")) as other:
        upstream.queue(reply("", 307, location=f"{other.url}/"))
        with pytest.raises(ProviderError, match=r"redirects to another place ") as caught:
            Call().post_json(upstream.url, {}, {"X-CSRFToken": "secret"})
        assert not caught.value.again
        assert other.connections == 0


def test_nothing_listens() -> None:
    error = fail("http://127.0.0.1:1")
    assert (
        str(error)
        == "The upstream is not running: it refused the connection; try again, and tell the admin if it stays so."
    )
    assert error.again


@pytest.mark.parametrize(
    ("code", "sentence", "again"),
    [
        (
            socket.EAI_NONAME,
            "The upstream was not found: its name is not known; the admin has to correct its address.",
            False,
        ),
        (socket.EAI_AGAIN, "The upstream was not found: the name service does not answer; try again later.", True),
    ],
)
def test_a_name_is_not_found(monkeypatch: pytest.MonkeyPatch, code: int, sentence: str, again: bool) -> None:
    def not_found(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    error = fail("http://nowhere.invalid")
    assert (str(error), error.again) == (sentence, again)


@pytest.mark.parametrize("url", ["localhost:80", "embedded:", "ftp://x/", "http://", f"http://{'a' * 70}.x/"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    assert (
        str(fail(url)) == "The upstream's address, key or proxy is not set up correctly; the admin has to correct them."
    )


@pytest.mark.parametrize("proxy", ["nonsense://x", "::::"])
def test_a_proxy_that_is_none_is_an_error(proxy: str) -> None:
    assert "not set up correctly" in str(fail("http://nowhere.invalid", proxy=proxy))


def test_the_next_address_is_tried_when_the_first_does_not_answer(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with blackhole() as hole:
        ports = [int(hole.rpartition(":")[2]), upstream.port]
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*stream, ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(network, "resolve", lambda *_: found)
        assert Call(20, connect=0.4).get("http://two.invalid").text() == "ok"


def test_connecting_has_a_time_limit() -> None:
    with blackhole() as url:
        error = fail(url, Call(20, connect=0.2))
        assert str(error) == "The upstream did not take the connection in time; try again later."


@pytest.mark.usefixtures("slow_names")
def test_looking_up_a_name_has_a_time_limit() -> None:
    error = fail("http://nowhere.invalid", Call(20, connect=0.2))
    assert str(error) == "The upstream was not found: the name service does not answer; try again later."


def test_silence_has_a_time_limit(upstream: Upstream) -> None:
    for start in (b"", HEAD, LONG, CHUNKED):
        upstream.queue(silence(start))
        error = fail(upstream.url, silence=0.2)
        assert str(error) == "The upstream fell silent, so the wait was given up; try again."
        assert error.again


def test_an_upload_may_take_longer_than_connecting(upstream: Upstream) -> None:
    assert Call(connect=0.05).post_json(upstream.url, "x" * 2**23).text() == "ok"


# TLS


@pytest.mark.usefixtures("trusted")
def test_a_trusted_certificate_is_taken_and_its_connection_used_again() -> None:
    with Upstream(reply("ok"), tls=True) as secure:
        assert ask(secure.url) == ask(secure.url) == "ok"
        assert secure.connections == 1
        http._network(None).close()


def test_a_certificate_that_is_not_trusted_is_refused_with_the_reason() -> None:
    with Upstream(reply("ok"), tls=True) as secure:
        error = fail(secure.url)
    assert (
        str(error) == "The certificate of the upstream is not trusted: it is self-signed; the admin has to see to it."
    )
    assert not error.again


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream(reply("ok"), tls=True) as secure:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", secure.port))]
        monkeypatch.setattr(network, "resolve", lambda *_: found)
        error = fail("https://other.invalid")
    assert (
        str(error)
        == "The certificate of the upstream is not trusted: it is for another name; the admin has to see to it."
    )


def test_an_upstream_without_tls_is_said_to_have_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        failing = pool.submit(fail, url)
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            error = failing.result(5)
    assert (
        str(error)
        == "The secure connection to the upstream failed: wrong version number; the admin has to correct its address."
    )


# Caps and hostile content


def test_an_answer_may_not_be_longer_than_the_limit(upstream: Upstream) -> None:
    upstream.queue(reply("x" * 1000), reply("x" * 1001))
    assert len(Call(max_bytes=1000).get(upstream.url).body) == 1000
    error = fail(upstream.url, Call(max_bytes=1000))
    assert str(error) == "The upstream's answer is longer than 0.000954 MB; the admin has to look at its log."


@pytest.mark.parametrize("head", [ENDLESS, CHUNKED, LONG])
def test_an_endless_answer_ends_at_the_limit(upstream: Upstream, head: bytes) -> None:
    def flood(_: Asked, peer: Peer) -> None:
        peer.send(head)
        while True:
            peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    upstream.queue(flood)
    assert "longer than 0.5 MB" in str(fail(upstream.url, Call(max_bytes=2**19)))
    upstream.wait_for_closed()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_a_bomb_does_not_go_off(upstream: Upstream, coding: str) -> None:
    zeros = bytes(2**26)
    bomb = zlib.compress(zeros, 9) if coding == "deflate" else gzip.compress(zeros, 9)
    bomb = gzip.compress(bomb, 9) if "," in coding else bomb
    del zeros
    upstream.queue(reply(bomb, content_encoding=coding))
    tracemalloc.start()
    try:
        assert "longer than 1 MB" in str(fail(upstream.url, Call(max_bytes=2**20)))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_compressed_answer_that_nobody_asked_for_is_read(upstream: Upstream) -> None:
    upstream.queue(reply(gzip.compress(b'{"a": 1}'), content_encoding="gzip"))
    assert Call().get(upstream.url).json() == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b"[Infinity]",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xfe\xff\x00[",
    ],
)
def test_hostile_json_is_an_error_in_words(body: bytes) -> None:
    with pytest.raises(ProviderError, match="The upstream answered with broken data"):
        http.Response(200, {}, {}, body).json()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"\xff"', "\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\\ud800"', "\ufffd"),
        (b'"\\udc00\\ud800"', "\ufffd\ufffd"),
        (b'{"\\udfff": [1]}', {"\ufffd": [1]}),
        (b'"\\\\ud800"', "\\ud800"),
    ],
)
def test_what_is_no_character_is_replaced(body: bytes, value: Any) -> None:
    assert http.Response(200, {}, {}, body).json() == value


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert http.Response(200, {}, {}, b'\xef\xbb\xbf"\\ud83d\\ude00"').json() == "😀"


@pytest.mark.parametrize("body", ["<!DOCTYPE html><title>Sign  in</title>", "\n<HTML><title a=b>Sign in"])
def test_a_web_page_in_the_place_of_json_is_recognised(body: str) -> None:
    with pytest.raises(
        ProviderError, match="a web page instead of data; the admin has to correct its address: “Sign in”"
    ):
        http.Response(200, {}, {}, body.encode()).json()


# The deadline


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Names are looked up until the test ends; set when that began."""
    begun, over = Event(), Event()
    numeric: Any = socket.getaddrinfo

    def look_up(*arguments: Any, flags: int = 0, **options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return numeric(*arguments, flags=flags, **options)
        begun.set()
        over.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield begun
    over.set()
    for thread in threading.enumerate():
        if thread.name == "name look-up":
            thread.join()


SLOW = {
    "headers": drip(data=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header": drip(HEAD + b"X: "),
    "body": drip(LONG),
    "chunks": drip(CHUNKED, data=b"1\r\nx\r\n"),
    "endless body": drip(ENDLESS),
    "silence": silence(),
    "silence in the body": silence(CHUNKED + b"4\r\nword\r\n"),
    "silence after a body without length": silence(ENDLESS + b"word"),
    "packed": drip(
        HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", data=b"\0\0\0\xff\xff"
    ),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_the_deadline_ends_what_is_slow(upstream: Upstream, answer: Answer) -> None:
    upstream.queue(answer)
    begun = monotonic()
    error = fail(upstream.url, Call(0.6))
    assert str(error) == "The upstream had not finished after 0.6 seconds; try again, or ask for less."
    assert 0.55 < monotonic() - begun < 1.8
    upstream.wait_for_closed()


@pytest.mark.usefixtures("slow_names")
def test_the_deadline_ends_a_name_look_up() -> None:
    assert "had not finished after 0.2 seconds" in str(fail("http://nowhere.invalid", Call(0.2)))


def test_the_deadline_ends_connecting() -> None:
    with blackhole() as url:
        assert "had not finished after 0.2 seconds" in str(fail(url, Call(0.2)))


def test_a_call_past_its_deadline_sends_nothing(upstream: Upstream) -> None:
    assert "had not finished after 0 seconds" in str(fail(upstream.url, Call(0)))
    assert upstream.connections == 0


def test_the_nearest_deadline_is_kept_whichever_call_came_first(upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    upstream.queue(silence(), silence(), silence())
    calls = [Call(seconds) for seconds in (1.0, 0.6, 0.2)]
    order: list[float] = []

    def late(call: Call) -> None:
        assert "had not finished" in str(fail(upstream.url, call))
        order.append(call.seconds)

    waiting = []
    for count, call in enumerate(calls, 1):
        waiting.append(pool.submit(late, call))
        upstream.wait_for_requests(count)
    for future in waiting:
        future.result(5)
    assert order == [0.2, 0.6, 1.0]


def test_one_thread_keeps_all_deadlines(upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    upstream.queue(*[silence()] * 8)
    calls = [Call(30) for _ in range(8)]
    waiting = [pool.submit(fail, upstream.url, call) for call in calls]
    upstream.wait_for_requests(8)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("call deadlines") == 1
    for call in calls:
        call.cancel()
    assert {type(future.result(5)) for future in waiting} == {Cancelled}
    assert not lifeline._watchdog._calls


def test_an_answer_that_is_read_at_a_pace_is_read_in_larger_pieces(upstream: Upstream) -> None:
    upstream.queue(drip(ENDLESS, pause=0.01))
    call = Call(10)
    with call.stream("GET", upstream.url) as answer:
        pieces = answer.pieces()
        next(pieces)
        call.pace(0.3)
        assert len(next(pieces)) > 5
        assert len(next(pieces)) > 5


def test_an_answer_that_is_read_at_a_pace_is_whole(upstream: Upstream) -> None:
    upstream.queue(raw(CHUNKED, *(chunked(b"%d " % number) for number in range(50)), b"0\r\n\r\n"))
    call = Call(10)
    call.pace(0.05)
    with call.stream("GET", upstream.url) as answer:
        assert answer.whole().text() == "".join(f"{number} " for number in range(50))


# Stop


def test_a_call_is_cancelled_while_it_leaves_time_between_two_reads(
    upstream: Upstream, pool: ThreadPoolExecutor
) -> None:
    upstream.queue(drip(ENDLESS, pause=0.01))
    call = Call()
    with call.stream("GET", upstream.url) as answer:
        pieces = answer.pieces()
        next(pieces)
        call.pace(60)
        waiting = pool.submit(next, pieces)
        call.cancel()
        assert isinstance(waiting.exception(5), Cancelled)


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_a_call_is_cancelled_while_the_upstream_is_slow(
    upstream: Upstream, pool: ThreadPoolExecutor, answer: Answer
) -> None:
    upstream.queue(answer)
    call = Call()
    waiting = pool.submit(fail, upstream.url, call)
    upstream.wait_for_requests()
    call.cancel()
    assert isinstance(ended_within(0.5, waiting), Cancelled)
    upstream.wait_for_closed()
    assert ask(upstream.url) == "ok"


def test_a_call_is_cancelled_in_the_middle_of_a_body(upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    call, begun = Call(), Event()

    def half(_: Asked, peer: Peer) -> None:
        peer.send(ENDLESS, b"word")
        begun.set()
        peer.is_gone()

    upstream.queue(half)
    waiting = pool.submit(fail, upstream.url, call)
    assert begun.wait(5)
    call.cancel()
    assert isinstance(ended_within(0.5, waiting), Cancelled)


def test_a_call_on_a_used_connection_is_cancelled(upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    ask(upstream.url)
    upstream.queue(silence())
    call = Call()
    waiting = pool.submit(fail, upstream.url, call)
    upstream.wait_for_requests(2)
    call.cancel()
    assert isinstance(ended_within(0.5, waiting), Cancelled)
    assert upstream.connections == 1


def test_a_call_is_cancelled_while_it_looks_up_a_name(slow_names: Event, pool: ThreadPoolExecutor) -> None:
    call = Call()
    waiting = pool.submit(fail, "http://nowhere.invalid", call)
    assert slow_names.wait(5)
    call.cancel()
    assert isinstance(ended_within(0.5, waiting), Cancelled)


def test_a_call_is_cancelled_while_it_connects(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = Event()

    def observed(sock: socket.socket, timeout: float) -> bool:
        connecting.set()
        return wait_for_write(sock, timeout)

    monkeypatch.setattr("webapp.providers.network.wait_for_write", observed)
    with blackhole() as url:
        call = Call()
        waiting = pool.submit(fail, url, call)
        assert connecting.wait(5)
        call.cancel()
        assert isinstance(ended_within(0.5, waiting), Cancelled)


def test_a_call_that_is_cancelled_just_before_it_connects_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call()
    hold = Call.hold

    def hold_and_cancel(self: Call, sock: socket.socket) -> None:
        hold(self, sock)
        self.cancel()

    monkeypatch.setattr(Call, "hold", hold_and_cancel)
    with blackhole() as url:
        assert isinstance(fail(url, call), Cancelled)


def test_a_call_is_cancelled_during_the_handshake_of_tls(pool: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        call = Call()
        waiting = pool.submit(fail, f"https://127.0.0.1:{listener.getsockname()[1]}", call)
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(1)
            call.cancel()
            assert isinstance(ended_within(0.5, waiting), Cancelled)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("answer", [silence(), silence(LONG), drip(ENDLESS)])
def test_a_call_over_tls_is_cancelled(pool: ThreadPoolExecutor, answer: Answer) -> None:
    with Upstream(answer, tls=True) as secure:
        call = Call()
        waiting = pool.submit(fail, secure.url, call)
        secure.wait_for_requests()
        call.cancel()
        assert isinstance(ended_within(0.5, waiting), Cancelled)
        secure.wait_for_closed()


def test_a_call_is_cancelled_while_a_proxy_opens_the_tunnel(upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    upstream.queue(silence())
    call = Call()
    waiting = pool.submit(fail, "https://nowhere.invalid", call, proxy=upstream.url)
    upstream.wait_for_requests()
    call.cancel()
    assert isinstance(ended_within(0.5, waiting), Cancelled)


def test_a_call_is_cancelled_while_it_sends(pool: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        call = Call()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        waiting = pool.submit(fail, url, call, body=bytes(2**26))
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(1)
            call.cancel()
            assert isinstance(ended_within(0.5, waiting), Cancelled)


def test_a_call_that_was_cancelled_before_sends_nothing(upstream: Upstream) -> None:
    call = Call()
    call.cancel()
    call.cancel()
    assert isinstance(fail(upstream.url, call), Cancelled)
    assert upstream.connections == 0


def test_a_call_that_is_cancelled_between_two_requests_sends_no_more(upstream: Upstream) -> None:
    call = Call()
    call.get(upstream.url)
    call.cancel()
    assert isinstance(fail(upstream.url, call), Cancelled)
    assert len(upstream.asked) == 1


def test_a_call_that_has_ended_cannot_harm_the_next_on_its_connection(
    upstream: Upstream, pool: ThreadPoolExecutor
) -> None:
    first, go = Call(), Event()

    def later(_: Asked, peer: Peer) -> None:
        peer.send(LONG.replace(b"1000000", b"4"))
        assert go.wait(5)
        peer.send("word")

    upstream.queue(reply("ok"), later)
    first.get(upstream.url)
    waiting = pool.submit(ask, upstream.url)
    upstream.wait_for_requests(2)
    first.cancel()
    first.expire()
    go.set()
    assert waiting.result(5) == "word"
    assert upstream.connections == 1


def test_cancelling_at_any_moment_ends_the_call_or_comes_too_late(upstream: Upstream) -> None:
    outcomes = {"ok": 0, "cancelled": 0}
    with ThreadPoolExecutor(4) as pool:
        for _ in range(300):
            call = Call()
            getting = pool.submit(call.get, upstream.url)
            pool.submit(call.cancel)
            try:
                assert getting.result(5).text() == "ok"
                outcomes["ok"] += 1
            except Cancelled:
                outcomes["cancelled"] += 1
    assert sum(outcomes.values()) == 300
    assert ask(upstream.url) == "ok"


# An application inside the process


@contextmanager
def mounted(app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]) -> Iterator[str]:
    url = "http://inside.invalid"
    http.mount(url, app)
    yield url
    del http._mounted[url]


class Chunks:
    """A body that says when it is read and closed."""

    def __init__(self, *chunks: bytes, wait: Callable[[], object] = lambda: None) -> None:
        self.chunks = chunks
        self.wait = wait
        self.read: list[bytes] = []
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read.append(chunk)
            yield chunk
            self.wait()

    def close(self) -> None:
        self.closed += 1


def app_of(body: Iterable[bytes], status: str = "200 OK", *headers: tuple[str, str]) -> Any:
    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return body

    return app


def test_an_application_is_asked_as_by_a_server() -> None:
    seen: WSGIEnvironment = {}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response("201 Created", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1; Path=/")])
        return [b"o", b"k"]

    with mounted(validator(app)) as url:
        answer = Call().post_json(f"{url}/é/b?c=d", {"e": 1}, {"X-Own": "f"}, proxy="http://127.0.0.1:1")
    assert (answer.status, answer.text(), answer.cookies) == (201, "ok", {"a": "1"})
    assert seen["body"] == b'{"e": 1}'
    assert (seen["REQUEST_METHOD"], seen["HTTP_HOST"]) == ("POST", "inside.invalid")
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/é/b".encode().decode("latin-1"), "c=d")
    assert (seen["CONTENT_TYPE"], seen["HTTP_X_OWN"]) == ("application/json", "f")


def test_only_its_own_origin_reaches_an_application(upstream: Upstream) -> None:
    with mounted(app_of([b"inside"])) as url:
        assert ask(f"{url}:80/x") == "inside"
        assert ask(f"{url}.evil.invalid/", proxy=upstream.url) == "ok"


def test_an_applications_body_is_made_as_it_is_read_and_closed() -> None:
    body = Chunks(b"a" * 100, b"", b"b" * 100, b"c" * 100)
    with mounted(app_of(body)) as url:
        assert len(ask(url)) == 300
        assert body.closed == 1
        body = Chunks(*[b"x" * 1000] * 10)
        http.mount(url, app_of(body))
        assert "longer than" in str(fail(url, Call(max_bytes=1500)))
    assert (len(body.read), body.closed) == (2, 1)


def test_an_application_may_say_its_status_with_the_first_chunk() -> None:
    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("404 Not Found", [])
        yield b""
        yield b"nothing"

    with mounted(app) as url:
        answer = Call().get(url)
    assert (answer.status, answer.text()) == (404, "nothing")


@pytest.mark.parametrize("chunk", [b"", b"x"])
def test_an_application_is_cancelled_between_chunks(pool: ThreadPoolExecutor, chunk: bytes) -> None:
    call, step = Call(), Event()

    def wait() -> None:
        step.set()
        Event().wait(0.01)

    body = Chunks(*[chunk] * 1000, wait=wait)
    with mounted(app_of(body)) as url:
        waiting = pool.submit(fail, url, call)
        assert step.wait(5)
        call.cancel()
        assert isinstance(ended_within(0.5, waiting), Cancelled)
    assert body.closed == 1


def test_an_application_has_the_deadline_too() -> None:
    body = Chunks(*[b"x"] * 1000, wait=lambda: Event().wait(0.01))
    with mounted(app_of(body)) as url:
        assert "had not finished" in str(fail(url, Call(0.2)))
    assert body.closed == 1


def test_an_application_that_fails_breaks_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise KeyError("bug")

    def app(*_: Any) -> list[bytes]:
        raise KeyError("bug")

    body = Chunks(b"a", b"b", wait=broken)
    with mounted(app) as url:
        assert "broke off" in str(fail(url))
        http.mount(url, app_of(body))
        assert "broke off" in str(fail(url))
    assert body.closed == 1
    assert caplog.text.count("KeyError: 'bug'") == 2


def test_an_application_has_the_same_errors_as_a_server() -> None:
    with mounted(app_of([b""], "302 Found", ("Location", "http://elsewhere.invalid/"))) as url:
        assert "redirects to another place" in str(fail(url))
        http.mount(url, app_of([b"short"], "200 OK", ("Content-Length", "10")))
        assert "broke off" in str(fail(url))


def test_no_thread_starts_at_import() -> None:
    code = "import threading, webapp.providers.voigpt; print(threading.active_count())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"1\n"
