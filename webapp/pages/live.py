"""A reply on its page while it is being written: what is sent after the first byte, in HTML and as plain text."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from markupsafe import Markup

from ..chats import history
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

    html: Markup
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

    def steps(self, reply: Message) -> Iterator[Step]:
        growing, beats, shown, is_queued = Growing(has_css=self.has_css), Beats(self.has_css), reply.text, False
        for view in self.follow(reply):
            shown, was_queued, is_queued = view.text, is_queued, not view.is_live
            yield Step(growing.grow(shown), is_queued and not was_queued, beats.is_due())
        final = self.now(reply).text
        yield Step(growing.end(final if final.startswith(shown) else shown), False, False)

    def words(self, reply: Message) -> Iterator[str]:
        """As plain text, piece by piece."""
        sent = ""
        for view in self.follow(reply):
            yield view.text.removeprefix(sent)
            sent = view.text
        final = self.now(reply).text
        yield final.removeprefix(sent) if final.startswith(sent) else ""

    def follow(self, reply: Message) -> Iterator[View]:
        """Starts the reply if it waits. The page before it has been sent, whatever the database does now.

        Ends early where the text begins anew, by a Retry elsewhere, and when the page has been open for long.
        """
        self.house.replies.start(reply.id)
        shown, until = reply.text, monotonic() + PAGE_SECONDS
        try:
            for view in self.seat.follow(reply.id, View(reply.text, reply.status == "live")):
                if not view.text.startswith(shown) or monotonic() > until:
                    return
                shown = view.text
                yield view
        except DatabaseError:
            log.exception("chat %s is followed no further", reply.conversation_id)

    def now(self, reply: Message) -> Message:
        try:
            return history.message(self.house.database, self.owner, reply.conversation_id, reply.id)
        except (DatabaseError, NotFound):
            log.exception("reply %s cannot be shown", reply.id)
            return reply
