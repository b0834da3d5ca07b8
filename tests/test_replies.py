"""Replies are written by the server, whoever watches."""

import threading
from collections.abc import Iterator
from itertools import islice
from time import monotonic

import pytest

from tests.support.branches import branch
from tests.support.databases import held_by_another
from tests.support.servers import wait_until
from webapp.chats import branches, endings, history, lease, writers, writing
from webapp.chats.endings import NO_WORDS
from webapp.chats.instructions import Instructions
from webapp.chats.lease import NO_CAPS
from webapp.chats.live import Seat, View
from webapp.chats.records import Draft, Message
from webapp.chats.replies import Replies
from webapp.chats.writers import OUR_FAULT
from webapp.db import Database
from webapp.providers.base import Chunk, Completion, Finish, Messages, Parameters, ProviderError, Reasoning, Usage
from webapp.sentences import Sentence

ALICE = "a" * 32
MODEL = "voigpt/gpt-3.5-turbo"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Provider:
    """Answers when the test says so, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.parameters: list[Parameters] = []
        self.chunks: list[Chunk | Exception] = ["Hello."]
        self.may_answer = threading.Event()
        self.cancelled = threading.Event()
        self.paces: list[float] = []

    def complete(self, _model: str, messages: Messages, parameters: Parameters) -> Completion:
        self.parameters.append(parameters)
        return Completion(self._chunks([message["content"] for message in messages]), self.cancel, self.paces.append)

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
    return branch(database, ALICE, sent.conversation_id)[-1]


def now(database: Database, reply: Message) -> Message:
    return branches.message(database, ALICE, reply.conversation_id, reply.id)


def followed(seat: Seat, reply: Message) -> list[str]:
    """The texts that a page is shown until the reply has settled."""
    return [view.said.text for view in seat.follow(reply.id, View(reply.said, is_live=False))]


def until_settled(database: Database, reply: Message) -> Message:
    wait_until(lambda: now(database, reply).is_settled, 10)
    return now(database, reply)


def answered(replies: Replies, database: Database, reply: Message) -> Message:
    replies.start(reply.id)
    return until_settled(database, reply)


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


@pytest.mark.parametrize(("each", "pace"), [(0.002, 0.0), (0.3, 0.3), (30.0, 0.5)])
def test_the_more_replies_there_are_the_less_often_each_is_read(
    database: Database,
    provider: Provider,
    replies: Replies,
    monkeypatch: pytest.MonkeyPatch,
    each: float,
    pace: float,
) -> None:
    monkeypatch.setattr(writers, "CROWD_SECONDS_EACH", each)
    replies.start(asked(database).id)
    wait_until(lambda: provider.paces, 5)
    assert provider.paces == [pace]


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


def test_the_sentence_of_a_provider_keeps_its_parts_cleaned(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.chunks = [ProviderError(Sentence("“{name}” takes {most} tokens.", name="a\0\ud800", most=4096))]
    reply = asked(database)
    replies.start(reply.id)
    problem = until_settled(database, reply).problem
    assert isinstance(problem, Sentence)
    assert problem == "“a\ufffd\ufffd” takes 4,096 tokens."
    assert problem.values == {"name": "a\ufffd\ufffd", "most": 4096}


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


def reply_of(database: Database, provider: Provider, replies: Replies, *chunks: Chunk | Exception) -> Message:
    """The reply that these chunks make."""
    provider.chunks = [*chunks]
    provider.may_answer.set()
    reply = asked(database)
    replies.start(reply.id)
    return until_settled(database, reply)


def gone_on(
    database: Database, provider: Provider, replies: Replies, reply: Message, *chunks: Chunk | Exception
) -> Message:
    """The reply after Continue has brought these chunks."""
    provider.chunks = [*chunks]
    assert lease.go_on(database, reply.id, reply.attempt)
    replies.start(reply.id)
    return until_settled(database, reply)


def test_what_the_model_thought_is_kept_apart_and_never_sent_back(
    database: Database, provider: Provider, replies: Replies
) -> None:
    first = reply_of(database, provider, replies, Reasoning(" \n"), Reasoning("Hm, "), Reasoning("hm."), "Hello.")
    assert (first.reasoning, first.text, first.html) == ("Hm, hm.", "Hello.", "<p>Hello.</p>\n")
    second = asked(database, "And?", first.conversation_id)
    replies.start(second.id)
    until_settled(database, second)
    assert provider.asked[-1] == ["Hi", "Hello.", "And?"]


def test_what_the_model_thought_is_kept_however_its_reply_ends(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.chunks = [Reasoning("Hm.\0"), "Hel"]
    reply = asked(database)
    replies.start(reply.id)
    wait_until(lambda: now(database, reply).text, 5)
    assert now(database, reply).said == ("Hel", "Hm.\ufffd")
    replies.stop(reply.id)
    stopped = until_settled(database, reply)
    assert (stopped.status, stopped.said) == ("stopped", ("Hel", "Hm.\ufffd"))
    failed = reply_of(database, provider, replies, Reasoning("Hm."), ProviderError("The upstream is tired."))
    assert (failed.status, failed.said) == ("failed", ("", "Hm."))


@on_sqlite
def test_who_follows_sees_what_the_model_thinks(database: Database, provider: Provider, replies: Replies) -> None:
    provider.chunks = [Reasoning("Hm.")]
    reply = asked(database)
    replies.start(reply.id)
    seat = replies.seat(ALICE)
    assert seat
    views = (view.said.reasoning for view in seat.follow(reply.id, View(reply.said, is_live=False)))
    assert next(filter(None, views)) == "Hm."
    assert now(database, reply).reasoning == "Hm."
    seat.close()


@on_sqlite
def test_thoughts_between_two_parts_of_an_answer_are_paragraphs_and_have_a_limit(
    database: Database, provider: Provider, replies: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_REASONING", 20)
    thoughts: list[Chunk] = [
        Reasoning("One"),
        " ",
        Reasoning("\nTwo"),
        Reasoning(" \n"),
        "Hello.",
        *[Reasoning("x" * 15)] * 3,
    ]
    reply = reply_of(database, provider, replies, *thoughts)
    assert reply.text == " Hello."
    assert reply.reasoning == f"One\n\nTwo \n\n\n{'x' * 8}{writing.BEYOND}"


def test_tokens_are_kept_and_those_of_a_continuation_added(
    database: Database, provider: Provider, replies: Replies
) -> None:
    reply = reply_of(database, provider, replies, "One", Usage(1, 1), Usage(7, 2), Finish("length"))
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 2)
    most = 2**31 - 1
    reply = gone_on(database, provider, replies, reply, " two", Usage(most, most), Finish("length"))
    assert (reply.prompt_tokens, reply.completion_tokens) == (most + 7, most + 2)
    reply = gone_on(database, provider, replies, reply, Reasoning("Hm."), " three", ProviderError("No."))
    assert (reply.text, reply.reasoning, reply.prompt_tokens) == ("One two three", "Hm.", most + 7)
    assert lease.retry(database, reply.id, reply.attempt)
    assert until_settled(database, reply).prompt_tokens is None


def test_a_reply_at_its_limit_of_length_is_complete_and_goes_on_as_often_as_one_likes(
    database: Database, provider: Provider, replies: Replies
) -> None:
    reply = reply_of(database, provider, replies, Reasoning("Hm."), "One", Finish("length"))
    assert (reply.status, reply.problem, reply.can_go_on) == ("complete", endings.LIMIT, True)
    assert not lease.retry(database, reply.id, reply.attempt)
    reply = gone_on(database, provider, replies, reply, Reasoning("More."), " two", Finish("length"))
    reply = gone_on(database, provider, replies, reply, " three.", Finish("stop"))
    assert (reply.status, reply.problem, reply.can_go_on) == ("complete", "", False)
    assert (reply.text, reply.reasoning) == ("One two three.", "Hm.\n\nMore.")
    assert not lease.go_on(database, reply.id, reply.attempt)
    assert [asked[1:2] for asked in provider.asked] == [[], ["One"], ["One two"]]


ENDINGS = [
    ("stop", "Hello.", "complete", ""),
    ("tool_calls", "Hello.", "complete", ""),
    ("content_filter", "Hello.", "complete", endings.FILTERED),
    ("content_filter", "", "failed", endings.FILTERED),
    ("length", " \n", "failed", endings.LIMIT_BEFORE_ANSWER),
    ("tool_calls", "", "failed", endings.NO_TOOLS),
    ("\0 something new" + "x" * 1000, "", "failed", NO_WORDS),
]


def test_how_a_model_ended_its_reply_is_said(database: Database, provider: Provider, replies: Replies) -> None:
    for reason, words, status, sentence in ENDINGS:
        reply = reply_of(database, provider, replies, Reasoning("Hm."), words, Finish(reason))
        assert (reply.status, reply.problem, reply.reasoning) == (status, sentence, "Hm.")
        assert reply.finish_reason == reason.replace("\0", "\ufffd")[:100]
        assert not reply.can_go_on


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
    provider.chunks = [Reasoning("Hm."), "Hello."]
    reply = asked(database)
    replies.start(reply.id)
    wait_until(lambda: provider.asked, 5)
    replies.close()
    assert provider.cancelled.is_set()
    cut = now(database, reply)
    assert (cut.status, cut.said) == ("interrupted", ("Hello.", "Hm."))


def test_a_server_without_a_live_reply_ends_at_once(replies: Replies) -> None:
    replies.open()
    began = monotonic()
    replies.close()
    assert monotonic() - began < 1


def test_a_model_is_told_the_system_prompt_first_and_the_parameters_that_are_set(
    database: Database, provider: Provider, replies: Replies
) -> None:
    provider.may_answer.set()
    told = Instructions("Be brief.", temperature=0.5)
    sent = history.begin(database, ALICE, Draft("Hi", MODEL, instructions=told))
    history.instruct(database, ALICE, sent.conversation_id, Instructions("Be long.", seed=7), "")
    answered(replies, database, branch(database, ALICE, sent.conversation_id)[-1])
    answered(replies, database, asked(database, "And?", sent.conversation_id))
    assert provider.asked[-1] == ["Be long.", "Hi", "Hello.", "And?"]
    assert provider.parameters[-1] == {"seed": 7}


def test_the_oldest_turns_are_left_out_where_the_model_takes_no_more_and_the_reply_says_from_where(
    database: Database, provider: Provider
) -> None:
    provider.may_answer.set()
    replies = Replies(database, provider.complete, places=2, caps=NO_CAPS, seats=2, seats_each=2, budget=lambda _: 100)
    first = answered(replies, database, asked(database, "One " * 30))
    second = answered(replies, database, asked(database, "Two " * 30, first.conversation_id))
    long = answered(replies, database, asked(database, "Three " * 60, first.conversation_id))
    assert provider.asked == [["One " * 30], ["Two " * 30]]
    assert (first.seen_from, second.seen_from, long.seen_from) == (None, second.parent_id, None)
    assert (long.status, "too long for the model" in long.problem) == ("failed", True)
    replies.close()


def test_followers_of_what_waits_are_sent_home_once_no_process_writes_any_more(
    database: Database, provider: Provider, replies: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.chats.replies.TAKEOVER_SECONDS", 0.5)
    last = asked(database, "I am being written")
    replies.start(last.id)
    wait_until(lambda: provider.asked, 5)
    replies.drain()
    seat = replies.seat(ALICE)
    assert seat
    waiting = asked(database, "I wait")
    following = seat.follow(waiting.id, View(waiting.said, is_live=False))
    next(following)
    threading.Timer(1.5, provider.may_answer.set).start()
    assert len(list(islice(following, 3))) < 3
    assert now(database, last).status == "complete"
    seat.close()


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
        assert len(list(islice(seat.follow(reply.id, View(reply.said, is_live=True)), 3))) < 3
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
