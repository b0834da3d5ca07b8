"""What has to go after a while, whoever comes: each chore is done now and then, in a thread of its own."""

import logging
import random
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import TypeAlias

PERIOD_SECONDS = 600.0
BREATH_SECONDS = 0.05  # between two steps: whoever waits to write has a turn
PAUSE_SECONDS = 2.0

# One short step, safe to be done by several processes at once. True: there is more of it to do.
Chore: TypeAlias = Callable[[], bool | None]

log = logging.getLogger(__name__)


class Housekeeping:
    """Each process does all chores; the first time at a moment of its own, so that they do not meet."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores
        self._failing: set[Chore] = set()
        self._called = Event()
        self._closed = Event()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Start; not before a fork."""
        self._thread = Thread(target=self._work, name="housekeeping", daemon=True)
        self._thread.start()

    def call(self) -> None:
        """There is something to do: the chores are done at once, in their own thread."""
        self._called.set()

    def do(self) -> None:
        """All chores to their ends. One that fails is tried again next time, and logged the first time."""
        for chore in self._chores:
            try:
                while not self._closed.is_set() and chore():
                    self._closed.wait(BREATH_SECONDS)
                self._failing.discard(chore)
            except Exception:
                if chore not in self._failing:
                    log.exception("a chore failed")
                self._failing.add(chore)

    def close(self) -> None:
        """Begin no further step; the one that is being done may end."""
        self._closed.set()
        self._called.set()
        if self._thread:
            self._thread.join(PAUSE_SECONDS)

    def _work(self) -> None:
        pause = random.uniform(0, PERIOD_SECONDS)  # noqa: S311 - no secret
        while not self._closed.is_set():
            self._called.wait(pause)
            self._called.clear()
            self.do()
            pause = PERIOD_SECONDS
