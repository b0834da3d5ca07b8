"""Who follows which reply in this process, and how they hear that it has grown or settled."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock

from .records import Said

HEARTBEAT_SECONDS = 10.0  # a reader who has left is noticed at the second one


@dataclass(frozen=True)
class View:
    """An unsettled reply as far as this process knows it: all that has come, and whether somebody writes it."""

    said: Said
    is_live: bool


class Seat:
    """A place for one open page. `close` is due however the page ends, also if nothing was ever followed."""

    def __init__(self, followers: "Followers", person: str) -> None:
        self._followers = followers
        self._person = person
        self._is_open = True

    def follow(self, reply_id: str, seen: View) -> Iterator[View]:
        """Yields what there is, then each time that it has grown, and the same again every `HEARTBEAT_SECONDS`.

        `seen` is what the page knows of the reply. Ends when it has settled or the server stops.
        """
        return self._followers.follow(reply_id, seen)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._followers.leave(self._person)


class _Watched:
    """One reply that is followed here; `version` counts what was heard of it."""

    def __init__(self, lock: Lock) -> None:
        self.changed = Condition(lock)
        self.followers = 0
        self.version = 0
        self.is_settled = False
        self.view: View | None = None

    def hear(self) -> None:
        self.version += 1
        self.changed.notify_all()


class Followers:
    """At most `seats` pages at once, `seats_each` for one person, so that threads are left for all others.

    `said(reply_id)` is what has come of a reply that is written in this process, else None. `learn` brings what other
    processes write: the seam for a messenger that is faster than the database.
    """

    def __init__(
        self, seats: int, seats_each: int, is_unsettled: Callable[[str], bool], said: Callable[[str], Said | None]
    ) -> None:
        self._seats, self._seats_each = seats, seats_each
        self._is_unsettled = is_unsettled
        self._said = said
        self._lock = Lock()
        self._left = Condition(self._lock)
        self._taken: Counter[str] = Counter()
        self._watched: dict[str, _Watched] = {}
        self._is_closed = False

    def seat(self, person: str) -> Seat | None:
        """None when every seat is taken, or all that one person may have."""
        with self._lock:
            if self._taken.total() >= self._seats or self._taken[person] >= self._seats_each:
                return None
            self._taken[person] += 1
        return Seat(self, person)

    def leave(self, person: str) -> None:
        with self._lock:
            self._taken -= Counter([person])

    def awaited(self) -> set[str]:
        with self._lock:
            return set(self._watched)

    def grown(self, reply_id: str) -> None:
        """There is more of a reply that is written in this process."""
        with self._lock:
            if watched := self._watched.get(reply_id):
                watched.hear()

    def learn(self, views: Mapping[str, View]) -> None:
        with self._lock:
            for reply_id, view in views.items():
                watched = self._watched.get(reply_id)
                if watched and watched.view != view:
                    watched.view = view
                    watched.hear()

    def settled(self, reply_ids: Collection[str]) -> None:
        with self._lock:
            for reply_id in reply_ids:
                if watched := self._watched.get(reply_id):
                    watched.is_settled = True
                    watched.hear()

    def close(self, seconds: float) -> None:
        """Let those whose replies settle within `seconds` hear of it, and send the others home."""
        with self._lock:
            self._left.wait_for(lambda: not self._watched, seconds)
            self._is_closed = True
            for watched in self._watched.values():
                watched.hear()

    def follow(self, reply_id: str, seen: View) -> Iterator[View]:
        with self._watching(reply_id) as watched:
            watched.is_settled = watched.is_settled or not self._is_unsettled(reply_id)
            version = watched.version
            while not (watched.is_settled or self._is_closed):
                yield self._view(reply_id, watched, seen)
                version = self._next(watched, version)

    def _view(self, reply_id: str, watched: _Watched, seen: View) -> View:
        said = self._said(reply_id)
        return watched.view or seen if said is None else View(said, is_live=True)

    def _next(self, watched: _Watched, version: int) -> int:
        with self._lock:
            watched.changed.wait_for(lambda: watched.version != version, HEARTBEAT_SECONDS)
            return watched.version

    @contextmanager
    def _watching(self, reply_id: str) -> Iterator[_Watched]:
        with self._lock:
            watched = self._watched.get(reply_id)
            if watched is None or watched.is_settled:
                watched = self._watched[reply_id] = _Watched(self._lock)
            watched.followers += 1
        try:
            yield watched
        finally:
            self._forget(reply_id, watched)

    def _forget(self, reply_id: str, watched: _Watched) -> None:
        with self._lock:
            watched.followers -= 1
            if not watched.followers and self._watched.get(reply_id) is watched:
                del self._watched[reply_id]
                self._left.notify_all()
