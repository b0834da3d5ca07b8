"""Who is browsing: sessions that live in our database, one small row each.

Flask-Session's interface with the parts replaced that lose data: only changed keys are written, a session that has
ended is never made again, the database knows only the hash of an id, and values are JSON.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from time import time
from typing import Any, TypeAlias, cast

from flask import Flask, Request, Response, current_app, request, session
from flask_session.base import ServerSideSession, ServerSideSessionInterface
from sqlalchemy import Connection, RowMapping, Update, bindparam, delete, select, update

from ..db import Database, DatabaseError, sessions
from . import submit

DAY = 86400.0
FILES = ("/static/", "/favicon.ico", "/apple-touch-icon.png", "/manifest.webmanifest", "/robots.txt")
"""What is the same for everybody: nobody asks who is browsing."""
JOIN_SECONDS = 120.0
ROW = select(sessions).where(sessions.c.id_hash == bindparam("id"))

# Called in the transaction that adds a session; what it raises takes that back.
Admit: TypeAlias = Callable[[Connection], None]


def _admit_all(_connection: Connection) -> None: ...


def owner() -> str | None:
    """Whose browser this is; None for one that has never sent anything. Raises `DatabaseError`."""
    return cast(str | None, current().get("owner"))


def owner_for(submit_id: str, admit: Admit) -> str:
    """The owner, made now if the browser is new. Raises `DatabaseError`, and what `admit` raises of a new browser.

    The two halves of a double click on the very first Send carry no cookie but the same `submit_id`, one that we
    issued: both get the session, and so the owner, that an HMAC derives from it.
    """
    if not owner():
        _interface().begin(current(), submit_id, {"owner": new_owner()}, admit)
    return cast(str, current()["owner"])


def preferred(name: str) -> str:
    """What this browser has chosen; empty if it has not, or if nobody can tell."""
    with suppress(AssertionError):  # Flask's, where the session could not even be opened
        return cast(str, _found().get(name, ""))
    return ""


def prefer(submit_id: str, choices: Mapping[str, str], admit: Admit) -> None:
    """Keep these choices, in a session of their own if the browser is new; what is empty is no choice any more.

    Raises `DatabaseError`, and what `admit` raises of a new browser.
    """
    if not current().sid:
        _interface().begin(current(), submit_id, {}, admit)
    for name, choice in choices.items():
        current().pop(name, None)
        if choice:
            current()[name] = choice


def current() -> "Session":
    """What this browser holds. Raises `DatabaseError`."""
    found = _found()
    if found.problem:
        raise found.problem
    return found


def replace(seed: str, values: dict[str, Any]) -> None:
    """End this browser's session and begin another with `values`.

    Both halves of a double click bring the same `seed`, which nobody can guess: they get the same session.
    Raises `DatabaseError`.
    """
    _interface().replace(current(), seed, values)


def rejoin(seed: str) -> None:
    """The session that the other half of a double click has just begun, if it has. Raises `DatabaseError`."""
    _interface().join(current(), seed)


def end() -> None:
    """This browser is forgotten: its session is never made again, and its cookie goes. Raises `DatabaseError`."""
    _interface().end(current())


class Session(ServerSideSession):  # type: ignore[misc]  # Flask-Session is untyped
    """The values of one browser. `sid` is None until there is something to keep."""

    sid: str | None
    problem: DatabaseError | None = None
    needs_cookie = False
    has_ended = False

    def __init__(self, initial: dict[str, Any] | None = None, sid: str | None = None) -> None:
        super().__init__(initial, sid)
        self.loaded = dict(initial or {})

    def adopt(self, values: dict[str, Any], sid: str) -> None:
        """Become the session that the database holds under `sid`."""
        self.empty()
        self.update(values)
        self.loaded, self.sid, self.needs_cookie = dict(values), sid, True

    def empty(self) -> None:
        """`clear` leaves a key of Flask-Session's behind."""
        for key in [*self]:
            del self[key]

    def changes(self) -> dict[str, Any]:
        """What this request set and, as None, what it removed."""
        changed = {key: value for key, value in self.items() if self.loaded.get(key) != value}
        return changed | dict.fromkeys(self.loaded.keys() - self.keys())


