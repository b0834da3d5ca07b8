"""What no browser sends: each is answered in order or the connection is closed, and nothing hangs."""

import pytest

from tests.support.people import submit_id
from tests.support.servers import Voichat
from tests.support.visitors import FORM, Visitor
from tests.support.wire import Said, ask, exchange
from tests.test_headers import HEADERS

HOST = "Host: 127.0.0.1\r\nConnection: close\r\n"
SCRIPT = "<script>alert(1)</script>"


def request(target: str, *fields: str, method: str = "GET", version: str = "HTTP/1.1", host: str = HOST) -> bytes:
    lines = [f"{method} {target} {version}", *host.splitlines(), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: str, *fields: str) -> bytes:
    return request("/chats", f"Content-Type: {FORM}", *fields, method="POST") + body.encode()


def chunked(body: str) -> bytes:
    return post(body, "Transfer-Encoding: chunked")


def is_our_page(said: Said) -> bool:
    return all(said.headers.get_all(name) for name in HEADERS)


def is_escaped(said: Said) -> bool:
    return b"<script>" not in said.body and b"Traceback" not in said.body


# What gunicorn refuses before it reaches the application

REFUSED = {
    "no request at all": (b"hello\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n\r\n", 400),
    "HTTP/2 by surprise": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no version that exists": (request("/", version=SCRIPT), 400),
    "method in lower case": (request("/", method="get"), 400),
    "method with markup": (request("/", method=SCRIPT), 400),
    "line ends without CR": (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
    "bytes in the path": (request(f"/\xff\xfe{SCRIPT}"), 400),
    "bytes in the query": (request(f"/?q=\xff\xfe{SCRIPT}"), 400),
    "long request line": (request("/" + "x" * 9000), 414),
    "long header": (request("/", "X: " + "x" * 10_000), 431),
    "many headers": (request("/", *["X: x"] * 200), 431),
    "headers without end": (request("/", "X: " + "x" * 2_000_000), 431),
    "space in a header's name": (request("/", f"X {SCRIPT}: x"), 400),
    "folded header": (request("/", "X: a\r\n b"), 400),
    "NUL in a header": (request("/", "X: a\0b"), 400),
    "CR in a header": (request("/", "X: a\rb"), 400),
    "two hosts": (request("/", "Host: evil.example"), 400),
    "PROXY line": (b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + request("/"), 400),
    "unknown expectation": (request("/", f"Expect: {SCRIPT}"), 417),
    "two lengths": (post("message=Hi", "Content-Length: 10", "Content-Length: 9"), 400),
    "negative length": (post("", "Content-Length: -1"), 400),
    "length with a sign": (post("message=Hi", "Content-Length: +10"), 400),
    "length and chunks": (post("0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    "chunks and length": (post("0\r\n\r\n", "Transfer-Encoding: chunked", "Content-Length: 5"), 400),
    "chunked twice": (post("0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "chunks in a name with a space": (post("0\r\n\r\n", "Transfer-Encoding : chunked"), 400),
    "unknown coding": (post("", f"Transfer-Encoding: x{SCRIPT}"), 501),
}


@pytest.fixture
def port(standing: Voichat) -> int:
    return standing.port


def test_what_is_no_request_is_refused_in_one_short_page_and_the_connection_closed(port: int) -> None:
    """gunicorn's page has none of our headers; it quotes the request, escaped, to the one who sent it."""
    for what, (sent, status) in REFUSED.items():
        said = ask(port, sent)
        assert (said.status, said.headers["Connection"]) == (status, "close"), what
        assert is_escaped(said), what
        assert "Set-Cookie" not in said.headers, what


def test_behind_a_refused_request_no_other_is_read(port: int) -> None:
    hidden = request("/healthz")
    for what, (sent, _) in REFUSED.items():
        assert b"\r\n\r\nalive" not in exchange(port, sent + hidden), what


def test_the_server_goes_on_after_them(standing: Voichat) -> None:
    workers = standing.workers()
    for sent, _ in REFUSED.values():
        exchange(standing.port, sent)
    assert standing.workers() == workers
    assert Visitor(standing).get("/").status == 200


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        "zz\r\nmessage=Hi\r\n0\r\n\r\n",
        "5\r\nmessage=Hi\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        f"{SCRIPT}\r\n",
        "a;\n\r\n",
        "\r\n",
    ],
)
def test_a_body_in_broken_chunks_is_the_clients_fault_and_our_page_says_so(standing: Voichat, body: str) -> None:
    before = standing.output()
    said = ask(standing.port, chunked(body))
    assert said.status == 400
    assert is_our_page(said)
    assert standing.output() == before


def test_a_message_in_chunks_is_sent(port: int) -> None:
    assert ask(port, chunked("8\r\nmessage=\r\n2\r\nHi\r\n0\r\n\r\n")).status == 303


def test_who_asks_before_sending_is_told_to_go_on(port: int) -> None:
    said = exchange(port, post("message=Hi", "Expect: 100-continue", "Content-Length: 10"))
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 303 ")


def test_a_body_that_is_too_large_is_refused_before_it_is_there(port: int) -> None:
    assert ask(port, post("message=", "Content-Length: 99999999")).status == 413


def test_two_requests_on_one_connection_get_two_answers(port: int) -> None:
    said = exchange(port, request("/healthz", host="Host: 127.0.0.1\r\n") + request("/healthz"))
    assert said.count(b"\r\n\r\nalive\n") == 2


def test_a_header_with_an_underscore_is_nobodys(port: int) -> None:
    assert ask(port, request("/", "X_Forwarded_Host: evil.example", "Transfer_Encoding: chunked")).status == 200


# Versions, methods and names


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("/", version="HTTP/1.0", host=""), 200),
        (request("/", version="HTTP/1.0", host="Host: localhost\r\n"), 200),
        (request("/", version="HTTP/1.0", host="Host: evil.example\r\n"), 400),
        (request("/", host="Host: <b>evil\r\nConnection: close\r\n"), 400),
        (request("/", host="Host: evil.example\r\nConnection: close\r\n"), 400),
        (request("/", method="WEIRD"), 405),
        (request("/", method="TRACE"), 405),
        (request("*", method="OPTIONS"), 404),
        (request("evil.example:443", method="CONNECT"), 404),
        (request("/", "Cookie: voichat=\xff;;=;\t"), 200),
        (request("/chats", "Cookie: " + "voichat=x; " * 300), 200),
    ],
)
def test_odd_requests_get_our_pages(port: int, sent: bytes, status: int) -> None:
    said = ask(port, sent)
    assert said.status == status
    assert is_our_page(said)
    assert is_escaped(said)


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT"])
def test_no_method_gives_the_cookie_back(port: int, method: str) -> None:
    assert b"secret" not in exchange(port, request("/", "Cookie: voichat=secret", method=method))


