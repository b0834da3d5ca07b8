"""VoiGpt through real proxies, and through servers that only pretend to be one."""

import gzip
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from tests.providers.authorities import Authority
from tests.providers.upstream import Answer, Peer, Upstream, cut, drip, raw, reply, reset, silence, voigpt
from tests.support.proxies import LOGIN, microsocks, tinyproxy
from tests.support.servers import free_port
from webapp.providers import http
from webapp.providers.base import Cancelled, Messages, ProviderError
from webapp.providers.http import Call
from webapp.providers.voigpt import VoiGpt

HELLO: Messages = [{"role": "user", "content": "Hello"}]
NO_ENTRY = "The proxy asks for a name and a password, or does not take those that are set"

http_proxies = pytest.mark.parametrize("scheme", ["http"])
socks_proxies = pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
all_proxies = pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
tunnels = pytest.mark.parametrize(
    ("scheme", "upstream"),
    [("http", "https"), ("socks5", "http"), ("socks5", "https"), ("socks5h", "http"), ("socks5h", "https")],
    indirect=["upstream"],
)
both_upstreams = pytest.mark.parametrize("upstream", ["http", "https"], indirect=True)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    folder = tmp_path_factory.mktemp("proxies")
    with tinyproxy(folder) as http_port, microsocks(folder) as socks_port:
        yield {"http": http_port, "socks5": socks_port, "socks5h": socks_port}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    yield Authority(tmp_path_factory.mktemp("authority"))
    http._network.cache_clear()


@pytest.fixture
def upstream(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Upstream]:
    VoiGpt._tokens.clear()
    is_secure = getattr(request, "param", "http") == "https"
    with Upstream(voigpt(), tls=authority.signed() if is_secure else False) as upstream:
        yield upstream


@pytest.fixture
def proxy(ports: dict[str, int], scheme: str) -> str:
    return f"{scheme}://{LOGIN}127.0.0.1:{ports[scheme]}"


@pytest.fixture
def options(proxy: str, authority: Authority) -> dict[str, Any]:
    return {"proxy": proxy, "ca_file": authority.file}


