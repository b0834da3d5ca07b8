"""Branches: a message written anew stands beside the old one, and a branch can become a chat of its own."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import delete, update

from tests.providers.upstream import Upstream
from tests.support import long
from tests.support.branches import branch
from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person, submit_id
from webapp.chats import attachments, branches, copies, history, lease, lists, passages
from webapp.chats.copies import Source
from webapp.chats.files import Files
from webapp.chats.instructions import NOTHING, Instructions
from webapp.chats.records import Draft, Gone, Message, NotFound, Picture, Said
from webapp.db import Database, conversations, messages
from webapp.db import passages as found_by_search

ALICE, MALLORY = "a" * 32, "f" * 32
MODEL = "voigpt/gpt-3.5-turbo"


def asked(alice: Person, path: str) -> list[str]:
    """What she said on this page."""
    page = Page(alice.get(path))
    return [said.split()[-1] for article, said in zip(page.articles, page.said, strict=True) if article.role == "user"]


def told(upstream: Upstream) -> list[str]:
    """What the model was told the last time."""
    return [message["content"] for message in upstream.asked_for("POST")[-1].json["messages"]]


def questions(alice: Person, path: str) -> list[str]:
    return [article.id for article in Page(alice.get(path)).articles if article.role == "user"]


def replies(alice: Person, path: str) -> list[str]:
    return [article.id for article in Page(alice.get(path)).articles if article.role == "assistant"]


def edit(alice: Person, chat: str, message_id: str, words: str) -> str:
    """By its page; returns where it leads."""
    form = Page(alice.get(f"{chat}/messages/{message_id}/edit"))
    answer = alice.post(form.action, **form.fields | {"message": words})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


@pytest.fixture
def chat(alice: Person) -> str:
    """Alice's, in which she said One and Two."""
    address = alice.send("One")
    alice.get(address).get_data()
    alice.get(alice.send("Two", address)).get_data()
    return address


# Editing


def test_the_page_to_edit_a_message_holds_its_words_and_model_and_the_way_back(alice: Person, chat: str) -> None:
    message_id = questions(alice, chat)[1]
    assert f'href="{chat}/messages/{message_id}/edit"' in alice.get(chat).text
    page = alice.get(f"{chat}/messages/{message_id}/edit")
    form = Page(page)
    assert (form.words, form.fields["model"], form.fields["edits"]) == ("Two", MODEL, message_id)
    assert f'href="{chat}?at={message_id}#{message_id}"' in page.text


def test_an_edited_message_is_a_sibling_with_a_number_and_a_link_to_the_other(alice: Person, chat: str) -> None:
    old = questions(alice, chat)[1]
    newer = edit(alice, chat, old, "Second")
    assert asked(alice, newer) == ["One", "Second"]
    assert "2 / 2" in alice.get(newer).text
    assert f'href="{chat}?at={old}#{old}"' in alice.get(newer).text
    assert asked(alice, f"{chat}?at={old}") == ["One", "Two"]
    assert "1 / 2" in alice.get(f"{chat}?at={old}").text


def test_the_very_first_message_can_be_edited_too(alice: Person, upstream: Upstream, chat: str) -> None:
    old = questions(alice, chat)[0]
    newer = edit(alice, chat, old, "First")
    assert asked(alice, newer) == ["First"]
    assert told(upstream) == ["First"]
    assert "2 / 2" in alice.get(chat).text
    assert "1 / 2" in alice.get(f"{chat}?at={old}").text
    assert asked(alice, f"{chat}?at={old}") == ["One", "Two"]


def test_what_cannot_be_edited_here_is_not_there(alice: Person, mallory: Person, chat: str) -> None:
    mallory.send("Mine")
    other = alice.send("Other")
    for person, where, message_id in (
        (alice, chat, replies(alice, chat)[0]),
        (alice, chat, questions(alice, other)[0]),
        (alice, other, questions(alice, chat)[0]),
        (mallory, chat, questions(alice, chat)[0]),
    ):
        assert person.get(f"{where}/messages/{message_id}/edit").status_code == 404
        assert person.post(f"{where}/messages", message="Changed", edits=message_id).status_code == 404


