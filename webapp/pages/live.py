"""A reply on its page while it is being written: what is sent after the first byte, in HTML and as plain text."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from ..chats import branches
from ..chats.live import Seat, View
from ..chats.records import Message, NotFound
from ..db import DatabaseError
from ..growing import Growing
from .house import House

PAGE_SECONDS = 900.0  # proxies and browsers lose patience with one response; the reader goes on with a link
BEAT_SECONDS = 9.0  # a little less than the followers' heartbeat, which brings it when the reply is silent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What a page is sent next. `has_beat` brings the notice that a browser shows unless the next one comes in time."""

    words: str
    is_queued: bool
    has_beat: bool


class Beats:
    """When a page shows that it is alive; never to a browser that would show the notice at once."""

    def __init__(self, has_css: bool) -> None:
        self._next_at = monotonic() if has_css else float("inf")

    def is_due(self) -> bool:
        is_due = monotonic() >= self._next_at
        if is_due:
            self._next_at = monotonic() + BEAT_SECONDS
        return is_due


@dataclass(frozen=True)
class Live:
    """What the template of an unsettled reply asks for: what goes wrong now is logged, for the page has begun."""

    seat: Seat
    house: House
    owner: str
    has_css: bool

    def telling(self, reply: Message) -> "Telling":
        return Telling(self, reply)

    def words(self, reply: Message) -> Iterator[str]:
        """The answer as plain text, piece by piece."""
        sent = ""
        for view in self.follow(reply):
            yield view.said.text.removeprefix(sent)
            sent = view.said.text
        final = self.now(reply).text
        yield final.removeprefix(sent) if final.startswith(sent) else ""

    def follow(self, reply: Message) -> Iterator[View]:
        """Starts the reply if it waits. The page before it has been sent, whatever the database does now.

        Ends early where the text begins anew, by a Retry elsewhere, and when the page has been open for long.
        """
        self.house.replies.start(reply.id)
        shown, until = reply.said, monotonic() + PAGE_SECONDS
        try:
            for view in self.seat.follow(reply.id, View(reply.said, reply.status == "live")):
                if not view.said.goes_on_from(shown) or monotonic() > until:
                    return
                shown = view.said
                yield view
        except DatabaseError:
            log.exception("chat %s is followed no further", reply.conversation_id)

    def now(self, reply: Message) -> Message:
        try:
            return branches.message(self.house.database, self.owner, reply.conversation_id, reply.id)
        except (DatabaseError, NotFound):
            log.exception("reply %s cannot be shown", reply.id)
            return reply


class Telling:
    """One reply on its page, in three parts that come in this order: `silence`, `reasoning`, `answer`.

    A page cannot go back: what the model thinks after its answer has begun shows when the page is loaded again.
    `final` is the message as it is stored once nothing more is to come.
    """

    def __init__(self, live: Live, reply: Message) -> None:
        self.said = reply.said
        self._live = live
        self._reply = reply
        self._views = live.follow(reply)
        self._beats = Beats(live.has_css)
        self.final = reply
        self._waits = self._is_queued = self._is_over = False

    @property
    def is_answering(self) -> bool:
        return self._is_over or self.said.has_words

    def silence(self) -> Iterator[Step]:
        """While there is nothing to show."""
        self._hear()
        while not (self.said.reasoning or self.is_answering):
            yield self._step("")
            self._hear()

    def reasoning(self) -> Iterator[Step]:
        """What the model thinks before it answers; nothing if it does not."""
        sent, is_whole = 0, not self.said.reasoning
        while not is_whole:
            yield self._step(self.said.reasoning[sent:])
            sent, is_whole = len(self.said.reasoning), self.is_answering
            if not is_whole:
                self._hear()

    def answer(self) -> Iterator[Step]:
        growing = Growing(has_css=self._live.has_css)
        while not self._is_over:
            yield self._step(growing.grow(self.said.text))
            self._hear()
        yield Step(growing.end(self.said.text), False, False)

    def _hear(self) -> None:
        """Waits for what comes next; when nothing more does, takes what has been stored in the end."""
        if view := next(self._views, None):
            self.said, self._waits = view.said, not view.is_live
            return
        self.final = self._live.now(self._reply)
        self._is_over = True
        self.said = self.final.said if self.final.said.goes_on_from(self.said) else self.said

    def _step(self, words: str) -> Step:
        was_queued, self._is_queued = self._is_queued, self._waits
        return Step(words, self._is_queued and not was_queued, self._beats.is_due())
