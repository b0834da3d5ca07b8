"""A scripted upstream: a real server on loopback with a queue of answers and a record of what it was asked."""

import json
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import parse_headers
from itertools import cycle
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

PATIENCE = 10.0


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; names of `headers` are lower case, `connection` counts from 0."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """The client at the other end of a connection, for an answer to play with."""

    def __init__(self, upstream: "Upstream", sock: socket.socket, number: int) -> None:
        self.sock = sock
        self._upstream = upstream
        self._number = number
        self._file = sock.makefile("rb")

    def read_request(self) -> Asked | None:
        line = self._file.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {name.lower(): value for name, value in parse_headers(self._file).items()}
        body = self._file.read(int(headers.get("content-length", 0)))
        return Asked(line[0], line[1], headers, body, self._number)

    def send(self, *parts: bytes | str) -> None:
        self.sock.sendall(b"".join(p.encode() if isinstance(p, str) else p for p in parts))

    def is_gone(self, within: float | None = None) -> bool:
        """Wait until the client has closed its end, at most `within` seconds."""
        self.sock.settimeout(within)
        try:
            gone = self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            gone = True
        if gone:
            self._upstream.note_closed()
        return gone

    def drip(self, data: bytes, pause: float) -> None:
        """Send `data` again and again, a byte at a time, until the client closes."""
        for byte in cycle(data):
            self.send(bytes([byte]))
            if self.is_gone(pause):
                return

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()


Answer: TypeAlias = Callable[[Asked, Peer], None]
Words: TypeAlias = Callable[[Asked], str]


def reply(body: str | bytes = b"", status: int = 200, **headers: str) -> Answer:
    """An ordinary answer; `content_type="text/html"` becomes a header."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"HTTP/1.1 {status} Status\r\n{''.join(lines)}Content-Length: {len(content)}\r\n\r\n"
    return raw(head.encode() + content)


def reply_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return reply(json.dumps(value), status, content_type="application/json", **headers)


def raw(*parts: bytes, then: Callable[[Peer], object] = lambda _: None) -> Answer:
    """These bytes, and then whatever is to happen to the connection."""

    def answer(_: Asked, peer: Peer) -> None:
        peer.send(*parts)
        then(peer)

    return answer


def silence(*parts: bytes) -> Answer:
    """These bytes, and then nothing until the client closes."""
    return raw(*parts, then=Peer.is_gone)


def drip(*parts: bytes, data: bytes = b"x", pause: float = 0.05) -> Answer:
    return raw(*parts, then=lambda peer: peer.drip(data, pause))


def reset(*parts: bytes) -> Answer:
    return raw(*parts, then=Peer.reset)


def cut(*parts: bytes) -> Answer:
    """These bytes, and then an ordinary close."""
    return raw(*parts, then=Peer.close)


def in_turn(first: Answer, *others: Answer) -> Answer:
    """Each of these for one request, the last for all further ones."""
    answers = deque((first, *others))
    lock = threading.Lock()

    def answer(asked: Asked, peer: Peer) -> None:
        with lock:
            now = answers.popleft() if len(answers) > 1 else answers[0]
        now(asked, peer)

    return answer


