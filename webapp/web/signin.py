"""Who may come in, and whose chats are shown. Everybody knocks, but for the routes that are marked as public."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast
from unicodedata import normalize

from flask import Flask, current_app, request

from ..db import Database, DatabaseError
from ..settings import Settings
from ..users import accounts
from . import sessions
from .password import Password
from .sessions import Admit

View = TypeVar("View", bound=Callable[..., Any])

NAME_CHARACTERS = 200


class NotSignedIn(Exception):
    """Whoever asks has to sign in first."""


class SignIn(Protocol):
    """One kind of sign-in."""

    @property
    def account(self) -> str:
        """The name of the person; empty where there are no names."""

    def is_welcome(self) -> bool: ...

    def owner(self) -> str | None:
        """Whose chats are shown; None for somebody who has never sent anything. Raises `DatabaseError`."""

    def owner_for(self, submit_id: str, admit: Admit) -> str:
        """The owner, made now if there is none. Raises `DatabaseError`, and what `admit` raises of a new browser."""


class Open:
    """Everybody is welcome, each browser with a history of its own."""

    account = ""

    def is_welcome(self) -> bool:
        return True

    def owner(self) -> str | None:
        return sessions.owner()

    def owner_for(self, submit_id: str, admit: Admit) -> str:
        return sessions.owner_for(submit_id, admit)


class Proxy:
    """A trusted proxy names the person with each request: `security` lets nobody else set the header."""

    def __init__(self, database: Database, header: str) -> None:
        self._database = database
        self._header = header

    @property
    def account(self) -> str:
        """Empty also for what is no name: more than one, too long, or with characters that nobody sees."""
        given = request.headers.get(self._header, "").encode("latin-1").decode("utf-8", "replace").strip()
        is_name = given.isprintable() and "," not in given and "\ufffd" not in given and len(given) <= NAME_CHARACTERS
        return normalize("NFC", given) if is_name else ""

    def is_welcome(self) -> bool:
        return bool(self.account)

    def owner(self) -> str | None:
        return accounts.owner(self._database, self.account)

    def owner_for(self, _submit_id: str, _admit: Admit) -> str:
        return accounts.owner_for(self._database, self.account)


def init_app(app: Flask, settings: Settings, database: Database) -> None:
    app.extensions["sign-in"] = _kind(settings, database)
    app.before_request(_knock)
    app.jinja_env.globals.update(sign_in=kind, is_welcome=is_welcome, auth=settings.auth)
    app.jinja_env.globals.update(sign_out_url=settings.sign_out_url, is_open_to_all=settings.is_open_to_all)


def public(view: View) -> View:
    """Marks a route that answers to everybody."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def kind() -> SignIn:
    return cast(SignIn, current_app.extensions["sign-in"])


def owner() -> str | None:
    return kind().owner()


def owner_for(submit_id: str, admit: Admit) -> str:
    return kind().owner_for(submit_id, admit)


def is_welcome() -> bool:
    """For what an error page shows: with the database away, who brings a cookie is believed."""
    try:
        return kind().is_welcome()
    except DatabaseError:
        return True


def _kind(settings: Settings, database: Database) -> SignIn:
    match settings.auth:
        case "password":
            return Password(database, settings.password, settings.sign_in_days, settings.sign_in_idle_days)
        case "proxy":
            return Proxy(database, settings.auth_header)
        case _:
            return Open()


def _knock() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if not (getattr(view, "is_public", False) or kind().is_welcome()):
        raise NotSignedIn
