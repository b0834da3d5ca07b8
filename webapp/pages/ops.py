"""For whoever runs the server: is it alive, does its store answer."""

from flask import Blueprint, Response

from ..db import DatabaseError, newest_version
from ..web.signin import public
from .house import house

blueprint = Blueprint("ops", __name__)


@blueprint.get("/healthz")
@public
def is_alive() -> Response:
    return _text("alive", 200)


@blueprint.get("/readyz")
@public
def is_ready() -> Response:
    """200 when the database answers and stands at this code's migration, else 503."""
    try:
        version = house().database.version()
    except DatabaseError:
        return _text("the database does not answer", 503)
    if version != newest_version():
        return _text("the database is of another version: run ./run migrate", 503)
    return _text("ready", 200)


def _text(words: str, status: int) -> Response:
    return Response(f"{words}\n", status, mimetype="text/plain")
