"""HTTP to the upstreams: limits, pooled connections, Stop, and errors in words. The only import of requests."""

import contextlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import OK, HTTPException, responses
from time import time
from typing import Any
from urllib.parse import urljoin, urlsplit
from wsgiref.types import WSGIApplication

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL
from urllib3.exceptions import HTTPError

from ..sentences import Sentence
from . import wsgi
from .base import ProviderError
from .faults import NOT_SET_UP, failed, with_status
from .lifeline import Lifeline, current
from .network import Pool, SecurePool
from .refusals import after, message, refusal
from .tunnel import SecureSocksPool, SocksPool

LAST_SECONDS = 0.2
QUOTABLE = 10_000
MOST_VALUES = 500_000  # of one JSON text: an empty object has two characters and takes 70 bytes
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Response:
    """A whole answer, whatever its status; `cookies` are those that it sets.

    `by_proxy`: a proxy handed it over, and may have made it.
    """

    status: int
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes = field(repr=False)
    by_proxy: bool = False

    def text(self) -> str:
        """The body as UTF-8, with U+FFFD for what is none."""
        return self.body.decode("utf-8", "replace")

    def json(self, secret: str = "") -> Any:
        """The body as JSON (RFC 8259), U+FFFD for what is no character. Raises `ProviderError`, without `secret`."""
        if self.is_page():
            raise ProviderError(_web_page(self.quoted(secret)), again=False)
        try:
            return _parse(self.body.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError) as error:
            quote = self.quoted(secret)
            sentence = Sentence("The upstream answered with broken data; try again{quote}.", quote=quote)
            raise ProviderError(sentence) from error

    def is_page(self) -> bool:
        """Whether this is HTML."""
        start = self.body[:100].lstrip().lower()
        kind = self.headers.get("Content-Type", "").lower()
        return "html" in kind or start.startswith((b"<!doctype", b"<html"))

    def quoted(self, secret: str = "") -> str:
        """`: “…”` with what came, or the title of the page that came; empty if there is nothing to quote.

        One line, at most 200 characters, printable, without `secret`.
        """
        said = self._start()
        return _quotation(_title(said) if self.is_page() else said, secret)

    def failure(self, secret: str = "") -> ProviderError:
        """What to raise for an answer that is none: its status is no success, or it tells an error."""
        meant = refusal(self.status, self._start())
        fault, advice, again = meant.of_either() if self.by_proxy else meant
        if self.status != OK:
            fault = with_status(fault, f"{self.status} {responses.get(self.status, '')}".strip())
        wait = self.retry_after() if again else None
        advice = advice if wait is None else after(wait)
        said = self._message()
        quote = _quotation(said, secret) if said else self.quoted(secret)
        # Translators: what is wrong, what to do, and then the upstream's own words, if it said any.
        sentence = Sentence("{fault}; {advice}{quote}.", fault=fault, advice=advice, quote=quote)
        return ProviderError(sentence, again=again, retry_after=wait)

    def strange(self, secret: str = "") -> ProviderError:
        """What to raise for an answer that is no error, and none that the upstream's protocol has."""
        return ProviderError(_something_else(self.quoted(secret)))

    def retry_after(self) -> float | None:
        """The seconds that `Retry-After` asks for (RFC 9110, 10.2.3), at most an hour."""
        asked = self.headers.get("Retry-After", "").strip()
        try:
            seconds = float(asked) if asked.isdecimal() else parsedate_to_datetime(asked).timestamp() - time()
        except (ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), 3600.0)

    def _message(self) -> str:
        """The message of the error that the body tells, as OpenAI has it or alike."""
        try:
            return message(_parse(self.text()))
        except (ValueError, RecursionError):
            return ""

    def _start(self) -> str:
        return self.body[:QUOTABLE].decode("utf-8", "replace")


