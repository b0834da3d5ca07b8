"""The team's password: who has said it, in which browser, and for how long that counts."""

import hmac
from threading import BoundedSemaphore
from time import time
from unicodedata import normalize

from werkzeug.security import check_password_hash, generate_password_hash

from ..db import Database
from ..users import attempts
from . import addresses, sessions, submit

DAY = 86400.0
CHECKS_AT_ONCE = 2  # each takes 32 MB
SIGNED_IN = "signed_in"


class Password:
    """A sign-in ends `days` after it was made, or after `idle_days` without a visit."""

    account = ""

    def __init__(self, database: Database, password: str, days: int, idle_days: int) -> None:
        self._database = database
        self._password = password
        self._seconds, self._idle_seconds = days * DAY, idle_days * DAY
        self._checking = BoundedSemaphore(CHECKS_AT_ONCE)

    def is_welcome(self) -> bool:
        """Whether this browser has signed in, with the password of today. Raises `DatabaseError`."""
        signed_in = sessions.current().get(SIGNED_IN)
        if not signed_in or signed_in["key"] != self._key():
            return False
        now = time()
        is_fresh = signed_in["since"] > now - self._seconds and signed_in["seen"] > now - self._idle_seconds
        if is_fresh and signed_in["seen"] < now - DAY:
            sessions.current()[SIGNED_IN] = signed_in | {"seen": now}
        return bool(is_fresh)

    def owner(self) -> str | None:
        return sessions.owner()

    def owner_for(self, submit_id: str, admit: sessions.Admit) -> str:
        return sessions.owner_for(submit_id, admit)

    def sign_in(self, given: str, submit_id: str, *, keeps_chats: bool) -> bool:
        """Begin a session that is signed in, if the password is right; its owner is this browser's or a new one.

        Raises `TooManyAttempts`, `DatabaseError`.
        """
        address = addresses.key()
        attempts.begin(self._database, address)
        if not self._is_right(given):
            return False
        attempts.succeeded(self._database, address)
        now = time()
        values = {**sessions.current(), SIGNED_IN: {"since": now, "seen": now, "key": self._key()}}
        if not (keeps_chats and values.get("owner")):
            values["owner"] = sessions.new_owner()
        sessions.replace(f"sign in {submit_id if submit.is_ours(submit_id) else submit.new_id()}", values)
        return True

    def sign_out(self) -> None:
        """End the session. The one that follows knows whose browser this is, and asks for the password."""
        seed, found = f"sign out {sessions.cookie()}", sessions.current()
        if found.sid:
            sessions.replace(seed, {key: value for key, value in found.items() if key != SIGNED_IN})
        else:
            sessions.rejoin(seed)

    def _key(self) -> str:
        return submit.derive("password", self._password)

    def _is_right(self, given: str) -> bool:
        given = normalize("NFC", given)
        if not self._password.startswith("scrypt:"):
            return hmac.compare_digest(given.encode(), normalize("NFC", self._password).encode())
        with self._checking:
            return check_password_hash(self._password, given)


def hashed(password: str) -> str:
    """What to give as `VOICHAT_PASSWORD` instead of the password itself (scrypt, RFC 7914)."""
    return generate_password_hash(normalize("NFC", password), "scrypt")
