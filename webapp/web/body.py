"""How much of a body is read; and one that is no HTTP is the client's fault: a 400, not a 500."""

from collections.abc import Callable, Iterable
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, current_app, request

from ..settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


View = TypeVar("View", bound=Callable[..., Any])


def init_app(app: Flask, settings: Settings) -> None:
    app.wsgi_app = ReadableBody(app.wsgi_app)  # type: ignore[method-assign]
    app.config.update(MAX_CONTENT_LENGTH=settings.body_bytes, MAX_FORM_MEMORY_SIZE=settings.body_bytes)
    app.before_request(lambda: _make_room(settings.attachment_bytes))
    app.teardown_request(lambda _error: request.close())  # files that came, which may lie on the disk


def takes_files(view: View) -> View:
    """Marks a route whose form may bring files besides."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def _make_room(size: int) -> None:
    """Before anybody reads the form."""
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "takes_files", False) and request.mimetype == "multipart/form-data":
        request.max_content_length = current_app.config["MAX_CONTENT_LENGTH"] + size


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
