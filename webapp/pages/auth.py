"""Sign-in, sign-out, and a browser that wants to be forgotten."""

from dataclasses import replace
from http import HTTPStatus
from math import ceil

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from ..chats import history, holdings
from ..parsers import LOCAL_PATH
from ..sentences import Sentence
from ..users import accounts
from ..users.attempts import TooManyAttempts
from ..web import sessions, signin
from ..web.password import Password
from ..web.signin import NotSignedIn, Proxy, public
from . import composer, erasing, errors
from .house import house

blueprint = Blueprint("auth", __name__)

TOLD_BY_NOBODY = Sentence("The sign-in in front of Voichat did not say who you are.")
COME_THROUGH_IT = Sentence("Open Voichat by the address at which your team signs in, or ask whoever runs it.")
WRONG = Sentence("This is not the password.")
PLACES = {"conversation_id": "chats", "share_id": "shares", "preset_id": "presets"}
SIGN_IN_FIRST = Sentence("Sign in to go on. What you sent was not carried out.")


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.register_error_handler(NotSignedIn, _turned_away)


@blueprint.get("/login")
@public
def login() -> ResponseReturnValue:
    match signin.kind():
        case Password() as password:
            return _into() if password.is_welcome() else _form()
        case Proxy() as proxy:
            return _account() if proxy.is_welcome() else _turned_away(NotSignedIn())
    abort(HTTPStatus.NOT_FOUND)


@blueprint.post("/login")
@public
def sign_in() -> ResponseReturnValue:
    match signin.kind():
        case Password() as password:
            return _sign_in(password)
        case Proxy() as proxy:
            return _take_along(proxy) if proxy.is_welcome() else _turned_away(NotSignedIn())
    abort(HTTPStatus.NOT_FOUND)


@blueprint.post("/logout")
@public
def logout() -> Redirect:
    match signin.kind():
        case Password() as password:
            password.sign_out()
            return _and_clear(_see(url_for(".login")))
        case Proxy() if house().settings.sign_out_url:
            return _and_clear(_see(house().settings.sign_out_url))
    abort(HTTPStatus.NOT_FOUND)


@blueprint.get("/forget")
@public
def ask_to_forget() -> str:
    owner = sessions.owner()
    held = holdings.of(house().database, owner) if owner else None
    return render_template("forget.html", held=held)


@blueprint.post("/forget")
@public
def forget() -> Redirect:
    """End this browser's session; all that it held goes too if that was asked for by somebody who may see it."""
    owner = sessions.owner()
    if owner and "chats" in request.form and signin.is_welcome():
        erasing.everything_of(owner)
    sessions.end()
    return _and_clear(_see(url_for("chat.new")))


def _turned_away(_error: NotSignedIn) -> ResponseReturnValue:
    if isinstance(signin.kind(), Proxy):
        return errors.page(HTTPStatus.FORBIDDEN, TOLD_BY_NOBODY, COME_THROUGH_IT)
    if request.method in ("GET", "HEAD"):
        return _see(url_for("auth.login", next=_asked_for()))
    return _form(HTTPStatus.FORBIDDEN, SIGN_IN_FIRST, _where_to_send())


def _account() -> str:
    return render_template("account.html", has_chats_from_before=sessions.owner() is not None)


def _form(status: int = HTTPStatus.OK, problem: str = "", leads_to: str = "") -> tuple[str, int]:
    html = render_template(
        "login.html",
        problem=problem,
        leads_to=leads_to or _next("/"),
        kept=composer.kept(),
        words=errors.words(),
        has_chats=bool(sessions.owner()),
        keeps_chats=request.endpoint != "auth.sign_in" or "chats" in request.form,
    )
    return html, status


def _sign_in(password: Password) -> ResponseReturnValue:
    """Words that were on their way come back in the form that they were sent from; nothing is sent by itself."""
    kept = composer.kept()
    try:
        if not password.sign_in(request.form.get("password", ""), kept.submit_id, keeps_chats="chats" in request.form):
            return _form(HTTPStatus.FORBIDDEN, WRONG)
    except TooManyAttempts as error:
        seconds = ceil(error.seconds)
        page = _form(
            HTTPStatus.TOO_MANY_REQUESTS,
            Sentence("Too many wrong passwords: try again in {seconds} s.", seconds=seconds),
        )
        return *page, {"Retry-After": str(seconds)}
    if not kept.words.strip():
        return _into()
    return render_template("kept.html", composer=replace(kept, action=request.script_root + _next("/chats")))


def _take_along(proxy: Proxy) -> Redirect:
    """The chats of this browser become the account's."""
    owner = sessions.owner()
    if owner and "chats" in request.form:
        history.adopt(house().database, owner, accounts.owner_for(house().database, proxy.account))
        sessions.end()
    return _see(url_for("conversations.index"))


def _into() -> Redirect:
    return _see(request.script_root + _next("/"))


def _next(otherwise: str) -> str:
    """Where the sign-in leads: an address of this server, without the prefix of a proxy."""
    asked = request.values.get("next", "")
    return asked if LOCAL_PATH.fullmatch(asked) else otherwise


def _asked_for() -> str | None:
    query = request.query_string.decode("latin-1")
    page = f"{request.path}?{query}" if query else request.path
    return None if page == "/" else page


def _where_to_send() -> str:
    """The address of the form if it held words; else the page of the chat, link or preset that it belongs to."""
    named = request.view_args or {}
    if composer.kept().words.strip():
        return request.path
    return next((f"/{place}/{named[name]}" for name, place in PLACES.items() if name in named), request.path)


def _and_clear(answer: Redirect) -> Redirect:
    """The browser keeps no page of ours for Back; one that came by plain http from elsewhere does not obey."""
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _see(address: str) -> Redirect:
    return redirect(address, HTTPStatus.SEE_OTHER)