@pytest.mark.parametrize("edits", ["0" * 32, "x", "\0", "\ufffd" * 32, "' OR 1=1 --", "x" * 10_000])
def test_an_odd_message_to_edit_is_a_404_and_a_new_chat_for_the_words(alice: Person, chat: str, edits: str) -> None:
    refused = alice.post(f"{chat}/messages", message="Changed", edits=edits)
    assert refused.status_code == 404
    assert (Page(refused).words, Page(refused).action) == ("Changed", "/chats")


@pytest.mark.parametrize(
    ("words", "settings", "status"),
    [
        (" ", {}, 400),
        ("x" * 50, {"VOICHAT_MESSAGE_CHARACTERS": "40"}, 413),
        ("x", {"VOICHAT_LIMIT_OWNER": "2/day"}, 429),
    ],
)
def test_what_is_refused_is_still_an_edit(
    alice: Person, database: Database, chat: str, words: str, status: int
) -> None:
    message_id = questions(alice, chat)[1]
    form = Page(alice.get(f"{chat}/messages/{message_id}/edit"))
    before = count(database, messages)
    refused = alice.post(form.action, **form.fields | {"message": words})
    assert refused.status_code == status
    if words.strip():
        kept = Page(refused)
        assert (kept.words, kept.fields["edits"], kept.action) == (words, message_id, form.action)
    assert count(database, messages) == before


def test_a_double_click_is_one_edit(alice: Person, database: Database, chat: str) -> None:
    form = Page(alice.get(f"{chat}/messages/{questions(alice, chat)[1]}/edit"))
    places = {alice.post(form.action, **form.fields | {"message": "Second"}).headers["Location"] for _ in range(3)}
    assert len(places) == 1
    assert count(database, messages) == 6


def test_two_tabs_that_edit_the_same_message_make_two_branches(alice: Person, chat: str) -> None:
    message_id = questions(alice, chat)[1]
    tabs = [Page(alice.get(f"{chat}/messages/{message_id}/edit")) for _ in range(2)]
    places = []
    for number, form in enumerate(tabs):
        answer = alice.post(form.action, **form.fields | {"message": f"Tab{number}"})
        places.append(answer.headers["Location"])
    assert [asked(alice, place) for place in places] == [["One", "Tab0"], ["One", "Tab1"]]
    assert "3 / 3" in alice.get(chat).text


