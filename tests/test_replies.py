"""Replies are written by the server, whoever watches."""

import threading
from collections.abc import Iterator
from itertools import islice
from time import monotonic

import pytest

from tests.support.databases import held_by_another
from tests.support.servers import wait_until
from webapp.chats import history, lease
from webapp.chats.lease import NO_CAPS
from webapp.chats.live import Seat, View
from webapp.chats.records import Draft, Message
from webapp.chats.replies import Replies
from webapp.chats.writers import NO_WORDS, OUR_FAULT
from webapp.db import Database
from webapp.providers.base import Chunk, Completion, Finish, Messages, ProviderError, Reasoning

ALICE = "a" * 32
MODEL = "voigpt/gpt-3.5-turbo"


class Provider:
    """Answers when the test says so, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.chunks: list[Chunk | Exception] = ["Hello."]
        self.may_answer = threading.Event()
        self.cancelled = threading.Event()

    def complete(self, _model: str, messages: Messages) -> Completion:
        return Completion(self._chunks([message["content"] for message in messages]), self.cancel)

    def cancel(self) -> None:
        self.cancelled.set()
        self.may_answer.set()

    def _chunks(self, asked: list[str]) -> Iterator[Chunk]:
        self.asked.append(asked)
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
        assert self.may_answer.wait(10)
        if self.cancelled.is_set():
            raise ProviderError("Cancelled.")


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def replies(database: Database, provider: Provider) -> Iterator[Replies]:
    made = Replies(database, provider.complete, places=2, caps=NO_CAPS, seats=2, seats_each=2)
    yield made
    provider.may_answer.set()
    made.close()


def asked(database: Database, words: str = "Hi", chat: str = "") -> Message:
    """The reply that waits for these words' answer."""
    draft = Draft(words, MODEL)
    sent = history.append(database, ALICE, chat, draft) if chat else history.begin(database, ALICE, draft)
    return history.branch(database, ALICE, sent.conversation_id)[-1]


def now(database: Database, reply: Message) -> Message:
    return history.message(database, ALICE, reply.conversation_id, reply.id)


def followed(seat: Seat, reply: Message) -> list[str]:
    """The texts that a page is shown until the reply has settled."""
    return [view.text for view in seat.follow(reply.id, View(reply.text, is_live=False))]


def until_settled(database: Database, reply: Message) -> Message:
    wait_until(lambda: now(database, reply).is_settled, 10)
    return now(database, reply)


