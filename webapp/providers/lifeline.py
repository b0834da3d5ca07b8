"""What ends a call at an upstream: `cancel()` from any thread, and its deadline. Not an adapter; `http` uses it."""

import contextlib
import math
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from time import monotonic
from typing import Protocol

from ..sentences import Sentence
from .base import Cancelled, ProviderError


class HasDescriptor(Protocol):
    def fileno(self) -> int: ...


class Lifeline:
    """Owns the socket that a call uses, so that the call can be ended while it waits there.

    `seconds`, counted from now, is the limit for all that is done while `watched()`.
    """

    silence = 120.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = monotonic() + seconds
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._ended = threading.Event()
        self._pause = 0.0
        self._verdict: Callable[[], ProviderError] | None = None

    def cancel(self) -> None:
        """End the call, whatever it is at: it raises `Cancelled` within a fraction of a second."""
        self._end(Cancelled)

    def expire(self) -> None:
        """End the call as one that took too long."""
        seconds = f"{self.seconds:g}"
        sentence = Sentence(
            "The upstream had not finished after {seconds} seconds; try again, or ask for less.", seconds=seconds
        )
        self._end(lambda: ProviderError(sentence))

    def check(self) -> None:
        """Raise `Cancelled`, or `ProviderError` past the deadline, if the call is to end."""
        if monotonic() >= self.deadline:
            self.expire()
        if self._verdict:
            raise self._verdict()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Have the deadline kept, and own no socket any more afterwards."""
        self.check()
        _watchdog.add(self)
        try:
            yield
        finally:
            _watchdog.discard(self)
            self.let_go()

    @contextlib.contextmanager
    def holding(self, lock: threading.Lock) -> Iterator[None]:
        """Hold `lock`; the wait for it ends with the call."""
        while not lock.acquire(timeout=0.05):
            self.check()
        try:
            yield
        finally:
            lock.release()

    def rest(self, seconds: float) -> None:
        """Sleep; raises as `check` does once the call has ended."""
        self._ended.wait(seconds)
        self.check()

    def pace(self, seconds: float) -> None:
        """From now on leave so much time before each read: of many answers at once, each is then read less often."""
        self._pause = seconds

    def breathe(self) -> None:
        if self._pause:
            self._ended.wait(self._pause)

    def hold(self, sock: HasDescriptor) -> None:
        """Own `sock`, by a second descriptor: TLS replaces the first, and urllib3 may close it early."""
        handle = socket.socket(fileno=os.dup(sock.fileno()))
        self.let_go()
        with self._lock:
            self._handle = handle
        self.check()

    def let_go(self) -> None:
        """The socket is no longer this call's: from here on nothing that ends the call can touch it."""
        with self._lock:
            if self._handle:
                self._handle.close()
            self._handle = None

    def _end(self, verdict: Callable[[], ProviderError]) -> None:
        with self._lock:
            self._verdict = self._verdict or verdict
            self._ended.set()
            if self._handle:
                with contextlib.suppress(OSError):  # not connected yet, or no longer
                    self._handle.shutdown(socket.SHUT_RDWR)


current: ContextVar[Lifeline] = ContextVar("current call")


def pause(seconds: float) -> None:
    """Sleep on behalf of the current call, which ends it. Raises `ProviderError`."""
    current.get().rest(seconds)


class _Watchdog:
    """One thread, begun with the first call, that ends calls at their deadlines."""

    def __init__(self) -> None:
        self._calls: set[Lifeline] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    def add(self, call: Lifeline) -> None:
        with self._changed:
            self._calls.add(call)
            if not (self._thread and self._thread.is_alive()):  # a forked process has none
                self._thread = threading.Thread(target=self._run, name="call deadlines", daemon=True)
                self._thread.start()
            elif call.deadline < self._wakes_at:
                self._changed.notify()

    def discard(self, call: Lifeline) -> None:
        with self._changed:
            self._calls.discard(call)

    def _run(self) -> None:
        while True:
            for call in self._take_late():
                call.expire()

    def _take_late(self) -> set[Lifeline]:
        """Those past their deadline; if there are none, wait for the next to be."""
        with self._changed:
            now = monotonic()
            late = {call for call in self._calls if call.deadline <= now}
            self._calls -= late
            if not late:
                self._wakes_at = min((call.deadline for call in self._calls), default=math.inf)
                self._changed.wait(min(self._wakes_at - now, 3600.0))
            return late


_watchdog = _Watchdog()
