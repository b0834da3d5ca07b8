"""Leaves an upstream alone for a while that could not be connected to. Not an adapter; the door's."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic

from ..sentences import Sentence
from .base import NotConnected, ProviderError
from .refusals import after

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 60.0


class CoolDown:
    """5 s after the first failure, twice as long after each further one, at most a minute, nothing after a success."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seconds = 0.0
        self._until = float("-inf")
        self._failure: NotConnected | None = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Try inside. Raises `ProviderError` without a try while it lasts."""
        if refusal := self.refusal():
            raise refusal
        try:
            yield
        except NotConnected as error:
            self._begin(error)
            raise
        self.end()

    def refusal(self) -> ProviderError | None:
        """What went wrong and when it is tried again; None when it may be tried."""
        left, failure = self._until - monotonic(), self._failure
        if not failure or left <= 0:
            return None
        advice = after(left)
        if not failure.again:  # the admin is named, who may act meanwhile
            # Translators: what to do, and what else: the admin has to see to it; try again after 14:05:30.
            advice = Sentence("{advice}; {more}", advice=failure.advice, more=advice)
        return ProviderError(failure.fault, advice, again=failure.again, retry_after=left)

    def end(self) -> None:
        """It was reached."""
        with self._lock:
            self._seconds, self._until = 0.0, float("-inf")

    def _begin(self, failure: NotConnected) -> None:
        with self._lock:
            if monotonic() < self._until:
                return  # several were trying at once
            self._seconds = min(max(self._seconds * 2, FIRST_SECONDS), LONGEST_SECONDS)
            self._until, self._failure = monotonic() + self._seconds, failure