def test_a_follower_is_woken_when_the_reply_is_complete(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.may_answer.set()
    reply = asked(database)
    replies.start(reply.id)
    seat = replies.seat(ALICE)
    assert seat
    followed(seat, reply)
    assert (now(database, reply).text, now(database, reply).html) == ("Hello.", "<p>Hello.</p>\n")
    seat.close()


def test_a_reply_that_nobody_came_to_see_is_written_all_the_same(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.may_answer.set()
    replies.open()
    assert until_settled(database, asked(database)).status == "complete"


def test_what_another_process_did_is_seen_too(database: Database, replies: Replies) -> None:
    reply = asked(database)
    claim = lease.claim(database, reply.id, "another process")
    assert claim
    seat = replies.seat(ALICE)
    assert seat
    timer = threading.Timer(0.1, lambda: lease.settle(database, claim, lease.Outcome("complete", "Theirs.")))
    timer.start()
    followed(seat, reply)
    timer.join()
    assert now(database, reply).text == "Theirs."
    seat.close()


def test_the_next_message_is_answered_after_the_reply_before_it(
    database: Database, provider: Provider, replies: Replies
) -> None:
    first = asked(database, "One")
    replies.start(first.id)
    second = asked(database, "Two", first.conversation_id)
    replies.start(second.id)
    wait_until(lambda: provider.asked, 5)
    assert now(database, second).status == "waiting"
    provider.may_answer.set()
    until_settled(database, second)
    assert provider.asked == [["One"], ["One", "Hello.", "Two"]]


def test_with_all_places_taken_a_reply_waits_its_turn(database: Database, provider: Provider, replies: Replies) -> None:
    several = [asked(database, str(n)) for n in range(3)]
    for reply in several:
        replies.start(reply.id)
    wait_until(lambda: len(provider.asked) == 2, 5)
    assert [now(database, reply).status for reply in several] == ["live", "live", "waiting"]
    provider.may_answer.set()
    assert [until_settled(database, reply).status for reply in several] == ["complete"] * 3


def test_with_all_seats_taken_there_is_none(replies: Replies) -> None:
    one, two = replies.seat(ALICE), replies.seat(ALICE)
    assert one
    assert two
    assert replies.seat(ALICE) is None
    one.close()
    one.close()
    assert replies.seat(ALICE)
    assert replies.seat(ALICE) is None


def test_a_provider_error_fails_the_reply_with_its_sentence_and_keeps_the_text(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.chunks = ["Hel", ProviderError("The upstream is tired.")]
    reply = asked(database)
    replies.start(reply.id)
    failed = until_settled(database, reply)
    assert (failed.status, failed.text, failed.problem) == ("failed", "Hel", "The upstream is tired.")


def test_a_fault_of_ours_fails_the_reply_and_is_logged(
    database: Database, provider: Provider, replies: Replies, caplog: pytest.LogCaptureFixture
) -> None:
    provider.chunks = [ZeroDivisionError()]
    reply = asked(database)
    replies.start(reply.id)
    assert until_settled(database, reply).problem == OUR_FAULT
    assert "ZeroDivisionError" in caplog.text


def test_an_answer_without_a_word_is_a_failure(database: Database, provider: Provider, replies: Replies) -> None:
    provider.chunks = [Reasoning("Hm."), Finish("stop")]
    provider.may_answer.set()
    reply = asked(database)
    replies.start(reply.id)
    assert until_settled(database, reply).problem == NO_WORDS


def test_what_no_database_can_hold_does_not_stop_a_reply(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.chunks = ["a\0", "\ud800b"]
    provider.may_answer.set()
    reply = asked(database)
    replies.start(reply.id)
    assert until_settled(database, reply).text == "a\ufffd\ufffdb"


def test_a_failed_reply_does_not_hold_up_the_next(database: Database, provider: Provider, replies: Replies) -> None:
    provider.chunks = [ProviderError("No.")]
    first = asked(database, "One")
    second = asked(database, "Two", first.conversation_id)
    replies.start(first.id)
    assert until_settled(database, second).status == "failed"
    assert provider.asked == [["One"], ["One", "Two"]]


def test_at_the_servers_end_a_live_reply_is_cut_and_its_text_kept(
    database: Database, provider: Provider, replies: Replies
) -> None:
    reply = asked(database)
    replies.start(reply.id)
    wait_until(lambda: provider.asked, 5)
    replies.close()
    assert provider.cancelled.is_set()
    cut = now(database, reply)
    assert (cut.status, cut.text) == ("interrupted", "Hello.")


def test_a_server_without_a_live_reply_ends_at_once(replies: Replies) -> None:
    replies.open()
    began = monotonic()
    replies.close()
    assert monotonic() - began < 1


def test_a_stale_lease_is_marked_as_interrupted(
    database: Database, replies: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", -1.0)
    reply = asked(database)
    assert lease.claim(database, reply.id, "a process that was killed")
    replies.open()
    assert until_settled(database, reply).status == "interrupted"


def test_who_follows_a_stale_reply_hears_of_it_though_nothing_can_be_written(
    database: Database, replies: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    reply = asked(database)
    assert lease.claim(database, reply.id, "a process that was killed")
    seat = replies.seat(ALICE)
    assert seat
    with held_by_another(database):
        assert len(list(islice(seat.follow(reply.id, View("", is_live=True)), 3))) < 3
        assert now(database, reply).status == "interrupted"
    seat.close()


def test_a_long_reply_keeps_its_lease(database: Database, replies: Replies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    reply = asked(database)
    replies.start(reply.id)
    before = _lease_until(database, reply)
    wait_until(lambda: _lease_until(database, reply) > before + 1.0, 10)
    assert now(database, reply).status == "live"


def _lease_until(database: Database, reply: Message) -> float:
    found = [live.lease_until for live in lease.unsettled(database) if live.id == reply.id]
    return found[0] or 0.0