class Answer:
    """An answer whose body is on its way, for as long as the `with` that gave it lasts."""

    def __init__(self, call: "Call", answer: requests.Response, by_proxy: bool) -> None:
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self._call = call
        self._answer = answer
        self._by_proxy = by_proxy

    def pieces(self, silence: float | None = None) -> Iterator[bytes]:
        """The body as it comes; once it has begun, `silence` is the limit for each wait. Raises `ProviderError`."""
        count = 0
        with self._call.in_words():
            while piece := self._answer.raw.read1(65536, decode_content=True):
                self._call.check()
                if not count and silence:
                    self._limit_silence(silence)
                count += len(piece)
                self._call.refuse_more_than_limit(count)
                yield piece
        self._call.check()  # where a length is not said, an answer that was cut by cancel() looks complete

    def whole(self) -> Response:
        """All of it. Raises `ProviderError`."""
        content = bytearray()
        for piece in self.pieces():
            content += piece
        cookies = {cookie.name: cookie.value for cookie in self._answer.cookies if cookie.value}
        return Response(self.status, self.headers, cookies, bytes(content), self._by_proxy)

    def finish(self) -> None:
        """Nothing more is wanted. If the answer ends right here, its connection can be used again."""
        self._call.pace(0)
        with contextlib.suppress(ProviderError), self._call.in_words():
            self._limit_silence(LAST_SECONDS)
            self._answer.raw.read1(1)

    def _limit_silence(self, seconds: float) -> None:
        connection: Any = self._answer.raw.connection
        if connection:  # none inside the process, or when all has been read
            connection.limit_silence(seconds)


class Call(Lifeline):
    """One exchange with an upstream: one or several requests, by one thread; any thread may `cancel()` it.

    `seconds`, counted from now, is the limit for all of it, `connect` for each connection, in seconds too,
    `max_bytes` for each answer when unpacked.
    """

    def __init__(self, seconds: float = 600.0, max_bytes: int = 16 * 2**20, connect: float = 10.0) -> None:
        super().__init__(seconds)
        self.max_bytes = max_bytes
        self.connect = connect

    def get(self, url: str, **options: Any) -> Response:
        """`request` without a body."""
        return self.request("GET", url, **options)

    def post_json(self, url: str, body: Any, headers: Mapping[str, str] | None = None, **options: Any) -> Response:
        """`request` with `body` as JSON."""
        with self.stream_json(url, body, headers, **options) as answer:
            return answer.whole()

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send this once and read the whole answer; `options` are those of `stream`. Raises `ProviderError`."""
        with self.stream(method, url, **options) as answer:
            return answer.whole()

    def stream_json(
        self, url: str, body: Any, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AbstractContextManager[Answer]:
        """`stream` with `body` as JSON."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        return self.stream("POST", url, body=json.dumps(body).encode(), headers=headers, **options)

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        silence: float = 120.0,
    ) -> Iterator[Answer]:
        """Send this once and give the answer when its body begins; what is not read of it is dropped.

        `silence`, the limit for each wait, is in seconds.
        `proxy` begins with http, https, socks5 or socks5h, where the proxy looks names up; `ca_file` is a PEM file of
        authorities to trust besides the system's.
        Sends no cookie but what `headers` hold, follows no redirect, heeds neither environment nor netrc.
        Raises `ProviderError`.
        """
        request = _prepare(method, url, headers or {}, body)
        self.silence = silence
        with self.watched():
            with self.in_words():
                answer = self._send(request, proxy, ca_file)
            with closing(answer):
                _refuse_redirect(answer)
                yield Answer(self, answer, bool(proxy) and _is_forwarded(str(request.url), str(proxy)))

    def refuse_more_than_limit(self, count: int) -> None:
        """Raises `ProviderError` if `count` bytes are too many for one answer."""
        if count > self.max_bytes:
            limit = f"{self.max_bytes / 2**20:.3g}"
            sentence = Sentence(
                "The upstream's answer is longer than {limit} MB; the admin has to look at its log.", limit=limit
            )
            raise ProviderError(sentence, again=False)

    @contextlib.contextmanager
    def in_words(self) -> Iterator[None]:
        """What goes wrong on the network inside is raised as `ProviderError`."""
        try:
            yield
        except (InvalidURL, InvalidSchema) as error:
            raise ProviderError(*NOT_SET_UP, again=False) from error
        except (OSError, HTTPException, HTTPError, ValueError) as error:
            self.check()
            raise failed(error) from error

    def _send(self, request: requests.PreparedRequest, proxy: str | None, ca_file: str | None) -> requests.Response:
        """The answer with its body still to be read, by `raw.read1`."""
        token = current.set(self)
        try:
            proxies = {"all": proxy} if proxy else None
            adapter = _mounted.get(origin(str(request.url))) or _network(ca_file)
            return adapter.send(request, True, (self.connect, self.silence), proxies=proxies)
        finally:
            current.reset(token)


