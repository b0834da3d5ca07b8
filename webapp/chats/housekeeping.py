"""What has to go after a while, whoever comes: each chore is done now and then, in a thread of its own."""

import logging
import random
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import TypeAlias

PERIOD_SECONDS = 600.0
PAUSE_SECONDS = 2.0

# Safe to be done by several processes at once, and in short transactions.
Chore: TypeAlias = Callable[[], None]

log = logging.getLogger(__name__)


class Housekeeping:
    """Each process does all chores; the first time at a moment of its own, so that they do not meet."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores
        self._closed = Event()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Start; not before a fork."""
        self._thread = Thread(target=self._work, name="housekeeping", daemon=True)
        self._thread.start()

    def do(self) -> None:
        """All chores once. One that fails is tried again next time."""
        for chore in self._chores:
            try:
                chore()
            except Exception:
                log.exception("a chore failed")

    def close(self) -> None:
        self._closed.set()
        if self._thread:
            self._thread.join(PAUSE_SECONDS)

    def _work(self) -> None:
        pause = random.uniform(0, PERIOD_SECONDS)  # noqa: S311 - no secret
        while not self._closed.wait(pause):
            self.do()
            pause = PERIOD_SECONDS
