"""A WSGI application (PEP 3333) inside the process, seen as an HTTP answer. Not an adapter; `http` uses it."""

import contextlib
import logging
import sys
from collections.abc import Callable, Generator, Mapping
from http.client import HTTPMessage
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.types import WSGIApplication

from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse

from .base import ProviderError
from .lifeline import current

log = logging.getLogger(__name__)


def answer(app: WSGIApplication, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
    """What `app` answers; it runs as the answer is read. The current call can end it between two chunks."""
    source: Any = _Answer(app, _environ(method, url, headers, body))
    headers_sent = source.msg.items()
    return HTTPResponse(source, headers_sent, source.status, preload_content=False, original_response=source)


class _Answer:
    """In the place of `http.client.HTTPResponse`: the body as a file, and `msg`, where requests reads cookies."""

    def __init__(self, app: WSGIApplication, environ: dict[str, Any]) -> None:
        self.closed = False
        self.status = 500
        self.msg = HTTPMessage()
        self._call = current.get()
        self._chunks = self._run(app, environ)
        self._rest = self._next()  # an application may say the status as late as with its first chunk

    def read1(self, size: int) -> bytes:
        self._rest = self._rest or self._next()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    read = read1

    def isclosed(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        self._chunks.close()

    def _next(self) -> bytes:
        token = current.set(self._call)
        try:
            return next(filter(None, self._chunks), b"")
        finally:
            current.reset(token)

    def _run(self, app: WSGIApplication, environ: dict[str, Any]) -> Generator[bytes, None, None]:
        try:
            chunks = app(environ, self._start)
            with contextlib.ExitStack() as stack:
                stack.callback(getattr(chunks, "close", lambda: None))
                for chunk in chunks:
                    self._call.check()
                    yield chunk
        except ProviderError:
            raise
        except Exception as error:  # whatever fault its application has, a server breaks the connection
            log.exception("The application inside the process failed.")
            raise ProtocolError("The application failed.") from error

    def _start(self, status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], None]:
        self.status = int(status[:3])
        self.msg = HTTPMessage()
        for name, value in headers:
            self.msg[name] = value
        return _refuse_write


def _refuse_write(_: bytes) -> None:
    raise NotImplementedError("write() is for old servers; return an iterable")


def _environ(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    parts = urlsplit(url)
    named = {name.upper().replace("-", "_"): value for name, value in headers.items()}
    return {
        "HTTP_HOST": parts.netloc.rpartition("@")[2],
        **{f"HTTP_{name}": value for name, value in named.items() if not name.startswith("CONTENT_")},
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": named.get("CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": parts.hostname,
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
