"""A reply's states: one runner at a time, nothing twice, nothing for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text, update

from tests.support.branches import branch
from webapp.chats import branches, history, lease
from webapp.chats.lease import Claim, Outcome
from webapp.chats.records import Draft, Message
from webapp.db import Database, messages
from webapp.sentences import Sentence, packed, plural

ALICE = "a" * 32
HELLO = Outcome("complete", "Hello.")


@pytest.fixture
def reply(database: Database) -> Message:
    sent = history.begin(database, ALICE, Draft("Hi", "voigpt/gpt-3.5-turbo"))
    return branch(database, ALICE, sent.conversation_id)[-1]


def now(database: Database, reply: Message) -> Message:
    return branches.message(database, ALICE, reply.conversation_id, reply.id)


def claimed(database: Database, reply: Message) -> Claim:
    claim = lease.claim(database, reply.id, "runner")
    assert claim
    return claim


def let_the_lease_run_out(database: Database, reply: Message) -> None:
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.id == reply.id).values(lease_until=1.0))


def test_of_many_who_claim_a_reply_one_gets_it(database: Database, reply: Message) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: lease.claim(database, reply.id, f"runner {n}"), range(8)))
    assert len([claim for claim in claims if claim]) == 1
    assert (now(database, reply).status, now(database, reply).attempt) == ("live", 1)


def test_a_settled_reply_keeps_its_text_rendered(database: Database, reply: Message) -> None:
    assert lease.settle(database, claimed(database, reply), Outcome("complete", "**Hello**", html="<b>Hello</b>"))
    settled = now(database, reply)
    assert (settled.status, settled.text) == ("complete", "**Hello**")
    assert settled.html == "<b>Hello</b>"
    assert settled.settled_at is not None
    assert lease.claim(database, reply.id, "runner") is None


def test_what_a_person_is_told_of_a_reply_can_be_said_again_in_another_language(
    database: Database, reply: Message
) -> None:
    wait = plural("Wait for {number} second.", "Wait for {number} seconds.", 1200)
    problem = Sentence("{first} {second}", first=Sentence("“{name}” is away.", name="{Lab}\x1f\n"), second=wait)
    lease.settle(database, claimed(database, reply), Outcome("failed", "", problem))
    found = now(database, reply).problem
    assert isinstance(found, Sentence)
    assert found == "“{Lab}\x1f\n” is away. Wait for 1,200 seconds."
    assert packed(found) == packed(problem)


def test_what_was_told_before_sentences_had_parts_is_a_sentence_without(database: Database, reply: Message) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE messages SET problem = 'Ask {it} again.' WHERE role = 'assistant'"))
    found = now(database, reply).problem
    assert isinstance(found, Sentence)
    assert (found, found.text, found.values) == ("Ask {it} again.", "Ask {it} again.", {})


def test_the_second_message_waits_for_the_reply_to_the_first(database: Database, reply: Message) -> None:
    sent = history.append(database, ALICE, reply.conversation_id, Draft("And?", reply.model))
    second = branch(database, ALICE, sent.conversation_id)[-1]
    assert lease.claim(database, second.id, "runner") is None
    first = claimed(database, reply)
    assert lease.claim(database, second.id, "runner") is None
    assert lease.ready(lease.unsettled(database), before=float("inf")) == []
    lease.settle(database, first, HELLO)
    assert lease.next_waiting(database, reply.conversation_id) == second.id
    assert lease.ready(lease.unsettled(database), before=float("inf")) == [second.id]
    assert lease.claim(database, second.id, "runner")


def test_of_two_waiting_replies_only_the_first_is_ready(database: Database, reply: Message) -> None:
    history.append(database, ALICE, reply.conversation_id, Draft("And?", reply.model))
    assert lease.ready(lease.unsettled(database), before=float("inf")) == [reply.id]
    assert lease.ready(lease.unsettled(database), before=0) == []


def test_a_reply_whose_runner_is_gone_becomes_interrupted(database: Database, reply: Message) -> None:
    claimed(database, reply)
    lease.expire(database)
    assert now(database, reply).status == "live"
    let_the_lease_run_out(database, reply)
    assert not lease.is_unsettled(database, reply.id)
    assert now(database, reply).status == "interrupted"
    lease.expire(database)
    assert (now(database, reply).status, now(database, reply).problem) == ("interrupted", lease.INTERRUPTED)


def test_a_stale_reply_does_not_hold_up_the_next(database: Database, reply: Message) -> None:
    sent = history.append(database, ALICE, reply.conversation_id, Draft("And?", reply.model))
    claimed(database, reply)
    let_the_lease_run_out(database, reply)
    second = branch(database, ALICE, sent.conversation_id)[-1]
    assert lease.ready(lease.unsettled(database), before=float("inf")) == [second.id]
    assert lease.claim(database, second.id, "runner")


def test_a_renewed_lease_does_not_run_out(database: Database, reply: Message) -> None:
    claimed(database, reply)
    let_the_lease_run_out(database, reply)
    lease.renew(database, "somebody else", [reply.id])
    assert not lease.is_unsettled(database, reply.id)
    lease.renew(database, "runner", [reply.id])
    assert lease.is_unsettled(database, reply.id)


def test_a_runner_that_was_only_slow_still_completes_its_reply(database: Database, reply: Message) -> None:
    claim = claimed(database, reply)
    let_the_lease_run_out(database, reply)
    lease.expire(database)
    assert lease.settle(database, claim, HELLO)
    assert (now(database, reply).status, now(database, reply).problem) == ("complete", "")


def test_the_tick_reads_the_partial_index_and_not_every_message(database: Database) -> None:
    queries: list[tuple[str, object]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: queries.append((a[2], a[3])))
    lease.unsettled(database)
    if database.is_sqlite:
        with database.read() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {queries[-1][0]}", queries[-1][1]).all()  # type: ignore[arg-type]
        assert "ix_messages_unsettled" in str(plan)


def test_retry_makes_a_failed_reply_wait_again_and_only_once(database: Database, reply: Message) -> None:
    lease.settle(database, claimed(database, reply), Outcome("failed", "", "No answer."))
    assert lease.retry(database, reply.id, attempt=1)
    assert not lease.retry(database, reply.id, attempt=1)
    assert claimed(database, reply).attempt == 2
    assert not lease.retry(database, reply.id, attempt=1)
    assert now(database, reply).problem == ""


def test_an_older_attempt_writes_nothing_after_a_retry(database: Database, reply: Message) -> None:
    first = claimed(database, reply)
    let_the_lease_run_out(database, reply)
    assert lease.retry(database, reply.id, attempt=1)
    assert not lease.settle(database, first, HELLO)
    second = claimed(database, reply)
    assert not lease.settle(database, first, HELLO)
    assert lease.settle(database, second, Outcome("complete", "Second."))
    assert now(database, reply).text == "Second."


@pytest.mark.parametrize("status", ["waiting", "live", "complete"])
def test_only_what_did_not_end_well_can_be_retried(database: Database, reply: Message, status: str) -> None:
    if status != "waiting":
        claim = claimed(database, reply)
        if status == "complete":
            lease.settle(database, claim, HELLO)
    assert not lease.retry(database, reply.id, now(database, reply).attempt)


def test_the_persons_own_message_cannot_be_retried(database: Database, reply: Message) -> None:
    assert reply.parent_id
    assert not lease.retry(database, reply.parent_id, attempt=0)