class Upstream:
    """Answers with what is queued, then with `default`; use it in a `with`.

    `url` has no slash at its end; `asked` and `connections` grow while it runs.
    """

    def __init__(self, default: Answer | None = None, tls: bool | ssl.SSLContext = False, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.closed = 0
        self._default = default or reply("nothing was queued", 599)
        self._queue: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._peers: set[Peer] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._tls = _tls_context() if tls is True else tls or None
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def queue(self, *answers: Answer) -> Self:
        with self._changed:
            self._queue.extend(answers)
        return self

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Until `is_true`, which is asked again whenever a request came or a client closed."""
        with self._changed:
            assert self._changed.wait_for(is_true, PATIENCE), self.asked

    def wait_for_requests(self, count: int = 1) -> None:
        self.wait_for(lambda: len(self.asked) >= count)

    def wait_for_closed(self, count: int = 1) -> None:
        """Until `count` clients closed while an answer was waiting for that."""
        self.wait_for(lambda: self.closed >= count)

    def wait_for_open(self, count: int) -> None:
        """Until at most `count` connections are open."""
        self.wait_for(lambda: len(self._peers) <= count)

    def asked_for(self, method: str) -> list[Asked]:
        with self._changed:
            return [asked for asked in self.asked if asked.method == method]

    def note_closed(self) -> None:
        with self._changed:
            self.closed += not self._stopping
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            peers = list(self._peers)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for peer in peers:
            with suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        until = monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(until - monotonic(), 0))
            assert not thread.is_alive(), thread
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="upstream", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                number, self.connections = self.connections, self.connections + 1
                self._start(partial(self._serve, sock, number))

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError):
            peer = Peer(self, self._tls.wrap_socket(sock, server_side=True) if self._tls else sock, number)
            with self._changed:
                self._peers.add(peer)
                if self._stopping:
                    sock.shutdown(socket.SHUT_RDWR)
            try:
                self._converse(peer)
            finally:
                with self._changed:
                    self._peers.discard(peer)
                    self._changed.notify_all()
                peer.close()
        sock.close()

    def _converse(self, peer: Peer) -> None:
        while peer.sock.fileno() >= 0 and (asked := peer.read_request()):
            with self._changed:
                self.asked.append(asked)
                answer = self._queue.popleft() if self._queue else self._default
                self._changed.notify_all()
            self._answer(answer, asked, peer)

    def _answer(self, answer: Answer, asked: Asked, peer: Peer) -> None:
        try:
            answer(asked, peer)
        except OSError:
            self.note_closed()
            raise


@contextmanager
def blackhole(backlog: int = 0) -> Iterator[str]:
    """An address of loopback where `connect()` waits: the listener's backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def voigpt(words: str | Words = "Hello.", token: str = "token-{}") -> Answer:
    """Answers as VoiGpt: each page sets a new token (`{}` counts them), a POST with any of them has its words."""
    count = 0
    lock = threading.Lock()

    def answer(asked: Asked, peer: Peer) -> None:
        nonlocal count
        if asked.method == "GET":
            with lock:
                count += 1
                cookie = f"csrftoken={token.format(count)}; Path=/; SameSite=Lax"
            page = reply("<!doctype html><title>VoiGpt</title>", content_type="text/html", set_cookie=cookie)
            return page(asked, peer)
        said = words if isinstance(words, str) else words(asked)
        return reply_json({"response": said})(asked, peer)

    return answer


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def delta(content: Any = None, finish_reason: Any = None, **more: Any) -> bytes:
    """One event of a streamed chat completion."""
    said = ({} if content is None else {"content": content}) | more
    return event({"choices": [{"index": 0, "delta": said, "finish_reason": finish_reason}]})


def stream(*parts: bytes, then: Callable[[Peer], object] = lambda peer: peer.send(END)) -> Answer:
    """An event stream of these parts, and then its end."""
    return raw(STREAM, chunked(*parts), then=then)


def openai(words: str | Words = "Hello.", models: tuple[str, ...] = ("small", "large")) -> Answer:
    """Answers as an OpenAI-compatible server: a list of models, and words in a stream, one event a word."""

    def answer(asked: Asked, peer: Peer) -> None:
        if asked.method == "GET":
            return reply_json({"object": "list", "data": [{"id": model} for model in models]})(asked, peer)
        said = words if isinstance(words, str) else words(asked)
        deltas = [delta(word) for word in re.findall(r"\s*\S+", said)]
        return stream(delta("", role="assistant"), *deltas, delta(finish_reason="stop"), DONE)(asked, peer)

    return answer


def pem() -> Path:
    """The certificate, which is also its own authority, and the key of an `Upstream(tls=True)`."""
    return Path(__file__).with_name("localhost.pem")


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem())
    return context
