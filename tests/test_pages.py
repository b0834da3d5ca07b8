"""The pages that people read, and the forms on them."""

import re
from html import unescape

import pytest
from sqlalchemy import update

from tests.providers.upstream import Answer, Upstream, cut, raw, reply, reset, voigpt
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from webapp.chats import lists
from webapp.db import Database, conversations, messages

MODEL = "voigpt/gpt-3.5-turbo"


def stored(database: Database, **changed: object) -> None:
    """Write this into every message: what the database may hold from elsewhere or earlier."""
    with database.write() as connection:
        connection.execute(update(messages).values(changed))


def listed(person: Person) -> list[str]:
    return re.findall(r'<a href="/chats/[^"]*" dir="auto">([^<]*)</a>', person.get("/chats").text)


# A new chat


def test_a_new_chat_has_a_composer_with_message_model_and_submit_id(alice: Person) -> None:
    page = Page(alice.get("/"))
    assert page.action == "/chats"
    assert page.fields.keys() >= {"message", "model", "submit_id"}
    assert (page.words, page.options) == ("", [MODEL])


def test_each_page_has_its_own_submit_id(alice: Person) -> None:
    assert Page(alice.get("/")).fields["submit_id"] != Page(alice.get("/")).fields["submit_id"]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Hello & good day", "Hello & good day"),
        (SCRIPT, SCRIPT),
        ("\n\nspaced  \n", "\n\nspaced  \n"),
        ("a\r\nb\0c", "a\nb\ufffdc"),
        ("Привет 🙂 \u202egnp.exe", "Привет 🙂 \u202egnp.exe"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ],
)
def test_words_in_the_address_wait_in_the_composer(alice: Person, typed: str, shown: str) -> None:
    page = Page(alice.get("/", query_string={"q": typed}))
    assert page.words == shown
    assert page.is_harmless


# A chat


def test_a_message_leads_to_its_chat(alice: Person) -> None:
    answer = alice.post("/chats", message="Hi")
    assert answer.status_code == 303
    assert re.fullmatch("/chats/[0-9a-f]{32}", answer.headers["Location"])


def test_a_chat_shows_its_messages_as_articles(alice: Person) -> None:
    page = Page(alice.get(alice.send("Hi")))
    asked, answered = page.articles
    assert (asked.role, asked.status, asked.end) == ("user", "complete", "")
    assert (answered.role, answered.end) == ("assistant", "complete")
    assert all(re.fullmatch("[0-9a-f]{32}", article.id) for article in page.articles)


def test_a_reload_shows_how_the_reply_ended(alice: Person) -> None:
    chat = alice.send("Hi")
    streamed, reloaded = Page(alice.get(chat)), Page(alice.get(chat))
    assert [article.id for article in reloaded.articles] == [article.id for article in streamed.articles]
    assert (reloaded.articles[1].status, reloaded.articles[1].end) == ("complete", "")


def test_each_message_says_who_and_when(alice: Person) -> None:
    page = Page(alice.get(alice.send("Hi")))
    assert [said.split()[0] for said in page.said] == ["You", "VoiGpt"]
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d[+-]\d\d:\d\d", " ".join(article.times)) for article in page.articles
    )


def test_a_model_that_is_no_longer_offered_keeps_its_name(alice: Person, database: Database) -> None:
    chat = alice.send("Hi")
    alice.get(chat).close()
    stored(database, model=f"old/{SCRIPT}")
    page = Page(alice.get(chat))
    assert SCRIPT in page.text
    assert page.is_harmless


def test_the_next_message_goes_on_in_the_same_chat(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("One")
    assert alice.send("Two", chat) == chat
    alice.get(chat).close()
    assert [article.role for article in Page(alice.get(chat)).articles] == ["user", "assistant"] * 2
    told = [each["content"] for each in upstream.asked_for("POST")[-1].json["messages"]]
    assert told == ["One", "Hello.", "Two"]


def test_what_alice_typed_is_text_wherever_it_is_shown(alice: Person) -> None:
    chat = alice.send(SCRIPT)
    for path in (chat, chat, "/chats"):  # streamed, stored, listed
        page = Page(alice.get(path))
        assert page.is_harmless
        assert "<script>alert(1)</script>" in page.text
    assert "<script>" in Page(alice.get(chat)).title


def test_what_the_model_says_is_text_too(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), voigpt(SCRIPT))
    chat = alice.send("Hi")
    for page in (Page(alice.get(chat)), Page(alice.get(chat))):
        assert page.is_harmless
        assert "<script>alert(1)</script>" in page.said[1]


@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_a_broken_upstream_says_is_text_too(alice: Person, upstream: Upstream, status: int) -> None:
    upstream.queue(voigpt(), reply(f"<p>{SCRIPT}", status))
    chat = alice.send("Hi")
    for page in (Page(alice.get(chat)), Page(alice.get(chat))):
        assert page.is_harmless
        assert "upstream" in page.said[1]


@pytest.mark.parametrize("answer", [cut(), reset(), reply("No.", 500), reply("[1]"), raw(b"SSH-2.0-OpenSSH\r\n")])
def test_the_page_does_not_say_where_the_upstream_is(alice: Person, upstream: Upstream, answer: Answer) -> None:
    upstream.queue(voigpt(), *[answer] * 5)
    page = Page(alice.get(alice.send("Hi")))
    assert page.articles[1].end == "failed"
    assert not {str(upstream.port), "127.0.0.1"} & set(re.split(r"[^\d.]+", page.said[1]))


# Retry


def test_retry_asks_again(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), reply("No.", 400))
    chat = alice.send("Hi")
    failed = Page(alice.get(chat))
    retry = f"{chat}/replies/{failed.articles[1].id}/retry"
    assert alice.post(retry, attempt=failed.attempts[0]).headers["Location"] == chat
    assert "Hello." in Page(alice.get(chat)).said[1]


