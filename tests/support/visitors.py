"""People who come to the running product over HTTP, one connection a request."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from typing import TypeVar
from urllib.parse import urlencode

from tests.support.pictures import multipart
from tests.support.servers import Voichat, wait_until

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 40.0
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    text: str

    @property
    def cookie(self) -> str:
        """The cookie that it sets, as the browser will send it."""
        return self.headers.get("Set-Cookie", "").partition(";")[0]


@dataclass(frozen=True)
class Shown:
    """One message as a page has it."""

    role: str
    status: str
    html: str

    @property
    def words(self) -> str:
        text = re.search(r'<div class="text"[^>]*>(.*?)</div>', self.html, re.DOTALL)
        return re.sub('<p class="queued">.*?</p>|<[^>]*>', "", text[1]).strip() if text else ""


class NotInTime(Exception):
    """A page had not ended when its reader lost patience; `str(error)` is what had come."""


class OpenPage(AbstractContextManager["OpenPage"]):
    """A page that the server may still be sending; read it as it comes."""

    def __init__(self, connection: HTTPConnection | socket.socket, response: HTTPResponse) -> None:
        self.headers = response.headers
        self._connection = connection
        self._response = response
        self._read = b""

    @property
    def shown(self) -> str:
        """What has been read so far."""
        return self._read.decode(errors="ignore")

    def read_until(self, words: str) -> str:
        while words.encode() not in self._read:
            came = self._response.read1(65536)
            assert came, self._read.decode()
            self._read += came
        return self._read.decode(errors="replace")

    def read_to_its_end(self) -> str:
        """Raises `IncompleteRead` where the connection ends before the page, and `NotInTime`."""
        deadline = time.monotonic() + PATIENCE  # a page that goes on writing would be read for ever
        while came := self._response.read1(65536):
            self._read += came
            if time.monotonic() > deadline:
                raise NotInTime(self._read.decode())
        if self._response.length:
            raise IncompleteRead(self._read, self._response.length)
        return self._read.decode()

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class Visitor:
    """A browser of somebody's: keeps the cookie, follows no redirect."""

    def __init__(self, voichat: Voichat) -> None:
        self.cookie = ""
        self.voichat = voichat

    def get(self, path: str, **headers: str) -> Answer:
        return self._answer("GET", path, None, headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        return self._answer("POST", path, urlencode(form), {"Content-Type": FORM} | headers)

    def attach(self, path: str, form: dict[str, str], *files: tuple[str, bytes]) -> Answer:
        """The form with files, each its name and its content."""
        return self.post_body(path, *multipart(form, files))

    def post_body(self, path: str, body: bytes, kind: str) -> Answer:
        return self._answer("POST", path, body, {"Content-Type": kind})

    def open(self, path: str, **headers: str) -> OpenPage:
        return OpenPage(*self._ask("GET", path, None, headers))

    def send(self, words: str, page: str = "/", **fields: str) -> str:
        """Returns the address of the chat that the words went to."""
        with self.open(page) as shown:
            form = shown.read_until("<button>Send</button>") + "</form>"
        answer = self.press("Send", form, message=words, **fields)
        assert answer.status == 303, answer.text
        return answer.headers["Location"]

    def press(self, button: str, page: str, **fields: str) -> Answer:
        forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
        [form] = [form for form in forms if re.search(f"<button[^>]*>{button}</button>", form)]
        [address] = re.findall(r'<form[^>]* action="([^"]*)"', form)
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        return self.post(unescape(address), {name: unescape(value) for name, value in hidden} | fields)

    def until_settled(self, chat: str) -> list[Shown]:
        """The chat's messages once no reply is waiting or live."""
        shown: list[Shown] = []

        def is_settled() -> bool:
            shown[:] = said(self.get(chat).text)
            return not {"waiting", "live"} & {each.status for each in shown}

        wait_until(is_settled, PATIENCE)
        return shown

    def _answer(self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]) -> Answer:
        connection, response = self._ask(method, path, body, headers)
        with OpenPage(connection, response) as page:
            answer = Answer(response.status, response.headers, page.read_to_its_end())
        self.cookie = answer.cookie or self.cookie
        return answer

    def _ask(
        self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]
    ) -> tuple[HTTPConnection, HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.voichat.port, timeout=PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, sent | ({"Cookie": self.cookie} if self.cookie else {}))
            return connection, connection.getresponse()
        except (HTTPException, OSError):  # the server may die while it is being spoken to
            connection.close()
            raise


def said(page: str) -> list[Shown]:
    pattern = r'<article[^>]* data-role="(\w+)" data-status="(\w+)">(.*?)</article>'
    return [Shown(*found) for found in re.findall(pattern, page, re.DOTALL)]


def refusal(answer: Answer) -> tuple[str, str]:
    """The one sentence of the page that says 503, and the words that stand in its composer."""
    assert answer.status == 503, answer.text
    assert answer.headers["Retry-After"]
    [sentence] = re.findall("<h1>(.*?)</h1>", answer.text)
    [words] = re.findall(r'<textarea[^>]* name="message"[^>]*>\n?(.*?)</textarea>', answer.text, re.DOTALL) or [""]
    return unescape(sentence), unescape(words)


def at_once(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Each item in a thread of its own, none begins before all are there."""
    several = list(items)
    start = threading.Barrier(len(several))

    def begin(item: T) -> R:
        start.wait(PATIENCE)
        return work(item)

    with ThreadPoolExecutor(len(several)) as pool:
        return list(pool.map(begin, several))
