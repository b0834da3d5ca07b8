"""Long chats: a page shows as much as one reads, and leads to the rest."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import pytest
from sqlalchemy import event, select, update

from tests.support import long
from tests.support.branches import branch
from tests.support.pages import Page
from tests.support.people import Person
from webapp.chats import branches, history, windows
from webapp.chats.records import Draft, NotFound
from webapp.chats.windows import PAGE, Window
from webapp.db import Database, conversations, messages

ALICE, MALLORY = "a" * 32, "f" * 32
MODEL = "voigpt/gpt-3.5-turbo"


def shown(found: Window) -> list[str]:
    return [message.id for message in found.messages]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are run within."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        found.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield found
    event.remove(database.engine, "before_cursor_execute", note)


# What is shown


@pytest.mark.parametrize("count", [2, PAGE, PAGE + 2, 10_000])
def test_a_chat_opens_at_its_tail(database: Database, count: int) -> None:
    chat, ids = long.begin(database, ALICE, count)
    found = windows.window(database, ALICE, chat)
    assert shown(found) == ids[-PAGE:]
    assert found.earlier == (ids[-PAGE] if count > PAGE else None)
    assert (found.newest.id, found.following) == (ids[-1], [])


def test_a_message_of_the_tail_shows_the_tail_and_an_older_one_stands_amid_its_window(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 10_000)
    for number in (9_999, 10_000 - PAGE):
        assert shown(windows.window(database, ALICE, chat, at=ids[number])) == ids[-PAGE:]
    found = windows.window(database, ALICE, chat, at=ids[5_000])
    assert len(found.messages) == PAGE
    assert ids[5_000] in shown(found)[PAGE // 3 : -PAGE // 3]
    assert found.newest.id == ids[-1]
    assert ids[0] in shown(windows.window(database, ALICE, chat, at=ids[0]))


def test_earlier_and_later_lead_through_all_of_a_chat_and_back(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 3 * PAGE + 20)
    found = windows.window(database, ALICE, chat)
    upwards = shown(found)
    while found.earlier:
        found = windows.window(database, ALICE, chat, found.newest.id, found.earlier)
        upwards = shown(found) + upwards
    assert upwards == ids
    downwards = shown(found)
    while found.following:
        assert found.following[0] == ids[len(downwards)]
        found = windows.window(database, ALICE, chat, found.newest.id, found.later or "")
        downwards += [message_id for message_id in shown(found) if message_id not in downwards]
    assert downwards == ids


def test_above_the_first_message_is_nothing(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 4)
    with pytest.raises(NotFound):
        windows.window(database, ALICE, chat, before=ids[0])


def test_a_message_of_another_branch_is_not_above(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 6)
    other = history.append(database, ALICE, chat, Draft("Other", MODEL, parent_id=ids[1])).message_id
    with pytest.raises(NotFound):
        windows.window(database, ALICE, chat, at=ids[5], before=other)
    assert shown(windows.window(database, ALICE, chat, at=ids[5], before=ids[3])) == ids[:3]
    assert shown(windows.window(database, ALICE, chat, before=other)) == ids[:2]


def test_a_window_is_its_owners_and_of_its_own_chat(database: Database) -> None:
    chat, _ = long.begin(database, ALICE, 6)
    _, elsewhere = long.begin(database, ALICE, 6)
    for owner, where in ((MALLORY, {}), (ALICE, {"at": elsewhere[3]}), (ALICE, {"before": elsewhere[3]})):
        with pytest.raises(NotFound):
            windows.window(database, owner, chat, **where)


def test_the_line_of_what_the_model_has_seen_is_that_of_the_newest_answer_whatever_is_shown(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 3 * PAGE)
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.id == ids[-1]).values(seen_from=ids[PAGE]))
    assert windows.window(database, ALICE, chat).seen_from == ids[PAGE]
    assert windows.window(database, ALICE, chat, at=ids[PAGE]).seen_from == ids[PAGE]


def test_a_long_chat_is_asked_as_little_as_a_short_one(database: Database) -> None:
    short, _ = long.begin(database, ALICE, PAGE)
    chat, _ = long.begin(database, ALICE, 2_000)
    asked = []
    for each in (short, chat):
        with counted(database) as statements:
            windows.part(database, windows.window(database, ALICE, each).messages)
        asked.append(len(statements))
    assert asked[0] in (asked[1], asked[1] + 1)  # the beginnings of a chat are asked for where it begins


def test_what_a_model_is_told_of_a_long_chat_comes_with_one_query(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 2_000)
    with counted(database) as statements:
        _, told = history.context(database, chat, ids[-2])
    assert [message.id for message in told] == ids[:-1]
    assert len([each for each in statements if "messages" in each]) == 1


def test_a_whole_branch_is_read_a_few_messages_at_a_time(database: Database) -> None:
    chat, ids = long.begin(database, ALICE, 3 * branches.AT_ONCE + 10)
    parts = list(windows.whole(database, branches.ids(database, ALICE, chat)))
    assert [len(part.messages) for part in parts] == [branches.AT_ONCE] * 3 + [10]
    assert [message.id for part in parts for message in part.messages] == ids


# Its pages


@pytest.fixture
def chat(alice: Person, database: Database) -> str:
    """Alice's, of 130 messages."""
    address = alice.send("Message 1")
    alice.get(address).get_data()
    long.lengthen(database, address.rpartition("/")[2], 128)
    return address


