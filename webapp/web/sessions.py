"""Who is browsing: sessions that live in our database, one small row each.

Flask-Session's interface with the parts replaced that lose data: only changed keys are written, a session that has
ended is never made again, the database knows only the hash of an id, and values are JSON.
"""

import json
import secrets
from datetime import timedelta
from hashlib import sha256
from time import time
from typing import Any, cast

from flask import Flask, Request, Response, current_app, request, session
from flask_session.base import ServerSideSession, ServerSideSessionInterface
from sqlalchemy import RowMapping, delete, select, update

from ..db import Database, DatabaseError, sessions
from . import submit

DAY = 86400.0
JOIN_SECONDS = 120.0


def owner() -> str | None:
    """Whose browser this is; None for one that has never sent anything. Raises `DatabaseError`."""
    current = _current()
    if current.problem:
        raise current.problem
    return cast(str | None, current.get("owner"))


def owner_for(submit_id: str) -> str:
    """The owner, made now if the browser is new. Raises `DatabaseError`.

    The two halves of a double click on the very first Send carry no cookie but the same `submit_id`, one that we
    issued: both get the session, and so the owner, that an HMAC derives from it.
    """
    return owner() or cast(DatabaseSessions, current_app.session_interface).begin(_current(), submit_id)


class Session(ServerSideSession):  # type: ignore[misc]  # Flask-Session is untyped
    """The values of one browser. `sid` is None until there is something to keep."""

    problem: DatabaseError | None = None
    needs_cookie = False

    def __init__(self, initial: dict[str, Any] | None = None, sid: str | None = None) -> None:
        super().__init__(initial, sid)
        self.loaded = dict(initial or {})

    def adopt(self, values: dict[str, Any], sid: str) -> None:
        """Become the session that the database holds under `sid`."""
        self.update(values)
        self.loaded, self.sid, self.needs_cookie = dict(values), sid, True

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

    def open_session(self, app: Flask, request: Request) -> Session:
        """The browser's session, or an empty one. With the database down the page may still be an error page."""
        sid = request.cookies.get(_cookie_name(request))
        if not sid or request.path.startswith(f"{app.static_url_path}/"):
            return Session()
        try:
            return self._resume(sid)
        except DatabaseError as error:
            broken = Session()
            broken.problem = error
            return broken

    def begin(self, current: Session, submit_id: str) -> str:
        """Give a browser without a session the one that belongs to `submit_id`; returns its owner."""
        sid = submit.derive("session", submit_id) if submit.is_ours(submit_id) else secrets.token_hex(16)
        if not (self._create(sid) or self._may_join(sid)):
            sid = secrets.token_hex(16)
            self._create(sid)
        current.adopt(self._retrieve_session_data(self._get_store_id(sid)) or {}, sid)
        return cast(str, current["owner"])

    def save_session(self, app: Flask, session: Session, response: Response) -> None:
        """Write what this request changed; send the cookie only where it began or renewed the session."""
        if session.accessed:
            response.vary.add("Cookie")
        if session.sid and session.changes():
            self._upsert_session(app.permanent_session_lifetime, session, self._get_store_id(session.sid))
        if session.sid and session.needs_cookie:
            self._send_cookie(session.sid, response)

    def _resume(self, sid: str) -> Session:
        store_id = self._get_store_id(sid)
        row = self._row(store_id)
        if row is None or not self._is_alive(row):
            return Session()
        found = Session(json.loads(row["data"]), sid)
        if row["seen_at"] < time() - DAY:
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
            path=f"{request.script_root}/",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )

    # The store

    def _get_store_id(self, sid: str) -> str:
        return sha256(sid.encode()).hexdigest()

    def _row(self, store_id: str) -> RowMapping | None:
        with self.database.read() as connection:
            return connection.execute(select(sessions).where(sessions.c.id_hash == store_id)).mappings().first()

    def _create(self, sid: str) -> bool:
        """False if it is there. A new session is also the time to forget those that have run out."""
        now = time()
        data = json.dumps({"owner": secrets.token_hex(16)})
        row = {
            "id_hash": self._get_store_id(sid),
            "data": data,
            "created_at": now,
            "seen_at": now,
            "ended": False,
        }
        with self.database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.seen_at < now - self.seconds))
            return self.database.insert_once(connection, sessions, row)

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
        ended = update(sessions).where(sessions.c.id_hash == store_id).values(ended=True, data="{}")
        with self.database.write() as connection:
            connection.execute(ended)


def _current() -> Session:
    return cast(Session, session._get_current_object())  # type: ignore[attr-defined]


def _cookie_name(request: Request) -> str:
    """Prefixed as RFC 6265bis asks, so that no other site of the domain can set it."""
    if not request.is_secure:
        return "voichat"
    return "__Secure-voichat" if request.script_root else "__Host-voichat"
