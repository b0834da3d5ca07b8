"""Replies being written by the server, whoever watches, and the ticker that sees what other processes did."""

import logging
from collections.abc import Iterable
from threading import Event, Lock, Thread
from time import monotonic, time

from ..db import Database, DatabaseError
from . import lease
from .live import Followers, Seat, View
from .showing import Show, nothing
from .titles import Titles
from .writers import Budget, Complete, Writers

TICK_SECONDS = 0.25
SWEEP_SECONDS = 0.5
PAUSE_SECONDS = 2.0
HOMEWARD_SECONDS = 1.0  # other workers cut their replies at the same time
TAKEOVER_SECONDS = 5.0  # in which new workers have begun to write what waits, if there are any

log = logging.getLogger(__name__)


def _unknown(_model: str) -> None: ...


class Replies:
    """One a process. `complete` begins a completion; it and its chunks may raise `ProviderError`.

    `budget(model)` is how many tokens the model takes; None is not known, and leaves nothing of a chat out.
    `show` finds the pictures that go with a chat.
    """

    def __init__(
        self,
        database: Database,
        complete: Complete,
        *,
        places: int,
        caps: lease.Caps,
        seats: int,
        seats_each: int,
        budget: Budget = _unknown,
        titles: Titles | None = None,
        show: Show = nothing,
    ) -> None:
        self._database = database
        self._caps = caps
        self._titles = titles
        told = self._shown, self._ended, self._completed
        self._writers = Writers(database, complete, budget, show, places, caps, *told)
        self._followers = Followers(seats, seats_each, self._is_unsettled, self._writers.said)
        self._closed = Event()
        self._opening = Lock()
        self._threads: list[Thread] = []
        self._renew_at = 0.0
        self._written_at = monotonic()

    def open(self) -> None:
        """Start to tick; not before a fork. Starting a reply and taking a seat do it too."""
        with self._opening:
            if not self._threads:
                work = {"replies": self._tick_until_closed, "flush": self._flush_until_closed}
                self._threads = [Thread(target=each, name=name, daemon=True) for name, each in work.items()]
                for thread in self._threads:
                    thread.start()

    def start(self, reply_id: str) -> None:
        """Write the reply here if it waits, its turn has come and a place is free; else the ticker tries again.

        So it does if the database can be read but not written.
        """
        self.open()
        try:
            self._writers.start(reply_id)
        except DatabaseError:
            log.exception("reply %s cannot be begun yet", reply_id)

    def stop(self, reply_id: str) -> None:
        """End the reply, whichever process writes it, within a tick."""
        lease.stop(self._database, reply_id)
        self._writers.stop([reply_id])

    def seat(self, person: str) -> Seat | None:
        """A seat for a page that follows replies; None when every one is taken, or this person's share."""
        self.open()
        return self._followers.seat(person)

    def drain(self) -> None:
        """Begin nothing more; what is live goes on, and what waits is for another process."""
        self._writers.drain()

    def close(self, grace: float = 0.0) -> None:
        """Begin nothing more; after `grace` seconds cut what is live, its text kept, and send the followers home."""
        if self._titles:
            self._titles.close()
        self._writers.close(grace)
        self._followers.close(HOMEWARD_SECONDS)
        self._closed.set()
        self._writers.wake()
        for thread in self._threads:
            thread.join(PAUSE_SECONDS)

    def _is_unsettled(self, reply_id: str) -> bool:
        return lease.is_unsettled(self._database, reply_id)

    def _shown(self, reply_id: str) -> None:
        self._followers.grown(reply_id)

    def _ended(self, reply_id: str) -> None:
        self._followers.settled([reply_id])

    def _completed(self, claim: lease.Claim) -> None:
        if self._titles:
            self._titles.begin(claim)

    def _flush_until_closed(self) -> None:
        while not self._closed.is_set():
            if self._writers.wait_for_growth(PAUSE_SECONDS):
                self._flush(only_begun=False)
                self._flush_first_words(monotonic() + self._writers.pause)

    def _flush_first_words(self, until: float) -> None:
        """They do not wait until it is time for what has grown."""
        while (seconds := until - monotonic()) > 0 and not self._closed.is_set():
            if self._writers.wait_for_beginning(seconds):
                self._flush(only_begun=True)

    def _flush(self, *, only_begun: bool) -> None:
        try:
            self._writers.flush(only_begun=only_begun)
        except DatabaseError as error:
            log.error("live text cannot be stored yet: %s", error)

    def _tick_until_closed(self) -> None:
        pause = TICK_SECONDS
        while not self._closed.wait(pause):
            try:
                self._tick()
                pause = TICK_SECONDS
            except Exception:  # without the ticker, leases run out and nobody is woken
                if pause == TICK_SECONDS:  # an outage is logged once
                    log.exception("a tick failed")
                pause = PAUSE_SECONDS

    def _tick(self) -> None:
        """First what needs reading alone: there are times when nothing can be written."""
        awaited = self._followers.awaited()
        found = lease.unsettled(self._database)
        self._tell_followers(awaited, {reply.id for reply in found if not reply.is_stale})
        self._writers.stop(reply.id for reply in found if reply.is_stopping)
        self._leave_to_the_next(found)
        self._renew()
        if any(reply.is_stale for reply in found):
            lease.expire(self._database)
        for reply_id in lease.ready(found, time() - SWEEP_SECONDS, self._caps):
            if not self._writers.start(reply_id):
                break

    def _tell_followers(self, awaited: set[str], unsettled: set[str]) -> None:
        """Of what other processes write they hear once a tick, by one query."""
        elsewhere = {reply_id for reply_id in awaited & unsettled if self._writers.said(reply_id) is None}
        if elsewhere:
            found = lease.said(self._database, elsewhere)
            self._followers.learn({reply_id: View(*view) for reply_id, view in found.items()})
        self._followers.settled(awaited - unsettled)

    def _leave_to_the_next(self, found: Iterable[lease.Unsettled]) -> None:
        """Where all processes end, nobody writes what waits: its followers are sent home before the grace is over."""
        if not self._writers.is_draining or any(reply.is_live for reply in found):
            self._written_at = monotonic()
        elif monotonic() > self._written_at + TAKEOVER_SECONDS:
            self._followers.close(0)

    def _renew(self) -> None:
        if monotonic() >= self._renew_at:
            self._writers.renew()
            self._renew_at = monotonic() + lease.RENEW_SECONDS