def test_each_attempt_has_one_retry_however_often_it_is_pressed(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), *[reply("No.", 400)] * 5)
    chat = alice.send("Hi")
    failed = Page(alice.get(chat))
    retry = f"{chat}/replies/{failed.articles[1].id}/retry"
    for _ in range(3):
        assert alice.post(retry, attempt=failed.attempts[0]).status_code == 303
        alice.get(chat).close()
        assert Page(alice.get(chat)).attempts == ["2"]
    assert len(upstream.asked_for("POST")) == 2


def test_a_reply_that_is_complete_has_no_retry_and_is_not_asked_for_again(alice: Person, upstream: Upstream) -> None:
    chat = alice.send("Hi")
    page = Page(alice.get(chat))
    assert page.attempts == []
    assert alice.post(f"{chat}/replies/{page.articles[1].id}/retry", attempt="1").status_code == 303
    assert Page(alice.get(chat)).articles[1].status == "complete"
    assert len(upstream.asked_for("POST")) == 1


@pytest.mark.parametrize("attempt", ["", "x", "-1", "0", "1e9", "99999999999999999999999", "1" * 5000, "\0", "١"])
def test_retry_with_an_odd_attempt_does_no_harm(alice: Person, upstream: Upstream, attempt: str) -> None:
    upstream.queue(voigpt(), reply("No.", 400))
    chat = alice.send("Hi")
    reply_id = Page(alice.get(chat)).articles[1].id
    assert alice.post(f"{chat}/replies/{reply_id}/retry", attempt=attempt).status_code in (303, 400)
    assert alice.get(chat).status_code == 200


# Branches


def test_an_edited_message_begins_a_branch_beside_the_old_one(alice: Person) -> None:
    chat = alice.send("One")
    first = Page(alice.get(chat)).articles[1].id
    alice.send("Two", chat)
    old = Page(alice.get(chat)).articles[2].id
    branch = alice.send("Other", chat, parent=first)
    assert branch.startswith(f"{chat}?at=")
    assert asked(alice, branch) == ["One", "Other"]
    assert asked(alice, f"{chat}?at={old}") == ["One", "Two"]
    assert asked(alice, chat) == ["One", "Other"]


def test_in_an_older_branch_the_composer_goes_on_there(alice: Person) -> None:
    chat = alice.send("One")
    first = Page(alice.get(chat)).articles[1].id
    alice.send("Two", chat)
    old = f"{chat}?at={Page(alice.get(chat)).articles[2].id}"
    alice.get(alice.send("Other", chat, parent=first)).close()
    form = Page(alice.get(old))
    answer = alice.post(form.action, **form.fields | {"message": "Three"})
    assert asked(alice, answer.headers["Location"]) == ["One", "Two", "Three"]


def asked(person: Person, path: str) -> list[str]:
    """What the person said on this page, without who and when."""
    page = Page(person.get(path))
    return [said.split()[-1] for article, said in zip(page.articles, page.said, strict=True) if article.role == "user"]


@pytest.mark.parametrize("parent", ["0" * 32, "x", "\0", "\ufffd" * 32, "' OR 1=1 --"])
def test_a_parent_that_is_not_in_this_chat_is_a_404_and_a_new_chat_for_the_words(alice: Person, parent: str) -> None:
    chat = alice.send("One")
    refused = alice.post(f"{chat}/messages", message="Two", parent=parent)
    assert refused.status_code == 404
    assert (Page(refused).words, Page(refused).action) == ("Two", "/chats")


@pytest.mark.parametrize("at", ["0" * 32, "x", "%00", "%ED%A0%80", "%FF"])
def test_a_branch_that_is_not_in_this_chat_is_a_404(alice: Person, at: str) -> None:
    assert alice.get(f"{alice.send('One')}?at={at}").status_code == 404


def test_a_message_of_another_chat_is_no_branch_and_no_parent_here(alice: Person) -> None:
    chat, other = alice.send("One"), alice.send("Other")
    foreign = Page(alice.get(other)).articles[1].id
    assert alice.get(f"{chat}?at={foreign}").status_code == 404
    assert alice.post(f"{chat}/messages", message="Two", parent=foreign).status_code == 404
    assert alice.post(f"{chat}/replies/{foreign}/retry", attempt="1").status_code == 404


# The list


def test_the_list_has_ones_own_chats_the_newest_first(alice: Person, bob: Person) -> None:
    one = alice.send("One")
    bob.send("Bob's")
    alice.send("Two")
    assert listed(alice) == ["Two", "One"]
    alice.send("Again", one)
    assert listed(alice) == ["One", "Two"]
    assert listed(bob) == ["Bob&#39;s"]


def test_the_list_says_when_a_chat_was_last_written_to(alice: Person, database: Database) -> None:
    alice.send("One")
    with database.write() as connection:
        connection.execute(update(conversations).values(updated_at=86400 * 365.25 * 30))
    shown = alice.get("/chats").text
    assert "<h2>Saturday, 1 January 2000</h2>" in shown
    assert re.search(r'<time datetime="2000-01-01T[^"]*">\d\d:\d\d</time>', shown)


def test_a_browser_without_chats_is_shown_the_way_to_one(mallory: Person) -> None:
    assert listed(mallory) == []
    assert "There are no chats of this browser." in mallory.get("/chats").text


def test_a_long_list_of_chats_goes_on_with_earlier_ones(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PAGE", 2)
    for words in ("One", "Two", "Three"):
        alice.send(words)
    first = alice.get("/chats").text
    assert "Three" in first
    assert "One" not in first
    link = re.search(r'href="([^"]*before[^"]*)"', first)
    assert link
    assert "One" in alice.get(unescape(link[1])).text
