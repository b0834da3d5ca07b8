"""Everything as one file, and chats from files: what is taken along to another server, or from another product."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http import HTTPStatus
from shutil import disk_usage
from threading import Lock
from time import strftime
from typing import IO

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from ..chats import archive
from ..chats.files import Unwritable
from ..chats.imports import taking
from ..chats.imports.found import Refused
from ..chats.imports.reports import Report
from ..chats.imports.taking import Checked
from ..sentences import Sentence
from ..settings import FORM_BYTES
from ..web import signin, submit
from . import composer, visitor
from .house import house

blueprint = Blueprint("along", __name__)

TIMES_UNPACKED = 5
RESERVE_BYTES = 200_000_000
NO_FILE = Sentence("Choose a file first.")
NO_ROOM = Sentence("The server has no room for this file now: try again later, or tell its admin.")
ANOTHER = Sentence("Another file is being read just now: send this one again in a minute.")

log = logging.getLogger(__name__)
_one_at_a_time = Lock()


@blueprint.get("/take-along")
def show() -> str:
    return _page()


@blueprint.get("/take-along.zip")
def everything() -> Response:
    """All chats and presets; for who has none it holds none."""
    owner = signin.owner() or ""
    response = Response(archive.pieces(house().database, house().files, owner), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="voichat-{strftime("%Y-%m-%d")}.zip"'
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.post("/import")
def take() -> ResponseReturnValue:
    """Safe to repeat: each chat is taken once."""
    request.max_content_length = house().settings.import_bytes + FORM_BYTES
    with house().database.write() as connection:
        house().limits.admit(visitor.sender(signin.owner() or ""), connection, reply_id="")
    try:
        submit_id, file = composer.submit_id(), request.files.get("file")
        if file is None or not file.filename:
            return _page(NO_FILE), HTTPStatus.BAD_REQUEST
        with _turn(), closing(_checked(file.stream)) as checked:
            return render_template("imported.html", report=_taken(checked, submit_id))
    except RequestEntityTooLarge:
        sentence = Sentence(
            "This file is too large: at most {most} MB are taken.", most=house().settings.import_megabytes
        )
        return _page(sentence), HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    except Refused as error:
        return _page(Sentence("Nothing was taken of this file. {why}.", why=str(error))), HTTPStatus.BAD_REQUEST
    except Unwritable as error:
        log.error("a picture of an import cannot be stored: %s", error)
        sentence = Sentence(
            "The server cannot store the rest of these pictures now: {why}. Tell its admin. What was taken is here; "
            "the same file again brings the rest.",
            why=str(error),
        )
        return _page(sentence), HTTPStatus.SERVICE_UNAVAILABLE
    except OSError as error:
        log.error("an import cannot be kept aside: %s", error.strerror)
        return _page(NO_ROOM), HTTPStatus.SERVICE_UNAVAILABLE


@contextmanager
def _turn() -> Iterator[None]:
    """One at a time in each process: a large file takes memory and seconds of computing."""
    if not _one_at_a_time.acquire(timeout=10):
        abort(HTTPStatus.SERVICE_UNAVAILABLE, ANOTHER)
    try:
        yield
    finally:
        _one_at_a_time.release()


def _checked(stream: IO[bytes]) -> Checked:
    settings = house().settings
    if disk_usage(settings.data).free < RESERVE_BYTES + settings.import_bytes:
        raise OSError(0, "its disk is nearly full")
    most = settings.import_bytes * TIMES_UNPACKED
    are_pictures_taken = settings.attachment_bytes > 0
    return taking.check(stream, settings.data, most, settings.retention_days, are_pictures_taken=are_pictures_taken)


def _taken(checked: Checked, submit_id: str) -> Report:
    limits, most = house().limits, house().settings.import_bytes * TIMES_UNPACKED
    owner = signin.owner_for(submit_id, partial(limits.check, visitor.sender("")))
    with house().database.write() as connection:
        limits.admit_bytes(visitor.sender(owner), connection, checked.bytes, most)
    return taking.take(house().database, house().files, owner, checked)


def _page(problem: str = "") -> str:
    return render_template(
        "take-along.html",
        problem=problem,
        submit_id=submit.new_id(),
        most=house().settings.import_megabytes,
    )