def test_at_the_same_moment_too(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 2)
    drafts = [Draft(f"Tab {number}", MODEL, f"id {number}", edits=ids[0]) for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        sent = list(pool.map(lambda draft: history.append(database, ALICE, chat, draft), drafts))
    shown = branch(database, ALICE, chat, sent[3].message_id)
    assert [message.text for message in shown] == ["Tab 3", ""]
    assert len(branches.siblings(database, shown)[sent[3].message_id].ids) == 11


# What goes to the model


def test_the_model_is_told_the_branch_that_is_shown(alice: Person, upstream: Upstream, chat: str) -> None:
    old = questions(alice, chat)[1]
    newer = edit(alice, chat, old, "Second")
    alice.get(newer).get_data()
    assert told(upstream) == ["One", "Hello.", "Second"]
    go_on(alice, newer, "Third")
    assert told(upstream) == ["One", "Hello.", "Second", "Hello.", "Third"]
    in_old = go_on(alice, f"{chat}?at={old}", "Three")
    assert told(upstream) == ["One", "Hello.", "Two", "Hello.", "Three"]
    go_on(alice, f"{chat}?at={questions(alice, in_old)[1]}", "Four")
    assert told(upstream) == ["One", "Hello.", "Two", "Hello.", "Three", "Hello.", "Four"]


def test_after_regenerate_it_is_told_the_reply_that_is_shown(alice: Person, upstream: Upstream, chat: str) -> None:
    reply_id = replies(alice, chat)[1]
    form = submit_id(alice.get(chat).text)
    again = alice.post(f"{chat}/replies/{reply_id}/regenerate", submit_id=form).headers["Location"]
    alice.get(again).get_data()
    assert told(upstream) == ["One", "Hello.", "Two"]
    go_on(alice, f"{chat}?at={reply_id}", "Old")
    go_on(alice, again, "New")
    assert told(upstream) == ["One", "Hello.", "Two", "Hello.", "New"]
    assert "2 / 2" in alice.get(again).text


def test_a_branch_that_another_tab_has_begun_meanwhile_is_not_gone_on_with(
    alice: Person, upstream: Upstream, chat: str
) -> None:
    form = Page(alice.get(chat))
    alice.get(edit(alice, chat, questions(alice, chat)[0], "First")).get_data()
    sent = alice.post(form.action, **form.fields | {"message": "Three"}).headers["Location"]
    assert asked(alice, sent) == ["One", "Two", "Three"]
    assert told(upstream) == ["One", "Hello.", "Two", "Hello.", "Three"]


def test_two_tabs_that_go_on_with_the_same_branch_speak_in_turn(alice: Person, upstream: Upstream, chat: str) -> None:
    tabs = [Page(alice.get(chat)) for _ in range(2)]
    for words, form in zip(("Three", "Four"), tabs, strict=True):
        alice.get(alice.post(form.action, **form.fields | {"message": words}).headers["Location"]).get_data()
    assert asked(alice, chat) == ["One", "Two", "Three", "Four"]
    assert told(upstream)[::2] == ["One", "Two", "Three", "Four"]


def test_a_message_can_be_edited_while_its_reply_is_being_written(alice: Person, may_answer: Event) -> None:
    may_answer.clear()
    chat = alice.send("One")
    [asking, _] = json.loads(alice.get(f"{chat}.json").text)["messages"]
    newer = edit(alice, chat, asking["id"], "First")
    may_answer.set()
    assert asked(alice, newer) == ["First"]


def go_on(alice: Person, page: str, words: str) -> str:
    """By the composer of a page; returns where it leads, once the reply has come."""
    form = Page(alice.get(page))
    place = {name: form.fields[name] for name in ("parent", "at", "submit_id") if name in form.fields}
    answer = alice.post(form.action, message=words, **place)
    assert answer.status_code == 303
    alice.get(answer.headers["Location"]).get_data()
    return answer.headers["Location"]


# Copies


def copied(alice: Person, page: str) -> str:
    shown = alice.get(page)
    chat = page.partition("?")[0]
    form = Page(shown).fields
    answer = alice.post(f"{chat}/copy", submit_id=form["submit_id"], at=form["at"])
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_a_branch_becomes_a_chat_of_its_own(alice: Person, upstream: Upstream, chat: str) -> None:
    old = questions(alice, chat)[1]
    alice.get(edit(alice, chat, old, "Second")).get_data()
    copy = copied(alice, f"{chat}?at={old}")
    assert copy != chat
    assert asked(alice, copy) == ["One", "Two"]
    assert "/ 2" not in alice.get(copy).text
    go_on(alice, copy, "Three")
    assert told(upstream) == ["One", "Hello.", "Two", "Hello.", "Three"]
    assert asked(alice, chat) == ["One", "Second"]
    assert alice.get("/chats").text.count(">One</a>") == 2


def test_the_copy_of_a_temporary_chat_is_temporary(alice: Person, database: Database) -> None:
    chat = alice.send("One", temporary="on")
    alice.get(chat).get_data()
    copied(alice, chat)
    assert [row["is_temporary"] for row in rows(database, conversations)] == [True, True]


def test_the_copy_keeps_what_was_said_when_and_by_whom_and_what_the_model_was_told(database: Database) -> None:
    sent = history.begin(database, ALICE, Draft("Hi *there*", MODEL, instructions=Instructions("Be brief.", seed=1)))
    ids = long.lengthen(database, sent.conversation_id, 250)
    with database.write() as connection:
        last = update(messages).where(messages.c.id == ids[-1])
        connection.execute(last.values(reasoning="Hm.", seen_from=ids[-8], prompt_tokens=3, finish_reason="length"))
    before = branch(database, ALICE, sent.conversation_id)
    chat = own_copy(database, sent.conversation_id)
    after = branch(database, ALICE, chat)
    assert [said(message) for message in after] == [said(message) for message in before]
    assert not {message.id for message in after} & {message.id for message in before}
    assert [message.parent_id for message in after] == [None, *(message.id for message in after[:-1])]
    assert after[-1].seen_from == after[-8].id
    assert sorted(row["seq"] for row in rows(database, messages) if row["conversation_id"] == chat) == [*range(1, 253)]
    assert history.instructions(database, ALICE, chat) == Instructions("Be brief.", seed=1)
    assert lists.conversation(database, ALICE, chat).title == "Hi *there*"


def test_what_was_copied_is_found_too(database: Database) -> None:
    chat, _ = long.begin(database, ALICE, 4)
    while passages.index(database):
        pass
    copy = own_copy(database, chat)
    while passages.index(database):
        pass
    indexed = [row["conversation_id"] for row in rows(database, found_by_search)]
    assert indexed.count(copy) == indexed.count(chat) > 0


def test_a_double_click_is_one_copy_for_ever(database: Database) -> None:
    chat, _ = long.begin(database, ALICE, 6)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: own_copy(database, chat, "id"), range(8)))
    assert len(made) == 1
    assert count(database, conversations) == 2
    assert own_copy(database, chat, "other") not in made
    assert own_copy(database, chat) != own_copy(database, chat)
    with database.write() as connection:
        connection.execute(delete(conversations).where(conversations.c.id.in_(made)))
    with pytest.raises(Gone):
        own_copy(database, chat, "id")