@pytest.fixture
def _no_names_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's name service knows nothing."""
    numeric: Any = socket.getaddrinfo

    def look_up(*arguments: Any, flags: int = 0, **options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return numeric(*arguments, flags=flags, **options)
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def say(url: str, call: Call | None = None, **options: Any) -> str:
    (answer,) = VoiGpt.create_completion("", HELLO, False, url=url, call=call or Call(20), **options)
    return str(answer)


def fail(url: str, call: Call | None = None, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        say(url, call, **options)
    return caught.value


HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = HEAD + b"Content-Length: 100000000\r\n\r\n"

BROKEN: dict[str, tuple[Answer, str]] = {
    "RST": (reset(), "The connection to the upstream broke off"),
    "RST in the body": (reset(LONG, b"part"), "The connection to the upstream broke off"),
    "cut": (cut(LONG, b"part"), "The connection to the upstream broke off"),
    "huge": (raw(LONG, bytes(2**21)), "The upstream's answer is longer than 1 MB; the admin has to look at its log."),
    "bomb": (
        reply(gzip.compress(bytes(2**24)), content_encoding="gzip"),
        "The upstream's answer is longer than 1 MB; the admin has to look at its log.",
    ),
    "compressed without need": (
        reply(gzip.compress(b'{"response": ""}'), content_encoding="gzip"),
        "The upstream's answer is empty; try again.",
    ),
    "redirect": (reply("", 301, location="https://login.example/"), "redirects to another place (301)"),
    "no HTTP": (
        cut(b"220 mail.example ESMTP\r\n"),
        "The upstream does not answer in HTTP; the admin has to correct its address.",
    ),
}
SLOW: dict[str, Answer] = {
    "header": drip(HEAD, b"X: "),
    "body": drip(LONG),
    "silence": silence(),
    "silence in the body": silence(LONG, b"part"),
}


# The way through


@all_proxies
@both_upstreams
def test_an_answer_comes_through(upstream: Upstream, options: dict[str, Any]) -> None:
    VoiGpt.check(url=upstream.url, **options)
    assert say(upstream.url, **options) == say(upstream.url, **options) == "Hello."
    assert [asked.method for asked in upstream.asked] == ["GET", "GET", "POST", "POST"]
    assert not any("proxy-authorization" in asked.headers for asked in upstream.asked)


@all_proxies
def test_a_secure_connection_through_is_used_again(authority: Authority, options: dict[str, Any]) -> None:
    with Upstream(voigpt(), tls=authority.signed()) as secure:
        say(secure.url, **options)
        assert secure.connections == 1


@socks_proxies
def test_a_plain_connection_through_socks_is_used_again(upstream: Upstream, proxy: str) -> None:
    say(upstream.url, proxy=proxy)
    assert upstream.connections == 1


def test_a_connection_to_a_proxy_that_forwards_is_not_used_again(upstream: Upstream) -> None:
    """tinyproxy closes it after each answer without a word, and a message that is sent just then is lost."""
    with Upstream(voigpt()) as proxy:
        for _ in range(3):
            Call(20).get(f"{upstream.url}/", proxy=proxy.url)
        assert proxy.connections == 3


@pytest.mark.usefixtures("_no_names_here")
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_the_proxy_looks_names_up(upstream: Upstream, proxy: str) -> None:
    assert say(f"http://localhost:{upstream.port}", proxy=proxy) == "Hello."


@pytest.mark.usefixtures("_no_names_here")
@pytest.mark.parametrize("scheme", ["socks5"])
def test_the_proxy_is_not_asked_for_names_where_we_look_them_up(upstream: Upstream, proxy: str) -> None:
    error = fail(f"http://localhost:{upstream.port}", proxy=proxy)
    assert str(error) == "The upstream was not found: its name is not known; the admin has to correct its address."


@pytest.mark.parametrize("scheme", ["socks5"])
def test_a_name_that_we_look_up_is_reached(upstream: Upstream, proxy: str) -> None:
    assert say(f"http://localhost:{upstream.port}", proxy=proxy) == "Hello."


# What goes wrong


@all_proxies
@both_upstreams
@pytest.mark.parametrize("login", ["", "us:wrong@"])
def test_wrong_credentials_have_their_own_sentence(
    upstream: Upstream, ports: dict[str, int], scheme: str, login: str
) -> None:
    error = fail(upstream.url, proxy=f"{scheme}://{login}127.0.0.1:{ports[scheme]}")
    assert str(error).startswith((NO_ENTRY, "The upstream, or the proxy before it, does not accept the key or account"))
    assert not error.again
    assert "wrong" not in str(error)
    assert upstream.connections == 0


@all_proxies
@both_upstreams
def test_a_proxy_that_is_down_is_named(upstream: Upstream, scheme: str) -> None:
    error = fail(upstream.url, proxy=f"{scheme}://127.0.0.1:{free_port()}")
    assert (
        str(error)
        == "The proxy is not running: it refused the connection; try again, and tell the admin if it stays so."
    )
    assert error.again


@http_proxies
def test_a_proxy_that_cannot_reach_the_upstream_may_be_at_fault(proxy: str) -> None:
    error = fail(f"http://127.0.0.1:{free_port()}", proxy=proxy)
    assert "The upstream, or the proxy before it, has a fault of its own (500 " in str(error)


@http_proxies
def test_a_proxy_that_cannot_reach_a_secure_upstream_says_so(proxy: str) -> None:
    error = fail(f"https://127.0.0.1:{free_port()}", proxy=proxy)
    assert str(error) == "The proxy cannot reach the upstream (500); try again, and tell the admin if it stays so."
    assert error.again


@socks_proxies
@pytest.mark.parametrize("upstream_scheme", ["http", "https"])
def test_a_socks_proxy_that_cannot_reach_the_upstream_says_why(proxy: str, upstream_scheme: str) -> None:
    error = fail(f"{upstream_scheme}://127.0.0.1:{free_port()}", proxy=proxy)
    assert (
        str(error)
        == "The proxy cannot reach the upstream: connection refused; try again, and tell the admin if it stays so."
    )
    assert error.again


@all_proxies
def test_a_bad_certificate_behind_a_proxy_is_the_upstreams(proxy: str) -> None:
    with Upstream(tls=True) as upstream:
        error = fail(upstream.url, proxy=proxy)
    assert (
        str(error) == "The certificate of the upstream is not trusted: it is self-signed; the admin has to see to it."
    )


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
@tunnels
def test_what_the_upstream_does_wrong_is_said_as_without_a_proxy(
    upstream: Upstream, options: dict[str, Any], answer: tuple[Answer, str]
) -> None:
    VoiGpt.check(url=upstream.url, **options)
    broken, sentence = answer
    upstream.queue(voigpt(), broken)
    assert sentence in str(fail(upstream.url, Call(20, max_bytes=2**20), **options))


# The deadline and Stop


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
@tunnels
def test_what_is_slow_behind_a_proxy_is_ended(upstream: Upstream, options: dict[str, Any], answer: Answer) -> None:
    upstream.queue(answer)
    call = Call(20)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, upstream.url, call, access_token="given", **options)
        upstream.wait_for_requests()
        call.expire()
        assert "had not finished after 20 seconds" in str(waiting.result(5))
    upstream.wait_for_closed()


@all_proxies
@both_upstreams
def test_the_deadline_holds_behind_a_proxy(upstream: Upstream, options: dict[str, Any]) -> None:
    VoiGpt.check(url=upstream.url, **options)
    upstream.queue(silence())
    begun = monotonic()
    assert "had not finished after 0.4 seconds" in str(fail(upstream.url, Call(0.4), **options))
    assert monotonic() - begun < 2


@http_proxies
def test_stop_does_not_wait_for_a_proxy_that_waits_for_the_upstream(upstream: Upstream, proxy: str) -> None:
    upstream.queue(silence())
    call = Call(20)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, upstream.url, call, proxy=proxy)
        upstream.wait_for_requests()
        call.cancel()
        assert isinstance(waiting.result(2), Cancelled)


