"""A personal link to a browser's history: make one, end it, and open it in another browser."""

from http import HTTPStatus
from math import ceil

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from ..chats import history, holdings
from ..chats.records import NotFound
from ..sentences import Sentence
from ..users import attempts, recoveries
from ..users.attempts import TooManyAttempts
from ..web import addresses, sessions, signin, submit
from ..web.signin import NotSignedIn, public
from . import composer, errors, fields, visitor
from .house import house

blueprint = Blueprint("recovery", __name__)


@blueprint.before_request
def _only_where_a_cookie_is_the_key() -> None:
    if house().settings.auth == "proxy":
        abort(HTTPStatus.NOT_FOUND)


@blueprint.get("/recovery")
def index() -> str:
    return _index()


@blueprint.post("/recovery")
def change() -> ResponseReturnValue:
    """Make the link, which this answer alone shows, or end it."""
    owner = visitor.owner()
    if fields.is_ticked("end"):
        recoveries.end(house().database, owner)
        return _to_index()
    submit_id = composer.submit_id()
    token = submit.derive("recovery", f"{owner} {submit_id if submit.is_ours(submit_id) else submit.new_id()}")
    if not recoveries.make(house().database, owner, token):
        return _to_index()
    return _index(url_for(".show", token=token, _external=True))


@blueprint.get("/recover/<key:token>")
def show(token: str) -> str:
    owner, own = _owner(token), sessions.owner()
    return render_template(
        "recover.html",
        token=token,
        held=holdings.of(house().database, owner),
        own=holdings.of(house().database, own) if own and own != owner else None,
        is_here=own == owner,
        submit_id=submit.new_id(),
    )


@blueprint.post("/recover/<key:token>")
@public
def recover(token: str) -> ResponseReturnValue:
    """This browser's session ends, and another begins whose history is the link's."""
    seed = f"recover {token} {composer.submit_id()}"
    if not signin.is_welcome():
        sessions.rejoin(seed)
    if not signin.is_welcome():
        raise NotSignedIn
    try:
        owner = _tried(token)
    except TooManyAttempts as error:
        seconds = ceil(error.seconds)
        html, status = errors.page(429, Sentence("Too many wrong links: try again in {seconds} s.", seconds=seconds))
        return html, status, {"Retry-After": str(seconds)}
    own = sessions.owner()
    if own and own != owner and fields.is_ticked("along"):
        history.adopt(house().database, own, owner)
    if own != owner:
        sessions.replace(seed, {**sessions.current(), "owner": owner})
    return redirect(url_for("conversations.index"), HTTPStatus.SEE_OTHER)


def _tried(token: str) -> str:
    """Whose link it is. Raises `NotFound`, and `TooManyAttempts` after several that were nobody's."""
    address = submit.derive("recovery", addresses.key())
    attempts.begin(house().database, address)
    owner = _owner(token)
    attempts.succeeded(house().database, address)
    return owner


def _owner(token: str) -> str:
    owner = recoveries.owner(house().database, token)
    if owner is None:
        raise NotFound
    return owner


def _index(link: str = "") -> str:
    owner = signin.owner()
    made_at = recoveries.made_at(house().database, owner) if owner else None
    return render_template("recovery.html", owner=owner, made_at=made_at, link=link, submit_id=submit.new_id())


def _to_index() -> Redirect:
    return redirect(url_for(".index"), HTTPStatus.SEE_OTHER)