def test_a_shared_branch_becomes_a_strangers_own_without_what_the_model_was_told(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 6)
    shared = Source(chat, ids[3], "Shared")
    sent = copies.copy(database, Files(Path()), shared, MALLORY, "")
    found = branch(database, MALLORY, sent.conversation_id)
    assert [message.text for message in found] == ["Message 1", "Message 2", "Message 3", "Message 4"]
    assert found[0].id == sent.message_id
    assert history.instructions(database, MALLORY, sent.conversation_id) == NOTHING
    with pytest.raises(NotFound):
        branch(database, ALICE, sent.conversation_id)


def test_a_reply_that_is_being_written_is_copied_as_far_as_it_has_come(database: Database) -> None:
    sent = history.begin(database, ALICE, Draft("Hi", MODEL))
    reply = branch(database, ALICE, sent.conversation_id)[-1]
    claim = lease.claim(database, reply.id, "runner")
    assert claim
    lease.keep(database, [(claim, Said("So far"))])
    copy = branch(database, ALICE, own_copy(database, sent.conversation_id))[-1]
    assert (copy.status, copy.text, copy.problem) == ("interrupted", "So far", copies.UNFINISHED)
    assert copy.can_go_on
    assert lease.unsettled_of(database, copy.conversation_id) == []
    assert [found.id for found in lease.unsettled(database)] == [reply.id]


def test_the_pictures_of_a_branch_are_the_copys_own(database: Database, tmp_path: Path) -> None:
    files, picture = Files(tmp_path / "files"), Picture("cat.png", "image/png", b"cat", 3, 2)
    with attachments.kept(database, files, [picture]):
        sent = history.begin(database, ALICE, Draft("Look", MODEL, pictures=(picture,)))
    copy = copies.copy(database, files, source(database, ALICE, sent.conversation_id), ALICE, "")
    [found] = attachments.of_chat(database, ALICE, copy.conversation_id)
    assert (found.message_id, found.name) == (copy.message_id, "cat.png")
    files.remove([picture.id])
    with files.open(found.id) as file:
        assert file.read() == b"cat"


@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_OWNER": "2/day"}])
def test_nothing_is_copied_over_a_limit(alice: Person, database: Database, chat: str) -> None:
    form = Page(alice.get(chat)).fields
    refused = alice.post(f"{chat}/copy", submit_id=form["submit_id"], at=form["at"])
    assert refused.status_code == 429
    assert count(database, conversations) == 1


def said(message: Message) -> tuple[object, ...]:
    words = message.role, message.text, message.html, message.renderer, message.reasoning, message.finish_reason
    return *words, message.model, message.created_at, message.prompt_tokens


def source(database: Database, owner: str, chat: str, at: str = "") -> Source:
    title, told = lists.conversation(database, owner, chat).title, history.instructions(database, owner, chat)
    return Source(chat, branches.leaf(database, owner, chat, at), title, told)


def own_copy(database: Database, chat: str, submit: str = "") -> str:
    return copies.copy(database, Files(Path()), source(database, ALICE, chat), ALICE, submit).conversation_id