@tunnels
def test_stop_closes_the_connection_at_the_upstream(upstream: Upstream, options: dict[str, Any]) -> None:
    upstream.queue(voigpt(), silence())
    call = Call(20)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, upstream.url, call, **options)
        upstream.wait_for_requests(2)
        call.cancel()
        assert isinstance(waiting.result(2), Cancelled)
    upstream.wait_for_closed()


# Servers that only pretend to be a proxy


GREETING, LOGGED_IN = b"\x05\x02", b"\x05\x02\x01\x00"


@contextmanager
def pretender(*parts: bytes, then: Callable[[socket.socket], object]) -> Iterator[int]:
    """Each part is sent when something came; yields the port."""

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as sock:
            for part in parts:
                sock.recv(4096)
                sock.sendall(part)
            then(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()


def until_gone(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


HANGS: list[tuple[bytes, ...]] = [
    (),
    (b"\x05",),
    (GREETING,),
    (GREETING, b"\x01\x00"),
    (GREETING, b"\x01\x00", b"\x05\x00\x00"),
]


@socks_proxies
@pytest.mark.parametrize("parts", HANGS, ids=len)
def test_the_deadline_ends_a_handshake(scheme: str, parts: tuple[bytes, ...]) -> None:
    with pretender(*parts, then=until_gone) as port:
        begun = monotonic()
        error = fail("http://127.0.0.1:1", Call(0.3), proxy=f"{scheme}://{LOGIN}127.0.0.1:{port}")
        assert "had not finished after 0.3 seconds" in str(error)
        assert monotonic() - begun < 2


@pytest.mark.parametrize("parts", HANGS, ids=len)
def test_stop_ends_a_handshake(parts: tuple[bytes, ...]) -> None:
    reached, call = Event(), Call(20)

    def hang(sock: socket.socket) -> None:
        reached.set()
        until_gone(sock)

    with pretender(*parts, then=hang) as port, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, "http://127.0.0.1:1", call, proxy=f"socks5h://{LOGIN}127.0.0.1:{port}")
        assert reached.wait(5)
        call.cancel()
        assert isinstance(waiting.result(1), Cancelled)


def test_silence_in_a_handshake_has_a_time_limit() -> None:
    with pretender(GREETING, then=until_gone) as port:
        with pytest.raises(ProviderError) as caught:
            Call(20, connect=0.3).get("http://127.0.0.1:1", proxy=f"socks5://{LOGIN}127.0.0.1:{port}")
        assert str(caught.value) == "The proxy fell silent, so the wait was given up; try again."


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ((b"",), "The connection to the proxy broke off; try again, and tell the admin if it stays so."),
        (
            (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
            "The proxy does not speak SOCKS; the admin has to correct its address.",
        ),
        ((b"\x05\xff",), f"{NO_ENTRY}; the admin has to set others."),
        ((GREETING, b"\x01\x01"), f"{NO_ENTRY}; the admin has to set others."),
        (
            (GREETING, b"\x01\x00", b"\x05\x02\x00"),
            "The proxy does not let the request through; the admin has to see to it.",
        ),
        (
            (GREETING, b"\x01\x00", b"\x05\x04\x00"),
            "The proxy cannot reach the upstream: host unreachable; try again, and tell the admin if it stays so.",
        ),
        (
            (GREETING, b"\x01\x00", b"\x05\x63\x00"),
            "The proxy cannot reach the upstream: unknown error; try again, and tell the admin if it stays so.",
        ),
        (
            (GREETING, b"\x01\x00", b"\x04\x00\x00"),
            "The proxy does not speak SOCKS; the admin has to correct its address.",
        ),
        (
            (GREETING, b"\x01\x00", b"\x05\x00\x00\x09"),
            "The proxy does not speak SOCKS; the admin has to correct its address.",
        ),
    ],
)
def test_a_handshake_that_fails_is_an_error_in_words(parts: tuple[bytes, ...], sentence: str) -> None:
    with pretender(*parts, then=lambda _: None) as port:
        error = fail("http://127.0.0.1:1", proxy=f"socks5h://{LOGIN}127.0.0.1:{port}")
    assert str(error) == sentence