def mount(base_url: str, app: WSGIApplication) -> None:
    """From now on `app` answers, inside this process, what is sent to the origin of `base_url`.

    Its answer is made as it is read; `cancel()` and the deadline take effect between two chunks.
    """
    _mounted[origin(base_url)] = _InProcess(app)


def origin(url: str) -> str:
    """The origin of `url` as a browser sends it (RFC 6454): no credentials, no default port."""
    parts = urlsplit(str(_prepare("GET", url, {}, None).url))
    netloc = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{netloc.removesuffix(':443' if parts.scheme == 'https' else ':80')}"


_mounted: dict[str, "_InProcess"] = {}


def _prepare(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.PreparedRequest:
    try:
        "".join(headers.values()).encode("latin-1")
        headers = {"User-Agent": "Voichat", "Accept-Encoding": "identity", **headers}
        return requests.Request(method, url, headers, data=body).prepare()
    except ValueError as error:
        raise ProviderError(*NOT_SET_UP, again=False) from error


def _is_forwarded(url: str, proxy: str) -> bool:
    """Whether the proxy reads the answer and can put its own in the place of it."""
    return url.startswith("http:") and not proxy.lower().startswith("socks")


def _refuse_redirect(answer: requests.Response) -> None:
    if 300 <= answer.status_code < 400:
        place = answer.headers.get("Location", "")
        raise ProviderError(_redirect(str(answer.url), place, str(answer.status_code)), again=False)


def _redirect(asked: str, location: str, status: str) -> Sentence:
    place = _absolute(asked, location)
    if place == asked:
        return Sentence(
            "The upstream redirects to itself ({status}); the admin has to let it answer without a sign-in.",
            status=status,
        )
    if place == asked.replace("http://", "https://", 1):
        return Sentence(
            "The upstream redirects to https ({status}); the admin has to begin its address with that.", status=status
        )
    return Sentence(
        "The upstream redirects to another place ({status}); the admin has to correct its address.", status=status
    )


def _absolute(asked: str, location: str) -> str:
    try:
        return urljoin(asked, location) if location else ""
    except ValueError:
        return ""


def _web_page(quote: str) -> Sentence:
    return Sentence(
        "The upstream answered with a web page instead of data; the admin has to correct its address{quote}.",
        quote=quote,
    )


def _something_else(quote: str) -> Sentence:
    return Sentence(
        "The upstream answered with something else than an answer;"
        " try again, and tell the admin if it stays so{quote}.",
        quote=quote,
    )


def _quotation(said: str, secret: str) -> str:
    said = said.replace(secret, "…") if secret else said
    said = " ".join("".join(c if c.isprintable() else " " for c in said[:QUOTABLE]).split())
    said = said if len(said) <= 200 else said[:199] + "…"
    # Translators: {quote} in a sentence: the upstream's own words.
    return Sentence(": “{words}”", words=said) if said else ""


def _title(page: str) -> str:
    found = re.search(r"<title[^<>]{0,100}>([^<]*)", page, re.IGNORECASE)
    return found[1] if found else ""


def _parse(text: str) -> Any:
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise ValueError("too many values")
    value = json.loads(text, parse_constant=_refuse_constant)
    return json.loads(_mended(json.dumps(value, ensure_ascii=False))) if SURROGATE.search(text) else value


def _mended(text: str) -> str:
    """With U+FFFD for each surrogate that is not half of a pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


@cache
def _network(ca_file: str | None) -> "_Network":
    return _Network(ca_file)


class _Network(HTTPAdapter):
    """Connections that trust the system's authorities, requests' own and those of one file more."""

    def __init__(self, ca_file: str | None) -> None:
        self._tls = ssl.create_default_context()
        self._tls.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        if ca_file:
            self._tls.load_verify_locations(ca_file)
        super().__init__(pool_connections=32, pool_maxsize=256)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        options["ssl_context"] = self._tls
        if proxy.lower().startswith("socks"):
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = {"http": SocksPool, "https": SecureSocksPool}
            return manager
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=self._tls, **options)
        manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager

    def cert_verify(self, *_: Any) -> None:
        """Nothing to set: requests would have its file read again for each connection."""


class _InProcess(HTTPAdapter):
    def __init__(self, app: WSGIApplication) -> None:
        super().__init__()
        self._app = app

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body if isinstance(request.body, bytes) else b""
        raw = wsgi.answer(self._app, str(request.method), str(request.url), request.headers, body)
        return self.build_response(request, raw)
