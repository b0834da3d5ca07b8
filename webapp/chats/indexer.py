"""The thread that brings to search what has been written, in short batches with pauses as long as they took."""

import logging
from threading import Event, Thread
from time import monotonic

from ..db import Database
from . import passages

TICK_SECONDS = 0.5
OUTAGE_SECONDS = 5.0
PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Indexer:
    """One in each process: whichever comes first takes what there is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = Event()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Start; not before a fork."""
        self._thread = Thread(target=self._work, name="indexer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread:
            self._thread.join(PAUSE_SECONDS)

    def _work(self) -> None:
        pause = TICK_SECONDS
        while not self._closed.wait(pause):
            try:
                pause = self._batch()
            except Exception:
                if pause != OUTAGE_SECONDS:  # an outage is logged once
                    log.exception("what was written is not indexed yet")
                pause = OUTAGE_SECONDS

    def _batch(self) -> float:
        """The pause after it: others want to write too."""
        began = monotonic()
        return monotonic() - began if passages.index(self._database) else TICK_SECONDS
