"""Replies being written by the server, whoever watches, and the ticker that sees what other processes did."""

import logging
from threading import Event, Lock, Thread
from time import monotonic, time

from ..db import Database, DatabaseError
from . import lease
from .live import Followers, Seat
from .writers import Complete, Writers

TICK_SECONDS = 0.25
SWEEP_SECONDS = 0.5
PAUSE_SECONDS = 2.0
HOMEWARD_SECONDS = 1.0  # other workers cut their replies at the same time

log = logging.getLogger(__name__)


class Replies:
    """One a process. `complete(model, messages)` begins a completion; it and its chunks may raise `ProviderError`."""

    def __init__(self, database: Database, complete: Complete, *, places: int, seats: int) -> None:
        self._database = database
        self._writers = Writers(database, complete, places, self._wake)
        self._followers = Followers(seats, self._is_unsettled)
        self._closed = Event()
        self._opening = Lock()
        self._ticker: Thread | None = None
        self._renew_at = 0.0

    def open(self) -> None:
        """Start to tick; not before a fork. Starting a reply and taking a seat do it too."""
        with self._opening:
            if self._ticker is None:
                self._ticker = Thread(target=self._tick_until_closed, name="replies", daemon=True)
                self._ticker.start()

    def start(self, reply_id: str) -> None:
        """Write the reply here if it waits, its turn has come and a place is free; else the ticker tries again.

        So it does if the database can be read but not written.
        """
        self.open()
        try:
            self._writers.start(reply_id)
        except DatabaseError:
            log.exception("reply %s cannot be begun yet", reply_id)

    def seat(self) -> Seat | None:
        """A seat for a page that follows replies; None when every one is taken."""
        self.open()
        return self._followers.seat()

    def drain(self) -> None:
        """Begin nothing more; what is live goes on, and what waits is for another process."""
        self._writers.drain()

    def close(self, grace: float = 0.0) -> None:
        """Begin nothing more; after `grace` seconds cut what is live, its text kept, and send the followers home."""
        self._writers.close(grace)
        self._followers.close(HOMEWARD_SECONDS)
        self._closed.set()
        if self._ticker:
            self._ticker.join(PAUSE_SECONDS)

    def _is_unsettled(self, reply_id: str) -> bool:
        return lease.is_unsettled(self._database, reply_id)

    def _wake(self, reply_id: str) -> None:
        self._followers.wake({reply_id})

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
        self._followers.wake(awaited - {reply.id for reply in found if not reply.is_stale})
        self._renew()
        if any(reply.is_stale for reply in found):
            lease.expire(self._database)
        for reply_id in lease.ready(found, before=time() - SWEEP_SECONDS):
            if not self._writers.start(reply_id):
                break

    def _renew(self) -> None:
        if monotonic() >= self._renew_at:
            self._writers.renew()
            self._renew_at = monotonic() + lease.RENEW_SECONDS