def ids_of(database: Database, chat: str) -> list[str]:
    query = select(messages.c.id).where(messages.c.conversation_id == chat.rpartition("/")[2])
    with database.read() as connection:
        return list(connection.execute(query.order_by(messages.c.seq)).scalars())


def articles(alice: Person, address: str) -> list[str]:
    return [article.id for article in Page(alice.get(address)).articles]


def link(alice: Person, address: str, words: str) -> str:
    found = re.search(f'<a href="([^"]*)"[^>]*>{words}</a>', alice.get(address).text)
    return unescape(found[1]) if found else ""


def test_alice_reads_upwards_by_links_and_down_again(alice: Person, database: Database, chat: str) -> None:
    ids = ids_of(database, chat)
    assert articles(alice, chat) == ids[-50:]
    earlier = link(alice, chat, "Earlier messages")
    assert articles(alice, earlier) == ids[-100:-50]
    first = link(alice, earlier, "Earlier messages")
    assert articles(alice, first) == ids[:30]
    assert link(alice, first, "Earlier messages") == ""
    later = link(alice, first, "Later messages")
    assert later.endswith(f"#{ids[30]}")
    assert articles(alice, later) == ids[30:80]
    assert articles(alice, link(alice, later, "Later messages")) == ids[-50:]
    assert articles(alice, link(alice, first, "Newest messages")) == ids[-50:]


def test_a_chat_that_is_shown_whole_has_no_such_links(alice: Person) -> None:
    page = alice.get(alice.send("Hi")).text
    assert not re.search(">(Earlier|Later|Newest|All) messages", page)


def test_all_messages_are_one_page_for_print_and_saving(alice: Person, database: Database, chat: str) -> None:
    whole = link(alice, chat, "All messages")
    assert articles(alice, whole) == ids_of(database, chat)
    assert not re.search(">(Earlier|Later|Newest|All) messages", alice.get(whole).text)
    assert alice.client.head(whole).status_code == 200


def test_a_found_message_is_on_the_page_that_its_address_opens(alice: Person, database: Database, chat: str) -> None:
    for message_id in ids_of(database, chat)[::10]:
        assert message_id in articles(alice, f"{chat}?at={message_id}")


def test_whatever_is_shown_the_composer_goes_on_at_the_end(alice: Person, database: Database, chat: str) -> None:
    some = ids_of(database, chat)
    for query in ("", f"?at={some[40]}", f"?before={some[40]}", f"?at={some[40]}&before={some[20]}", "?all=1"):
        form, ids = Page(alice.get(chat + query)), ids_of(database, chat)
        assert alice.post(form.action, message="Next", **place(form)).status_code == 303
        [question] = branch(database, owner(database, chat), chat.rpartition("/")[2])[-2:-1]
        assert (question.text, question.parent_id) == ("Next", ids[-1])


def place(form: Page) -> dict[str, str]:
    return {name: form.fields[name] for name in ("parent", "at") if name in form.fields}


def owner(database: Database, chat: str) -> str:
    query = select(conversations.c.owner_id).where(conversations.c.id == chat.rpartition("/")[2])
    with database.read() as connection:
        return str(connection.execute(query).scalar_one())


def test_curl_gets_the_whole_branch_and_so_do_the_files(alice: Person, database: Database, chat: str) -> None:
    ids = ids_of(database, chat)
    for text in (
        alice.get(chat, headers={"Accept": "text/plain"}).text,
        alice.get(f"{chat}?at={ids[40]}", headers={"Accept": "text/plain"}).text,
        alice.get(f"{chat}.txt").text,
        alice.get(f"{chat}.md").text,
    ):
        assert [int(number) for number in re.findall(r"^Message (\d+)$", text, re.MULTILINE)] == [1, *range(3, 131)]
    assert [message["id"] for message in json.loads(alice.get(f"{chat}.json").text)["messages"]] == ids


@pytest.mark.parametrize(("query", "accepted"), [("?all=1", "text/html"), ("", "text/plain")])
def test_a_long_branch_is_sent_as_it_is_read(
    alice: Person, database: Database, chat: str, query: str, accepted: str
) -> None:
    long.lengthen(database, chat.rpartition("/")[2], 1_000)
    with counted(alice.app.extensions["voichat"].database) as statements:
        answer = alice.get(chat + query, headers={"Accept": accepted}, buffered=False)
        pieces = iter(answer.response)
        next(pieces)
        before = len(statements)
        assert len(list(pieces)) > 1
        assert len(statements) > before
        answer.close()


def test_a_reply_that_is_written_in_a_long_chat_comes_on_its_page(alice: Person, chat: str) -> None:
    sent = alice.send("And now?", chat)
    page = Page(alice.get(sent))
    assert len(page.articles) == PAGE
    assert (page.articles[-1].status, page.articles[-1].end) == ("waiting", "complete")
    assert alice.get(chat, headers={"Accept": "text/plain"}).text.endswith("Hello.\n\n")


def test_mallory_reads_no_part_of_it(mallory: Person, database: Database, chat: str) -> None:
    mallory.send("Mine")
    some = ids_of(database, chat)[40]
    assert {mallory.get(f"{chat}?{query}={some}").status_code for query in ("at", "before", "all")} == {404}