def test_a_proxy_that_hangs_up_is_named() -> None:
    with Upstream(raw(then=Peer.close)) as proxy:
        error = fail("https://nowhere.invalid", proxy=proxy.url)
    assert str(error) == "The connection to the proxy broke off; try again, and tell the admin if it stays so."


def test_a_proxy_that_is_silent_is_named() -> None:
    with Upstream(silence()) as proxy:
        with pytest.raises(ProviderError) as caught:
            Call(20, connect=0.3).get("https://nowhere.invalid", proxy=proxy.url)
        assert str(caught.value) == "The proxy fell silent, so the wait was given up; try again."


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "The proxy does not let the request through (403); the admin has to see to it."),
        (407, f"{NO_ENTRY} (407); the admin has to set others."),
        (502, "The proxy cannot reach the upstream (502); try again, and tell the admin if it stays so."),
    ],
)
def test_a_tunnel_that_is_refused_has_its_reason(status: int, sentence: str) -> None:
    with Upstream(raw(b"HTTP/1.1 %d No\r\n\r\n" % status, then=Peer.close)) as proxy:
        assert str(fail("https://nowhere.invalid", proxy=proxy.url)) == sentence


@socks_proxies
def test_no_descriptor_is_left_behind(upstream: Upstream, proxy: str) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    say(upstream.url, proxy=proxy)
    before = open_files()
    fail(f"http://127.0.0.1:{free_port()}", proxy=proxy)
    fail("http://127.0.0.1:1", proxy=proxy.replace("us:", "me:"))
    upstream.queue(silence())
    fail(upstream.url, Call(0.2), proxy=proxy)
    upstream.wait_for_closed()
    assert say(upstream.url, proxy=proxy) == "Hello."
    assert open_files() <= before
