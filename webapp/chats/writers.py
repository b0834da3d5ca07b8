"""The pool that writes replies: claim one, ask the provider, store how it ended."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Condition, Event
from typing import TypeAlias

from .. import markdown, outages
from ..db import Database, DatabaseError
from ..providers.base import GO_ON, Completion, Image, Message, Messages, Parameters, ProviderError
from ..sentences import Sentence
from . import endings, history, lease, prompt, records
from .lease import Claim, Outcome
from .records import Said
from .showing import Show
from .text import cleaned
from .writing import Writing

SETTLE_PAUSE_SECONDS = 1.0
CUTTING_SECONDS = 5.0
FLUSH_SECONDS = 0.1
CROWD_SECONDS_EACH, CROWD_SECONDS = 0.002, 0.5
OUR_FAULT = Sentence("Something went wrong on this server; its log says what.")

Complete: TypeAlias = Callable[[str, Messages, Parameters], Completion]
# How many tokens a model takes in all, if that is known.
Budget: TypeAlias = Callable[[str], int | None]

log = logging.getLogger(__name__)


class Writers:
    """At most `places` replies at once.

    Calls `shown(reply_id)` when more may be shown, `ended(reply_id)` when it has ended, and then `completed` with its
    claim if it is complete.
    """

    def __init__(
        self,
        database: Database,
        complete: Complete,
        budget: Budget,
        show: Show,
        places: int,
        caps: lease.Caps,
        shown: Callable[[str], None],
        ended: Callable[[str], None],
        completed: Callable[[Claim], None],
    ) -> None:
        self._database = database
        self._complete = complete
        self._budget = budget
        self._show = show
        self._caps = caps
        self._shown = shown
        self._ended = ended
        self._completed = completed
        self._runner = history.new_id()
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="reply")
        self._changed = Condition()
        self._free = self._places = places
        self._draining = Event()
        self._closing = Event()
        self._has_grown = Event()
        self._has_begun = Event()
        self._live: dict[str, Writing] = {}

    def start(self, reply_id: str) -> bool:
        """Write the reply if it waits and its turn has come; False when every place is taken."""
        if not self._enter():
            return False
        is_writing = False
        try:
            if claim := lease.claim(self._database, reply_id, self._runner, self._caps):
                self._submit(self._registered(claim))
                is_writing = True
        finally:
            if not is_writing:
                self._leave()
        return True

    def said(self, reply_id: str) -> Said | None:
        """What may be shown of a reply that is being written here."""
        writing = self._live.get(reply_id)
        return writing.shown if writing else None

    def stop(self, reply_ids: Iterable[str]) -> None:
        """End those that are being written here."""
        for reply_id in reply_ids:
            if writing := self._live.get(reply_id):
                writing.stop()

    def flush(self, *, only_begun: bool = False) -> None:
        """Store what has grown, all in one transaction, and then show it: a kill takes nothing back.

        `only_begun`: of nothing but replies that have shown nothing yet.
        """
        self._has_begun.clear()
        if not only_begun:
            self._has_grown.clear()
        live = [writing for writing in list(self._live.values()) if writing.is_new or not only_begun]
        grown = [(writing, writing.said) for writing in live if writing.has_grown]
        try:
            if grown:
                lease.keep(self._database, [(writing.claim, said) for writing, said in grown])
        finally:  # in an outage it is shown all the same
            for writing, said in grown:
                writing.shown = said
                writing.pace(self._crowd_pause)
                self._shown(writing.claim.reply_id)

    @property
    def pause(self) -> float:
        """Seconds between two flushes: the more replies there are, the less often each of them costs something."""
        return max(FLUSH_SECONDS, self._crowd_pause)

    def wait_for_growth(self, seconds: float) -> bool:
        return self._has_grown.wait(seconds)

    def wait_for_beginning(self, seconds: float) -> bool:
        """Until a reply that has shown nothing has its first words."""
        return self._has_begun.wait(seconds)

    def wake(self) -> None:
        """Let go of who waits for growth."""
        self._has_grown.set()
        self._has_begun.set()

    def renew(self) -> None:
        """Keep the lease of every reply that is being written here, and end those that were deleted meanwhile."""
        if live := list(self._live):
            lease.renew(self._database, self._runner, live)
            self.stop(lease.gone(self._database, live))

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    def drain(self) -> None:
        with self._changed:
            self._draining.set()

    def close(self, grace: float) -> None:
        """Begin nothing more; what has not ended within `grace` seconds is cut, its text kept."""
        self.drain()
        with self._changed:
            self._changed.wait_for(self._is_idle, grace)
        self._closing.set()
        for writing in list(self._live.values()):
            writing.cancel()
        with self._changed:
            self._changed.wait_for(self._is_idle, CUTTING_SECONDS)
        self._pool.shutdown(wait=False)

    @property
    def _crowd_pause(self) -> float:
        seconds = min(CROWD_SECONDS_EACH * len(self._live), CROWD_SECONDS)
        return seconds if seconds > FLUSH_SECONDS else 0.0

    def _is_idle(self) -> bool:
        return self._free == self._places

    def _enter(self) -> bool:
        with self._changed:
            is_room = self._free > 0 and not self.is_draining
            self._free -= is_room
            return is_room

    def _leave(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _submit(self, writing: Writing) -> None:
        """One that no thread takes must not keep its lease."""
        try:
            self._pool.submit(self._write, writing)
        except RuntimeError:
            del self._live[writing.claim.reply_id]
            raise

    def _registered(self, claim: Claim) -> Writing:
        """From here on it can be followed and stopped."""
        self._live[claim.reply_id] = writing = Writing(claim)
        return writing

    def _write(self, writing: Writing | None) -> None:
        """One reply, and then those that wait behind it in the same chat."""
        try:
            while writing:
                self._write_one(writing)
                following = self._claim_next(writing.claim.conversation_id)
                writing = self._registered(following) if following else None
        except Exception:
            log.exception("a reply could not be stored; its lease will run out")
        finally:
            self._leave()

    def _write_one(self, writing: Writing) -> None:
        reply_id = writing.claim.reply_id
        try:
            outcome = _rendered(self._outcome(writing))
            self._settle(writing.claim, outcome)
        finally:
            del self._live[reply_id]
            self._ended(reply_id)
        if outcome.status == "complete":
            self._completed(writing.claim)

    def _claim_next(self, conversation_id: str) -> Claim | None:
        following = None if self.is_draining else lease.next_waiting(self._database, conversation_id)
        return lease.claim(self._database, following, self._runner, self._caps) if following else None

    def _outcome(self, writing: Writing) -> Outcome:
        status, problem = self._ending(writing)
        (text, reasoning), reason = writing.whole(), writing.finish_reason
        if status == "complete" and text.strip():
            problem = _one_after_another(writing.remark, endings.remark(reason))
        elif status == "complete":
            status, text, problem = "failed", "", endings.excuse(reason)
        asked, answered = writing.tokens()
        return Outcome(
            status,
            text,
            problem,
            reasoning=reasoning,
            finish_reason=reason,
            prompt_tokens=asked,
            completion_tokens=answered,
            seen_from=writing.seen_from,
        )

    def _ending(self, writing: Writing) -> tuple[str, str]:
        """Writes all that comes; returns how it ended, as status and problem."""
        try:
            for chunk in self._begin(writing).chunks:
                if writing.take(chunk):
                    self._note_growth(writing)
        except ProviderError as error:
            if writing.is_stopped:
                return "stopped", ""
            if self._closing.is_set():
                return "interrupted", lease.INTERRUPTED
            return "failed", cleaned(str(error))
        except Exception as error:
            log.exception("reply %s", writing.claim.reply_id)
            what = outages.outage(error) if isinstance(error, DatabaseError) else ""
            return "failed", outages.sentence(what) if what else OUR_FAULT
        return "complete", ""

    def _note_growth(self, writing: Writing) -> None:
        self._has_grown.set()
        if writing.is_new:
            self._has_begun.set()

    def _begin(self, writing: Writing) -> Completion:
        if self._closing.is_set():
            writing.cancel()
        claim = writing.claim
        instructions, said = history.context(self._database, claim.conversation_id, claim.parent_id)
        shown = self._show(claim.model, said)
        writing.remark = shown.remark
        messages = [*(_told(message, shown.images) for message in said), *_so_far(claim.text)]
        asked = prompt.compose(instructions, messages, len(said) - 1, self._budget(claim.model))
        writing.seen_from = said[asked.first].id if asked.first else None
        return writing.begin(self._complete(claim.model, asked.messages, asked.parameters))

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """A database that is away must not cost the text: it is kept here for as long as this process lives."""
        has_failed = False
        while not self._is_settled(claim, outcome):
            if not has_failed:
                log.error("reply %s cannot be stored yet", claim.reply_id)
            has_failed = True
            self._closing.wait(SETTLE_PAUSE_SECONDS)

    def _is_settled(self, claim: Claim, outcome: Outcome) -> bool:
        """False while the database is away."""
        is_last_try = self._closing.is_set()
        try:
            lease.settle(self._database, claim, outcome)
        except DatabaseError as error:
            if is_last_try or not outages.outage(error):
                raise
            return False
        return True


def _one_after_another(first: str, second: str) -> str:
    return Sentence("{first} {second}", first=first, second=second) if first and second else first or second


def _told(message: records.Message, images: Mapping[str, Sequence[Image]]) -> Message:
    told = Message(role="user" if message.role == "user" else "assistant", content=message.text)
    if message.id in images:
        told["images"] = images[message.id]
    return told


def _so_far(text: str) -> Messages:
    """How an upstream is asked to go on with a reply that was cut off."""
    if not text:
        return []
    return [Message(role="assistant", content=text), Message(role="user", content=GO_ON)]


def _rendered(outcome: Outcome) -> Outcome:
    """With its HTML; without, should the renderer fail: the page tries again, and the words are kept."""
    try:
        html = markdown.render(outcome.text)
    except Exception:
        log.exception("a reply could not be rendered")
        return outcome
    return replace(outcome, html=html, renderer=markdown.RENDERER_VERSION)
