"""People at their browsers, hundreds of them in one process: what they ask for, and when it came."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from urllib.parse import urlencode

from .upstream import FIRST, LAST, script

FORM = "application/x-www-form-urlencoded"
PATIENCE = 30.0  # beyond what a reply lasts
MARKS = (FIRST.encode(), LAST.encode())
WHOLE = b'<span class="end" data-status="complete"></span>'
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass
class Answer:
    """What has come of one answer; `seen` are the times at which the marks did, in their order."""

    marks: Sequence[bytes] = ()
    came: bytearray = field(default_factory=bytearray)
    seen: list[float] = field(default_factory=list)
    _looked: int = 0
    _whole: int | None = None

    @property
    def status(self) -> int:
        return int(self.came[9:12])

    def header(self, name: str) -> str:
        found = re.search(rf"\r\n{name}: ([^\r;]*)".encode(), self.came, re.IGNORECASE)
        return found[1].decode() if found else ""

    def take(self, data: bytes) -> bool:
        """Whether that was all of it."""
        self.came += data
        while len(self.seen) < len(self.marks):
            if self.came.find(self.marks[len(self.seen)], self._looked) < 0:
                break
            self.seen.append(perf_counter())
        self._looked = max(len(self.came) - 40, 0)
        return self._is_whole()

    def _is_whole(self) -> bool:
        if self._whole is None and (head := self.came.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.came, 0, head)
            self._whole = head + 4 + int(length[1]) if length else 0
        return len(self.came) >= self._whole if self._whole else self.came.endswith(END_OF_CHUNKS)


class Connection(asyncio.Protocol):
    """One question after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self.transport = transport
        self._waits: asyncio.Future[None] | None = None

    async def ask(self, question: bytes, marks: Sequence[bytes]) -> Answer:
        self._answer = Answer(marks)
        self._waits = asyncio.get_running_loop().create_future()
        self.transport.write(question)
        await self._waits
        return self._answer

    def data_received(self, data: bytes) -> None:
        if self._answer.take(data) and self._waits and not self._waits.done():
            self._waits.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waits and not self._waits.done():
            self._waits.set_exception(ConnectionError("the server hung up"))


class Browser:
    """Keeps its connection for as long as the server does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection: Connection | None = None

    async def connect(self) -> Connection:
        if not self._connection:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        return self._connection

    async def ask(self, question: bytes, marks: Sequence[bytes] = ()) -> Answer:
        """Raises `OSError` if the connection ends before the answer does."""
        answer = await (await self.connect()).ask(question, marks)
        if CLOSES.search(answer.came):
            self.close()
        return answer

    def close(self) -> None:
        if self._connection:
            self._connection.transport.close()
        self._connection = None


@asynccontextmanager
async def browsing(port: int) -> AsyncIterator[Browser]:
    """Connected already, as with a page open."""
    browser = Browser(port)
    await browser.connect()
    try:
        yield browser
    finally:
        browser.close()


def get(port: int, path: str, cookie: str = "") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\n"
    return f"{head}{f'Cookie: {cookie}' if cookie else 'Accept-Language: en'}\r\n\r\n".encode()


def post(port: int, path: str, kind: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Mozilla/5.0\r\n"
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@dataclass(frozen=True)
class Reply:
    """Seconds from the POST until the first word was there, and by how many the last came late; or it was lost."""

    first: float = inf
    late: float = inf
    bytes: int = 0


Tell = Callable[[int, int], Awaitable[Reply]]


def through_voichat(port: int) -> Tell:
    """A newcomer sends a message and follows the reply on its page, without JavaScript."""

    async def tell(words: int, rate: int) -> Reply:
        form = urlencode({"message": script(words, rate), "submit_id": secrets.token_hex(16)})
        async with browsing(port) as browser:
            began = perf_counter()
            sent = await browser.ask(post(port, "/chats", FORM, form))
            page = await browser.ask(get(port, sent.header("Location"), sent.header("Set-Cookie")), MARKS)
        return _reply(page, began, words, rate) if WHOLE in page.came else Reply()

    return tell


def straight(port: int, path: str) -> Tell:
    """A program sends the upstream what Voichat would, to the upstream itself or to who hands it through."""

    async def tell(words: int, rate: int) -> Reply:
        said = f'{{"stream": true, "messages": [{{"role": "user", "content": "{script(words, rate)}"}}]}}'
        async with browsing(port) as browser:
            began = perf_counter()
            answer = await browser.ask(post(port, path, "application/json", said), MARKS)
        return _reply(answer, began, words, rate)

    return tell


def _reply(answer: Answer, began: float, words: int, rate: int) -> Reply:
    if len(answer.seen) < len(MARKS):
        return Reply()
    first, last = answer.seen
    return Reply(first - began, last - began - (words - 1) / rate if rate else last - began, len(answer.came))


async def crowd(tell: Tell, people: int, over: float, words: int, rate: int) -> list[Reply]:
    """So many, who come evenly within `over` seconds."""
    lasts = words / rate if rate else 0.0

    async def one(number: int) -> Reply:
        await asyncio.sleep(over * number / people)
        try:
            return await asyncio.wait_for(tell(words, rate), lasts + PATIENCE)
        except (OSError, TimeoutError):
            return Reply()

    return list(await asyncio.gather(*map(one, range(people))))


async def one_by_one(tell: Tell, times: int, words: int, rate: int) -> list[Reply]:
    return [await tell(words, rate) for _ in range(times)]


async def knock(port: int, path: str, pause: float, found: list[float]) -> None:
    """A newcomer every now and then, until cancelled: `found` takes the seconds until the page was there."""
    while True:
        began = perf_counter()
        try:
            async with browsing(port) as browser:
                answer = await asyncio.wait_for(browser.ask(get(port, path)), PATIENCE)
            found.append(perf_counter() - began if answer.status == 200 else inf)
        except (OSError, TimeoutError):
            found.append(inf)
        await asyncio.sleep(pause)


async def closed_loop(port: int, question: bytes, clients: int, seconds: float) -> list[float]:
    """Seconds of each answer to so many who ask again as soon as they are answered."""
    found: list[float] = []
    until = perf_counter() + seconds

    async def one() -> None:
        async with browsing(port) as browser:
            while (began := perf_counter()) < until:
                answer = await browser.ask(question)
                if answer.status != 200:
                    raise ConnectionError(answer.came[:200].decode("latin-1"))
                found.append(perf_counter() - began)

    await asyncio.gather(*(one() for _ in range(clients)))
    return found
