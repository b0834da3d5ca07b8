"""The pool that writes replies: claim one, ask the provider, store how it ended."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Condition, Event
from typing import TypeAlias

from .. import markdown
from ..db import Database, DatabaseError
from ..outages import outage
from ..providers.base import Completion, Messages, ProviderError
from . import history, lease
from .lease import Claim, Outcome
from .text import cleaned

SETTLE_PAUSE_SECONDS = 1.0
CUTTING_SECONDS = 5.0
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
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="reply")
        self._changed = Condition()
        self._free = self._places = places
        self._draining = Event()
        self._closing = Event()
        self._cancels: dict[str, Callable[[], None]] = {}

    def start(self, reply_id: str) -> bool:
        """Write the reply if it waits and its turn has come; False when every place is taken."""
        if not self._enter():
            return False
        is_writing = False
        try:
            if claim := lease.claim(self._database, reply_id, self._runner):
                self._pool.submit(self._write, claim)
                is_writing = True
        finally:
            if not is_writing:
                self._leave()
        return True

    def renew(self) -> None:
        """Keep the lease of every reply that is being written here."""
        if live := list(self._cancels):
            lease.renew(self._database, self._runner, live)

    def drain(self) -> None:
        with self._changed:
            self._draining.set()

    def close(self, grace: float) -> None:
        """Begin nothing more; what has not ended within `grace` seconds is cut, its text kept."""
        self.drain()
        with self._changed:
            self._changed.wait_for(self._is_idle, grace)
        self._closing.set()
        for cancel in list(self._cancels.values()):
            cancel()
        with self._changed:
            self._changed.wait_for(self._is_idle, CUTTING_SECONDS)
        self._pool.shutdown(wait=False)

    def _is_idle(self) -> bool:
        return self._free == self._places

    def _enter(self) -> bool:
        with self._changed:
            is_room = self._free > 0 and not self._draining.is_set()
            self._free -= is_room
            return is_room

    def _leave(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _write(self, claim: Claim | None) -> None:
        """One reply, and then those that wait behind it in the same chat."""
        try:
            while claim:
                self._settle(claim, _rendered(self._outcome(claim)))
                self._ended(claim.reply_id)
                claim = self._claim_next(claim.conversation_id)
        except Exception:
            log.exception("a reply could not be stored; its lease will run out")
        finally:
            self._leave()

    def _claim_next(self, conversation_id: str) -> Claim | None:
        following = None if self._draining.is_set() else lease.next_waiting(self._database, conversation_id)
        return lease.claim(self._database, following, self._runner) if following else None

    def _outcome(self, claim: Claim) -> Outcome:
        said: list[str] = []
        try:
            for chunk in self._begin(claim).chunks:
                if isinstance(chunk, str):
                    said.append(cleaned(chunk))
        except ProviderError as error:
            if self._closing.is_set():
                return Outcome("interrupted", "".join(said), lease.INTERRUPTED)
            return Outcome("failed", "".join(said), cleaned(str(error)))
        except Exception:
            log.exception("reply %s", claim.reply_id)
            return Outcome("failed", "".join(said), OUR_FAULT)
        finally:
            self._cancels.pop(claim.reply_id, None)
        return Outcome("complete", "".join(said)) if any(said) else Outcome("failed", "", NO_WORDS)

    def _begin(self, claim: Claim) -> Completion:
        told = history.context(self._database, claim.conversation_id, claim.parent_id)
        completion = self._complete(claim.model, told)
        self._cancels[claim.reply_id] = completion.cancel
        if self._closing.is_set():
            completion.cancel()
        return completion

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """A database that is away must not cost the text: it is kept here for as long as this process lives."""
        has_failed = False
        while not self._is_settled(claim, outcome):
            if not has_failed:
                log.error("reply %s cannot be stored yet", claim.reply_id)
            has_failed = True
            self._closing.wait(SETTLE_PAUSE_SECONDS)

    def _is_settled(self, claim: Claim, outcome: Outcome) -> bool:
        """False while the database is away."""
        is_last_try = self._closing.is_set()
        try:
            lease.settle(self._database, claim, outcome)
        except DatabaseError as error:
            if is_last_try or not outage(error):
                raise
            return False
        return True


def _rendered(outcome: Outcome) -> Outcome:
    """With its HTML; without, should the renderer fail: the page tries again, and the words are kept."""
    try:
        html = markdown.render(outcome.text)
    except Exception:
        log.exception("a reply could not be rendered")
        return outcome
    return replace(outcome, html=html, renderer=markdown.RENDERER_VERSION)
