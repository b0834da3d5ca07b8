"""Work that no page waits for. Not an adapter; the door's."""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic


class Background:
    """`work`, in a thread of its own, unless it was begun a moment ago."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._lock = Lock()
        self._begun_at = float("-inf")

    def begin(self, every_seconds: float) -> None:
        with self._lock:
            if monotonic() < self._begun_at + every_seconds:
                return
            self._begun_at = monotonic()
        Thread(target=self._work, name=self._name, daemon=True).start()
