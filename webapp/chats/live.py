"""Who waits for which reply in this process, and how they hear that it has settled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Condition, Event

HEARTBEAT_SECONDS = 3.0  # a reader who has left is noticed at the second one


class Seat:
    """A place for one open page. `close` is due however the page ends, also if nothing was ever followed."""

    def __init__(self, followers: "Followers") -> None:
        self._followers = followers
        self._is_open = True

    def follow(self, reply_id: str) -> Iterator[None]:
        """Ends when the reply has settled or the server stops; until then yields every `HEARTBEAT_SECONDS`."""
        with self._followers.waiting_for(reply_id) as wake:
            while not wake.wait(HEARTBEAT_SECONDS):
                yield None

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._followers.leave()


class Followers:
    """At most `seats` pages at once, so that threads are left for all others."""

    def __init__(self, seats: int, is_unsettled: Callable[[str], bool]) -> None:
        self._seats = BoundedSemaphore(seats)
        self._is_unsettled = is_unsettled
        self._changed = Condition()
        self._awaited: dict[str, list[Event]] = {}
        self._is_closed = False

    def seat(self) -> Seat | None:
        """None when every seat is taken."""
        return Seat(self) if self._seats.acquire(blocking=False) else None

    def leave(self) -> None:
        self._seats.release()

    def awaited(self) -> set[str]:
        with self._changed:
            return set(self._awaited)

    def wake(self, reply_ids: set[str]) -> None:
        with self._changed:
            for reply_id in reply_ids:
                for event in self._awaited.get(reply_id, ()):
                    event.set()

    def close(self, seconds: float) -> None:
        """Let those whose replies settle within `seconds` hear of it, and send the others home."""
        with self._changed:
            self._changed.wait_for(lambda: not self._awaited, seconds)
            self._is_closed = True
        self.wake(self.awaited())

    @contextmanager
    def waiting_for(self, reply_id: str) -> Iterator[Event]:
        """An event that is set once the reply has settled, also if it did so before anybody waited."""
        event = Event()
        with self._changed:
            self._awaited.setdefault(reply_id, []).append(event)
        try:
            if self._is_closed or not self._is_unsettled(reply_id):
                event.set()
            yield event
        finally:
            self._forget(reply_id, event)

    def _forget(self, reply_id: str, event: Event) -> None:
        with self._changed:
            self._awaited[reply_id].remove(event)
            if not self._awaited[reply_id]:
                del self._awaited[reply_id]
                self._changed.notify_all()
