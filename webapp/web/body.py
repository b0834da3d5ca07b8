"""A body that is no HTTP is the client's fault: what the server raises over it becomes a 400, not a 500."""

from collections.abc import Iterable
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def init_app(app: Flask) -> None:
    app.wsgi_app = ReadableBody(app.wsgi_app)  # type: ignore[method-assign]


class ReadableBody:
    """`wsgi.input` whose only fault is `OSError`, which Werkzeug takes for a client that is gone."""

    def __init__(self, app: "WSGIApplication") -> None:
        self.app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["wsgi.input"] = BufferedReader(_Body(environ["wsgi.input"]))
        return self.app(environ, start_response)


class _Body(RawIOBase):
    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(len(buffer))
        except Exception as error:  # each server has its own
            raise OSError("The body cannot be read.") from error
        buffer[: len(data)] = data
        return len(data)