@pytest.mark.parametrize("path", ["/", "/chats", "/providers/", "/nowhere", "/healthz"])
def test_head_is_get_without_the_body(port: int, path: str) -> None:
    head, whole = ask(port, request(path, method="HEAD")), ask(port, request(path))
    assert (head.status, head.body) == (whole.status, b"")
    assert set(head.headers) == set(whole.headers)


def test_a_foreign_name_in_the_request_line_is_not_ours(port: int) -> None:
    """The name in the Host header decides, and no page repeats the other."""
    said = ask(port, request("http://evil.example/providers"))
    assert (said.status, said.headers["Location"]) == (308, "http://127.0.0.1/providers/")
    both = request("http://evil.example/", host="Host: evil.example\r\nConnection: close\r\n")
    assert ask(port, both).status == 400


# Addresses


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "//evil.example/providers",
        "///evil.example/%2e%2e",
        "/\\evil.example",
        "/%5cevil.example/providers",
        "/%2fevil.example/providers",
        "/%00",
        "/chats%2f",
        "/chats/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fwsgi.py",
        "/static/style.css%00",
        "/%ff%fe",
        "/" + "x" * 3900,
        "/" + "a/" * 1900,
    ],
)
def test_an_address_that_means_mischief_is_a_404(port: int, target: str) -> None:
    said = ask(port, request(target))
    assert said.status == 404
    assert is_our_page(said)
    assert "Location" not in said.headers


@pytest.mark.parametrize("target", ["/?q=%ff%00%0d%0a", "/chats?q=%0d%0aX:1", "/?" + "q=x&" * 900, "/#%00", "/?q"])
def test_odd_words_in_the_query_open_the_page(port: int, target: str) -> None:
    assert ask(port, request(target)).status == 200


@pytest.mark.parametrize("target", ["/providers", "//providers", "/providers?next=//evil.example&%0d%0aSet-Cookie:a=b"])
def test_a_redirect_stays_on_this_server(port: int, target: str) -> None:
    said = ask(port, request(target))
    assert said.status == 308
    assert said.headers["Location"].startswith("http://127.0.0.1/providers/")
    assert "Set-Cookie" not in said.headers


def test_after_every_form_the_way_leads_to_a_chat_here(standing: Voichat) -> None:
    alice = Visitor(standing)
    form = {"message": "Hi", "submit_id": submit_id(alice.get("/").text), "next": "//evil.example"}
    chat = alice.post("/chats?next=//evil.example", form).headers["Location"]
    assert chat.startswith("/chats/")
    for path in (f"{chat}/messages", f"/{chat}/messages"):
        answer = alice.post(path, form | {"parent": "//evil.example", "at": "//evil.example"})
        assert answer.headers.get("Location", "/chats/").removeprefix(standing.url).startswith("/chats/")
