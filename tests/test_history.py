"""What was said: kept in order, for its owner alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import Connection, delete, func, select

from tests.support.branches import branch
from tests.support.databases import rows
from webapp.chats import branches, history, lists
from webapp.chats.instructions import NOTHING, Changed, Instructions, Preset, version
from webapp.chats.records import Draft, Gone, NotFound, Sent
from webapp.chats.text import Cleaner, cleaned, title
from webapp.db import Database, conversations, messages, submissions

ALICE, MALLORY = "a" * 32, "f" * 32
MODEL = "voigpt/gpt-3.5-turbo"


def draft(words: str, submit_id: str = "", parent_id: str | None = None) -> Draft:
    return Draft(words, MODEL, submit_id, parent_id)


def said(database: Database, sent: Sent, at: str = "") -> list[str]:
    return [message.text for message in branch(database, ALICE, sent.conversation_id, at)]


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(messages)).scalar_one()


def test_a_message_and_an_empty_reply_that_waits_are_stored_together(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("Hello"))
    asked, reply = branch(database, ALICE, sent.conversation_id)
    assert (asked.id, asked.role, asked.status, asked.text) == (sent.message_id, "user", "complete", "Hello")
    assert (reply.role, reply.status, reply.text, reply.parent_id) == ("assistant", "waiting", "", asked.id)
    assert "Hello" in asked.html


def test_the_next_message_follows_the_newest_reply(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("One"))
    history.append(database, ALICE, sent.conversation_id, draft("Two"))
    assert said(database, sent) == ["One", "", "Two", ""]


def test_a_message_with_a_parent_begins_a_branch_and_the_other_stays(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("One"))
    reply = branch(database, ALICE, sent.conversation_id)[-1]
    old = history.append(database, ALICE, sent.conversation_id, draft("Two"))
    new = history.append(database, ALICE, sent.conversation_id, draft("Other", parent_id=reply.id))
    assert said(database, sent) == ["One", "", "Other", ""]
    assert said(database, sent, at=old.message_id) == ["One", "", "Two", ""]
    assert said(database, sent, at=new.message_id) == ["One", "", "Other", ""]


def test_the_same_submit_is_one_message_for_ever(database: Database) -> None:
    first = history.begin(database, ALICE, draft("Hello", "id"))
    assert history.begin(database, ALICE, draft("Hello", "id")) == first
    assert count(database) == 2


@pytest.mark.parametrize("other", [draft("Hello!", "id"), draft("Hello", "di"), Draft("Hello", "voigpt/other", "id")])
def test_other_words_model_or_submit_id_are_a_new_message(database: Database, other: Draft) -> None:
    first = history.begin(database, ALICE, draft("Hello", "id"))
    assert history.begin(database, ALICE, other) != first


def test_other_instructions_or_another_preset_are_a_new_chat_and_an_edited_preset_is_not(database: Database) -> None:
    told, preset = draft("Hello", "id"), Preset("p", "Terse", "", Instructions("Be brief."))
    drafts = [
        told,
        replace(told, instructions=Instructions("Be brief.")),
        replace(told, instructions=Instructions(seed=1)),
        replace(told, preset=preset),
        replace(told, preset=preset, instructions=Instructions(seed=1)),
        replace(told, preset=replace(preset, id="q")),
    ]
    sent = [history.begin(database, ALICE, each) for each in drafts]
    assert len(set(sent)) == len(drafts)
    assert [history.begin(database, ALICE, each) for each in drafts] == sent
    edited = replace(preset, model="voigpt/other", instructions=Instructions("Be long."))
    assert history.begin(database, ALICE, replace(told, preset=edited)) == sent[3]


def test_a_submit_that_was_stored_before_there_were_instructions_is_still_known(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("Hello", "id"))
    before = sha256("\0".join([ALICE, "id", "", "", MODEL, "Hello"]).encode()).hexdigest()
    assert rows(database, submissions)[0] == rows(database, submissions)[0] | {
        "key": before,
        "message_id": sent.message_id,
    }


def test_a_chat_takes_from_its_preset_what_its_own_instructions_leave_open(database: Database) -> None:
    preset = Preset("p", "Terse", "voigpt/other", Instructions("Be brief.", temperature=0.5, seed=1))
    own = Instructions(temperature=0.0, max_tokens=9)
    sent = history.begin(database, ALICE, replace(draft("Hello"), preset=preset, instructions=own))
    assert history.instructions(database, ALICE, sent.conversation_id) == Instructions("Be brief.", 0.0, None, 9, 1)
    assert {message.model for message in branch(database, ALICE, sent.conversation_id)} == {"voigpt/other"}


def test_of_two_tabs_that_change_the_instructions_the_second_hears_of_the_first(database: Database) -> None:
    chat = history.begin(database, ALICE, draft("Hello")).conversation_id
    first, second = Instructions("First."), Instructions("Second.")
    history.instruct(database, ALICE, chat, first, version(NOTHING))
    history.instruct(database, ALICE, chat, first, version(NOTHING))
    with pytest.raises(Changed) as caught:
        history.instruct(database, ALICE, chat, second, version(NOTHING))
    assert caught.value.now == first == history.instructions(database, ALICE, chat)
    history.instruct(database, ALICE, chat, second, version(first))
    assert history.instructions(database, ALICE, chat) == second


def test_without_a_submit_id_everything_is_new(database: Database) -> None:
    assert history.begin(database, ALICE, draft("Hello")) != history.begin(database, ALICE, draft("Hello"))


def test_the_same_submit_id_of_two_people_is_two_messages(database: Database) -> None:
    assert history.begin(database, ALICE, draft("Hi", "id")) != history.begin(database, MALLORY, draft("Hi", "id"))


def test_a_late_resend_of_a_deleted_message_is_gone(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("Hello", "id"))
    with database.write() as connection:
        connection.execute(delete(conversations).where(conversations.c.id == sent.conversation_id))
    with pytest.raises(Gone):
        history.begin(database, ALICE, draft("Hello", "id"))


def test_twenty_at_once_with_one_submit_id_are_one_message(database: Database) -> None:
    with ThreadPoolExecutor(20) as pool:
        sent = list(pool.map(lambda _: history.begin(database, ALICE, draft("Hello", "id")), range(20)))
    assert len(set(sent)) == 1
    assert count(database) == 2


def test_two_hundred_different_ones_at_once_lose_none(database: Database) -> None:
    chat = history.begin(database, ALICE, draft("0")).conversation_id
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: history.append(database, ALICE, chat, draft(str(n))), range(1, 201)))
    with database.read() as connection:
        rows = connection.execute(select(messages.c.seq, messages.c.role, messages.c.text).order_by("seq")).all()
    assert [row.seq for row in rows] == list(range(1, 403))
    assert {row.text for row in rows if row.role == "user"} == {str(n) for n in range(201)}


def test_mallory_finds_nothing_of_alices(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("Hello"))
    with pytest.raises(NotFound):
        lists.conversation(database, MALLORY, sent.conversation_id)
    with pytest.raises(NotFound):
        branch(database, MALLORY, sent.conversation_id)
    with pytest.raises(NotFound):
        branches.message(database, MALLORY, sent.conversation_id, sent.message_id)
    with pytest.raises(NotFound):
        history.append(database, MALLORY, sent.conversation_id, draft("Mine"))
    with pytest.raises(NotFound):
        history.instructions(database, MALLORY, sent.conversation_id)
    with pytest.raises(NotFound):
        history.instruct(database, MALLORY, sent.conversation_id, Instructions("Mine"), "")
    assert lists.recent(database, MALLORY) == []
    assert count(database) == 2


def test_a_message_of_another_chat_is_not_found_in_this_one(database: Database) -> None:
    one = history.begin(database, ALICE, draft("One"))
    two = history.begin(database, ALICE, draft("Two"))
    for look in (branches.message, branch):
        with pytest.raises(NotFound):
            look(database, ALICE, one.conversation_id, two.message_id)
    with pytest.raises(NotFound):
        history.append(database, ALICE, one.conversation_id, draft("x", parent_id=two.message_id))


def test_the_chat_last_written_to_comes_first(database: Database) -> None:
    one = history.begin(database, ALICE, draft("One"))
    history.begin(database, ALICE, draft("Two"))
    history.append(database, ALICE, one.conversation_id, draft("Again"))
    assert [found.title for found in lists.recent(database, ALICE)] == ["One", "Two"]


def test_an_upstream_is_told_the_branch_without_replies_that_have_no_word(database: Database) -> None:
    sent = history.begin(database, ALICE, draft("One"))
    two = history.append(database, ALICE, sent.conversation_id, draft("Two"))
    _, told = history.context(database, sent.conversation_id, two.message_id)
    assert [(message.role, message.text) for message in told] == [("user", "One"), ("user", "Two")]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ufeffa", "\ufeffa"),
        ("Привет, мир 你好", "Привет, мир 你好"),
    ],
)
def test_text_is_cleaned_so_that_every_database_can_hold_it(database: Database, typed: str, kept: str) -> None:
    sent = history.begin(database, ALICE, draft(cleaned(typed)))
    assert said(database, sent)[0] == kept


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["a\r", "\nb"], "a\nb"),
        (["a\r", "b\r"], "a\nb\n"),
        (["\ud83d", "\ude00"], "\U0001f600"),
        (["\ud83d", "a"], "\ufffda"),
        (["a", "\ud83d"], "a\ufffd"),
        (["", "\r", "", "\n", ""], "\n"),
    ],
)
def test_text_that_comes_in_pieces_is_cleaned_as_if_it_came_whole(pieces: list[str], kept: str) -> None:
    cleaner = Cleaner()
    assert "".join([*map(cleaner.add, pieces), cleaner.rest()]) == kept == cleaned("".join(pieces))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Hello", "Hello"),
        ("\n\n  Hello  \nthere", "Hello"),
        ("word " * 30, "word word word word word word word word word word word word…"),
        ("x" * 100, "x" * 60),
    ],
)
def test_a_chat_is_named_by_its_first_words(words: str, name: str) -> None:
    assert title(words) == name


def test_what_is_read_within_a_reading_shares_its_connection_in_that_thread_alone(database: Database) -> None:
    def connection_here() -> Connection:
        with database.read() as connection:
            return connection

    with database.read() as outer, ThreadPoolExecutor(1) as another:
        assert connection_here() is outer
        assert another.submit(connection_here).result(10) is not outer
    assert outer.closed
    assert connection_here() is not outer
