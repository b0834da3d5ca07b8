"""A better title from the chat's own model, where the admin wants it: one short call after the first reply."""

import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from tests.providers.upstream import Upstream, voigpt
from tests.support.databases import rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import wait_until
from tests.test_pages import listed
from tests.test_replies import ALICE, MODEL, answered, asked
from webapp.chats import branches, deleted, lists, naming, titles
from webapp.chats.lease import NO_CAPS
from webapp.chats.records import Message
from webapp.chats.replies import Replies
from webapp.chats.titles import Titles, named
from webapp.db import Database, messages
from webapp.providers.base import Cancelled, Chunk, Completion, Messages, Parameters, ProviderError

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
by_model = pytest.mark.parametrize("settings", [{"VOICHAT_TITLES": "model"}], ids=["model"])


class Namer:
    """Answers “Hello.” at once, and asked for a title, `title` when the test says so."""

    def __init__(self) -> None:
        self.title: str | Exception = "Greeting"
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.while_asked: Callable[[], object] = lambda: None

    def complete(self, _model: str, messages: Messages, _parameters: Parameters) -> Completion:
        cancelled = threading.Event()
        is_title = messages[0]["role"] == "system"
        return Completion(self._title(cancelled) if is_title else iter(["Hello."]), cancelled.set)

    def _title(self, cancelled: threading.Event) -> Iterator[Chunk]:
        self.asked += 1
        self.while_asked()
        while not self.may_answer.wait(0.01):
            if cancelled.is_set():
                raise Cancelled
        if isinstance(self.title, Exception):
            raise self.title
        yield self.title


@pytest.fixture
def namer() -> Namer:
    return Namer()


@pytest.fixture
def replies(database: Database, namer: Namer) -> Iterator[Replies]:
    made = Titles(database, namer.complete, lambda model: model == MODEL)
    made_with = Replies(database, namer.complete, places=2, caps=NO_CAPS, seats=2, seats_each=2, titles=made)
    yield made_with
    made_with.close()


def title(database: Database, reply: Message) -> str:
    return lists.conversation(database, ALICE, reply.conversation_id).title


def test_after_the_first_reply_the_model_names_the_chat_and_after_the_second_it_is_not_asked(
    database: Database, namer: Namer, replies: Replies
) -> None:
    first = answered(replies, database, asked(database))
    wait_until(lambda: title(database, first) == "Greeting", 10)
    answered(replies, database, asked(database, "Two", first.conversation_id))
    replies.close()
    assert (title(database, first), namer.asked) == ("Greeting", 1)


@on_sqlite
def test_the_reply_has_ended_before_its_chat_is_named(database: Database, namer: Namer, replies: Replies) -> None:
    reply, seen = asked(database), list[str]()
    namer.while_asked = lambda: seen.append(branches.reply(database, ALICE, reply.conversation_id, reply.id).status)
    answered(replies, database, reply)
    wait_until(lambda: title(database, reply) == "Greeting", 10)
    assert seen == ["complete"]


@on_sqlite
def test_who_renames_the_chat_meanwhile_wins(database: Database, namer: Namer, replies: Replies) -> None:
    reply = asked(database)
    namer.while_asked = lambda: naming.rename(database, ALICE, reply.conversation_id, "Mine", "")
    answered(replies, database, reply)
    wait_until(lambda: namer.asked, 10)
    replies.close()
    wait_until(lambda: not titles_threads(), 10)
    assert title(database, reply) == "Mine"


@on_sqlite
@pytest.mark.parametrize("answer", [ProviderError("No secret."), ZeroDivisionError(), "", " \n", '"."'])
def test_a_failure_leaves_the_first_words_and_the_log_says_nothing_of_them(
    database: Database, namer: Namer, replies: Replies, answer: str | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    namer.title = answer
    reply = answered(replies, database, asked(database, "My words"))
    wait_until(lambda: namer.asked, 10)
    replies.close()
    wait_until(lambda: not titles_threads(), 10)
    assert title(database, reply) == "My words"
    assert not [said for said in ("My words", "No secret") if said in caplog.text]


@on_sqlite
def test_nobody_waits_for_a_title_when_the_server_ends(database: Database, namer: Namer, replies: Replies) -> None:
    namer.may_answer.clear()
    reply = answered(replies, database, asked(database))
    wait_until(lambda: namer.asked, 10)
    began = monotonic()
    replies.close(grace=60)
    wait_until(lambda: not titles_threads(), 10)
    assert monotonic() - began < 10
    assert title(database, reply) == "Hi"


@on_sqlite
def test_a_title_that_takes_too_long_is_given_up(
    database: Database,
    namer: Namer,
    replies: Replies,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(titles, "SECONDS", 0.05)
    namer.may_answer.clear()
    reply = answered(replies, database, asked(database))
    wait_until(lambda: "keeps its first words" in caplog.text, 10)
    assert title(database, reply) == "Hi"


@on_sqlite
def test_a_chat_that_was_deleted_is_not_named(database: Database, namer: Namer, replies: Replies) -> None:
    reply = asked(database)
    deleted.remove(database, ALICE, reply.conversation_id)
    replies.start(reply.id)
    wait_until(lambda: [row["status"] for row in rows(database, messages)] == ["complete"] * 2, 10)
    wait_until(titles_threads, 10)
    replies.close()
    wait_until(lambda: not titles_threads(), 10)
    assert namer.asked == 0


def titles_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("title")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Soup recipes", "Soup recipes"),
        ("“Soup recipes.”\n\nI hope that helps!", "Soup recipes"),
        ('Title: "Soup recipes"', "Soup recipes"),
        ("**Рецепт борща**", "Рецепт борща"),
        ("«汤的做法。»", "汤的做法"),
        ("\n\n# Soup\r\n", "Soup"),
        ("word " * 100, "word word word word word word word word word word word word…"),
        ("\0\ud800", "��"),
        ("\u202e\u200b", ""),
        ('"".', ""),
    ],
)
def test_of_what_the_model_says_a_title_is_made(answer: str, expected: str) -> None:
    assert named(answer) == expected


# The setting


@on_sqlite
def test_without_the_setting_a_turn_is_one_call(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("Hi")
    alice.get(chat).get_data()
    alice.app.extensions["voichat"].replies.close()
    assert len(upstream.asked_for("POST")) == 1
    assert listed(alice) == ["Hi"]


@by_model
def test_with_it_the_chats_model_is_told_the_first_turn(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), voigpt("Hello."), voigpt("A greeting."))
    chat = alice.send("Hi")
    alice.get(chat).get_data()
    wait_until(lambda: listed(alice) == ["A greeting"], 10)
    told = upstream.asked_for("POST")[-1].json["messages"]
    assert [each["role"] for each in told] == ["system", "user"]
    assert "User: Hi\n\nAssistant: Hello." in told[1]["content"]
    assert Page(alice.get(chat)).title.startswith("A greeting")


@on_sqlite
@pytest.mark.parametrize("settings", [{"VOICHAT_TITLES": "model", "VOIGPT_URL": "embedded:"}], ids=["the Guide"])
def test_the_guide_is_never_asked(alice: Person) -> None:
    alice.get(alice.send("How do I connect my model?")).get_data()
    assert not titles_threads()
    assert listed(alice) == ["How do I connect my model?"]