class DatabaseSessions(ServerSideSessionInterface):  # type: ignore[misc]
    """Sessions idle for `days` are gone; the cookie is sent when the session begins and renewed once a day."""

    session_class = Session

    def __init__(self, app: Flask, database: Database, days: int) -> None:
        super().__init__(app)
        self.database = database
        self.seconds = days * DAY

    def open_session(self, _app: Flask, request: Request) -> Session:
        """The browser's session, or an empty one. With the database down the page may still be an error page."""
        sid = request.cookies.get(_cookie_name(request))
        if not sid or request.path.startswith(FILES):
            return Session()
        try:
            return self._resume(sid)
        except DatabaseError as error:
            broken = Session()
            broken.problem = error
            return broken

    def forget(self) -> None:
        """Delete those that have run out, also of browsers that never came back."""
        with self.database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.seen_at < time() - self.seconds))

    def begin(self, current: Session, submit_id: str, values: dict[str, Any], admit: Admit) -> None:
        """Give the browser the session that belongs to `submit_id`, with `values` and what it had chosen before."""
        seed = submit_id if submit.is_ours(submit_id) else secrets.token_hex(16)
        self.replace(current, seed, {**current, **values}, admit)

    def replace(self, current: Session, seed: str, values: dict[str, Any], admit: Admit = _admit_all) -> None:
        sid = submit.derive("session", seed)
        if self._create(sid, values, current.sid, admit):
            current.adopt(values, sid)
        elif self._may_join(sid):
            self._adopt(current, sid)
        else:
            self.replace(current, secrets.token_hex(16), values, admit)

    def join(self, current: Session, seed: str) -> None:
        sid = submit.derive("session", seed)
        if self._may_join(sid):
            self._adopt(current, sid)

    def end(self, current: Session) -> None:
        if current.sid:
            self._delete_session(self._get_store_id(current.sid))
        current.empty()
        current.sid, current.has_ended = None, True

    def save_session(self, app: Flask, session: Session, response: Response) -> None:
        """Write what this request changed; send the cookie only where it began or renewed the session."""
        # A private page is kept by the browser alone: with Vary, Back would fetch it anew after the very first cookie.
        if session.accessed and not response.cache_control.private:
            response.vary.add("Cookie")
        if session.sid and session.changes():
            self._upsert_session(app.permanent_session_lifetime, session, self._get_store_id(session.sid))
        if session.sid and session.needs_cookie:
            self._send_cookie(session.sid, response)
        if session.has_ended:
            response.delete_cookie(_cookie_name(request), **_cookie_scope())

    def _adopt(self, current: Session, sid: str) -> None:
        current.adopt(self._retrieve_session_data(self._get_store_id(sid)) or {}, sid)

    def _resume(self, sid: str) -> Session:
        store_id = self._get_store_id(sid)
        row = self._row(store_id)
        if row is None or not self._is_alive(row):
            return Session()
        found = Session(json.loads(row["data"]), sid)
        if row["seen_at"] < time() - DAY:
            with suppress(DatabaseError):  # what can be read can be shown
                self._touch(store_id)
                found.needs_cookie = True
        return found

    def _is_alive(self, row: RowMapping) -> bool:
        return not row["ended"] and row["seen_at"] > time() - self.seconds

    def _may_join(self, sid: str) -> bool:
        row = self._row(self._get_store_id(sid))
        return row is not None and self._is_alive(row) and row["created_at"] > time() - JOIN_SECONDS

    def _send_cookie(self, sid: str, response: Response) -> None:
        response.set_cookie(
            _cookie_name(request),
            sid,
            max_age=int(self.seconds),
            **_cookie_scope(),
        )

    # The store

    def _get_store_id(self, sid: str) -> str:
        return sha256(sid.encode()).hexdigest()

    def _row(self, store_id: str) -> RowMapping | None:
        with self.database.read() as connection:
            return connection.execute(ROW, {"id": store_id}).mappings().first()

    def _create(self, sid: str, values: dict[str, Any], ends: str | None, admit: Admit) -> bool:
        """False if it is there."""
        now = time()
        row = {
            "id_hash": self._get_store_id(sid),
            "data": json.dumps(values),
            "created_at": now,
            "seen_at": now,
            "ended": False,
        }
        with self.database.write_little() as connection:
            if ends:
                connection.execute(_ended(self._get_store_id(ends)))
            is_new = self.database.insert_once(connection, sessions, row)
            if is_new:
                admit(connection)
            return is_new

    def _touch(self, store_id: str) -> None:
        with self.database.write() as connection:
            connection.execute(update(sessions).where(sessions.c.id_hash == store_id).values(seen_at=time()))

    def _retrieve_session_data(self, store_id: str) -> dict[str, Any] | None:
        row = self._row(store_id)
        return json.loads(row["data"]) if row is not None and self._is_alive(row) else None

    def _upsert_session(self, _lifetime: timedelta, session: Session, store_id: str) -> None:
        mine = (sessions.c.id_hash == store_id) & ~sessions.c.ended
        with self.database.write() as connection:
            stored = connection.execute(select(sessions.c.data).where(mine).with_for_update()).scalar()
            if stored is not None:
                merged = {k: v for k, v in (json.loads(stored) | session.changes()).items() if v is not None}
                connection.execute(update(sessions).where(mine).values(data=json.dumps(merged)))

    def _delete_session(self, store_id: str) -> None:
        with self.database.write() as connection:
            connection.execute(_ended(store_id))


def new_owner() -> str:
    return secrets.token_hex(16)


def _ended(store_id: str) -> Update:
    """A row stays behind, so that no late request makes the session again."""
    return update(sessions).where(sessions.c.id_hash == store_id).values(ended=True, data="{}")


def _interface() -> DatabaseSessions:
    return cast(DatabaseSessions, current_app.session_interface)


def _found() -> Session:
    return cast(Session, session._get_current_object())  # type: ignore[attr-defined]


def cookie() -> str:
    """The id that the browser sent, whatever became of its session."""
    return request.cookies.get(_cookie_name(request), "")


def _cookie_scope() -> dict[str, Any]:
    where = {"path": f"{request.script_root}/", "secure": request.is_secure}
    return where | {"httponly": True, "samesite": "Lax"}


def _cookie_name(request: Request) -> str:
    """Prefixed as RFC 6265bis asks, so that no other site of the domain can set it."""
    if not request.is_secure:
        return "voichat"
    return "__Secure-voichat" if request.script_root else "__Host-voichat"
