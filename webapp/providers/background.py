"""Work that no page waits for. Not an adapter; the door's."""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic


class Background:
    """`work`, in a thread of its own, unless it was begun a moment ago or is not done yet."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._lock = Lock()
        self._begun_at = float("-inf")
        self._thread: Thread | None = None

    def begin(self, every_seconds: float) -> None:
        with self._lock:
            is_busy = self._thread and self._thread.is_alive()
            if is_busy or monotonic() < self._begun_at + every_seconds:
                return
            self._begun_at = monotonic()
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
