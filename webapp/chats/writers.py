"""The pool that writes replies: claim one, ask the provider, store how it ended."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Condition, Event
from time import monotonic
from typing import TypeAlias

from ..db import Database, DatabaseError
from ..providers.base import Completion, Messages, ProviderError
from . import history, lease
from .lease import Claim, Outcome
from .text import cleaned

SETTLE_SECONDS = 300.0
SETTLE_PAUSE_SECONDS = 1.0
OUR_FAULT = "Something went wrong on this server; its log says what."
NO_WORDS = "The model ended its reply without a word."

Complete: TypeAlias = Callable[[str, Messages], Completion]

log = logging.getLogger(__name__)


class Writers:
    """At most `places` replies at once. `ended(reply_id)` is called, in the writing thread, after each."""

    def __init__(self, database: Database, complete: Complete, places: int, ended: Callable[[str], None]) -> None:
        self._database = database
        self._complete = complete
        self._ended = ended
        self._runner = history.new_id()
        self._places = BoundedSemaphore(places)
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="reply")
        self._closing = Event()
        self._changed = Condition()
        self._live: dict[str, Callable[[], None]] = {}

    def start(self, reply_id: str) -> bool:
        """Write the reply if it waits and its turn has come; False when every place is taken."""
        if self._closing.is_set() or not self._places.acquire(blocking=False):
            return False
        claim = None
        try:
            claim = lease.claim(self._database, reply_id, self._runner)
        finally:
            if claim is None:
                self._places.release()
        if claim:
            self._pool.submit(self._write, claim)
        return True

    def renew(self) -> None:
        """Keep the lease of every reply that is being written here."""
        if live := list(self._live):
            lease.renew(self._database, self._runner, live)

    def close(self, seconds: float) -> None:
        """Begin nothing more and cut what is live, its text kept; wait at most `seconds` for that."""
        self._closing.set()
        for cancel in list(self._live.values()):
            cancel()
        with self._changed:
            self._changed.wait_for(lambda: not self._live, seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _write(self, claim: Claim) -> None:
        try:
            self._settle(claim, self._outcome(claim))
        except DatabaseError:
            log.exception("reply %s could not be stored", claim.reply_id)
        finally:
            self._leave(claim)
        self._start_next(claim.conversation_id)

    def _leave(self, claim: Claim) -> None:
        with self._changed:
            self._live.pop(claim.reply_id, None)
            self._changed.notify_all()
        self._places.release()
        self._ended(claim.reply_id)

    def _start_next(self, conversation_id: str) -> None:
        try:
            if following := lease.next_waiting(self._database, conversation_id):
                self.start(following)
        except DatabaseError:
            log.exception("chat %s: its next reply waits for the ticker", conversation_id)

    def _outcome(self, claim: Claim) -> Outcome:
        said: list[str] = []
        try:
            for chunk in self._begin(claim).chunks:
                if isinstance(chunk, str):
                    said.append(cleaned(chunk))
        except ProviderError as error:
            return Outcome("interrupted" if self._closing.is_set() else "failed", "".join(said), cleaned(str(error)))
        except Exception:
            log.exception("reply %s", claim.reply_id)
            return Outcome("failed", "".join(said), OUR_FAULT)
        return Outcome("complete", "".join(said)) if any(said) else Outcome("failed", "", NO_WORDS)

    def _begin(self, claim: Claim) -> Completion:
        completion = self._complete(
            claim.model, history.context(self._database, claim.conversation_id, claim.parent_id)
        )
        self._live[claim.reply_id] = completion.cancel
        if self._closing.is_set():
            completion.cancel()
        return completion

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """A database that is away for a while must not cost the text."""
        deadline = monotonic() + SETTLE_SECONDS
        while True:
            try:
                lease.settle(self._database, claim, outcome)
                return
            except DatabaseError:
                log.exception("reply %s cannot be stored yet", claim.reply_id)
                if monotonic() > deadline or self._closing.wait(SETTLE_PAUSE_SECONDS):
                    raise
