"""A chat that Alice shares by a link: what Bob sees, when he sees it no more, and what nobody sees."""

import re
from datetime import datetime, timedelta
from threading import Event
from time import time

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import func, update

from tests.conftest import application
from tests.providers.upstream import Upstream, reply, voigpt
from tests.support import long
from tests.support.databases import count, postgresql_is_long, rows
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.support.servers import Voichat
from tests.support.world import dump
from tests.test_signin import PASSWORD, sign_in
from webapp.chats import attachments
from webapp.chats import shares as links
from webapp.chats.records import Picture, Sent
from webapp.db import Database, conversations, messages, metadata, shares

DAY = 86400.0

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def chat_of(person: Person, *words: str) -> str:
    """A chat in which each of these has been answered."""
    chat = person.send(words[0])
    person.get(chat).get_data()
    for more in words[1:]:
        person.get(person.send(more, chat)).get_data()
    return chat


def share(person: Person, chat: str, at: str = "", **form: str) -> str:
    """Fill in the form and send it; the address of the link."""
    before = addresses(person, chat)
    filled = Page(person.get(f"{chat}/share?at={at}" if at else f"{chat}/share")).fields | form
    answer = person.post(f"{chat}/share", **filled)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith(f"{chat}/share")
    [made] = set(addresses(person, chat)) - set(before)
    return made


def addresses(person: Person, chat: str) -> list[str]:
    """Of the links that the page offers to copy."""
    found = re.findall(r'value="http://localhost(/shares/[0-9a-f]{32})"', person.get(f"{chat}/share").text)
    return [str(each) for each in found]


def revoke(person: Person, chat: str, link: str) -> int:
    return person.post(f"{chat}/shares/{link.rpartition('/')[2]}/revoke").status_code


def said(person: Person, link: str) -> list[str]:
    """The messages, without who wrote them and when."""
    answer = person.get(link)
    assert answer.status_code == 200, answer.text
    return re.findall(r'<div class="text" dir="auto"><p>(.*?)</p>', answer.text)


def change(database: Database, **values: object) -> None:
    with database.write() as connection:
        connection.execute(update(conversations).values(**values))


def ids(database: Database) -> set[str]:
    """Of everything that is stored."""
    found = {str(value) for table in metadata.sorted_tables for row in rows(database, table) for value in row.values()}
    return {value for value in found if re.fullmatch("[0-9a-f]{32,64}", value)}


# What readers see


def test_a_chat_as_it_stood_shows_nothing_that_came_later_and_one_that_goes_on_does(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, "One")
    stood, goes_on = share(alice, chat), share(alice, chat, kind="goes-on")
    assert said(bob, stood) == said(bob, goes_on) == ["One", "Hello."]
    alice.get(alice.send("Two", chat)).get_data()
    assert said(bob, stood) == ["One", "Hello."]
    assert said(bob, goes_on) == ["One", "Hello.", "Two", "Hello."]


def test_of_a_chat_with_branches_the_one_that_was_shown_is_shared(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, "One", "Two")
    _, first, two, _ = (article.id for article in Page(alice.get(chat)).articles)
    alice.post(f"{chat}/messages", message="Rather", parent=first)
    alice.get(chat).get_data()
    for kind in ("stands", "goes-on"):
        newest, older = share(alice, chat, kind=kind), share(alice, chat, two, kind=kind)
        assert said(bob, newest) == ["One", "Hello.", "Rather", "Hello."]
        assert said(bob, older) == ["One", "Hello.", "Two", "Hello."]
    older_form = Page(alice.get(f"{chat}?at={two}")).fields
    alice.get(alice.send("Three", f"{chat}?at={two}", parent=older_form["parent"])).get_data()
    assert said(bob, older)[4:] == ["Three", "Hello."]
    assert said(bob, newest) == ["One", "Hello.", "Rather", "Hello."]


def test_a_reply_that_was_retried_is_gone_from_the_chat_as_it_stood(
    alice: Person, bob: Person, upstream: Upstream
) -> None:
    upstream.queue(voigpt(), reply("Broken", 500))
    chat = chat_of(alice, "One")
    stood, goes_on = share(alice, chat), share(alice, chat, kind="goes-on")
    assert "This reply broke off." in bob.get(stood).text
    form = Page(alice.get(chat))
    alice.post(f"{chat}/replies/{form.articles[1].id}/retry", attempt=form.attempts[0])
    alice.get(chat).get_data()
    assert said(bob, stood) == ["One"]
    assert said(bob, goes_on) == ["One", "Hello."]


def test_a_reply_that_is_being_written_is_shown_when_it_is_finished_and_no_reader_begins_it(
    alice: Person, bob: Person, database: Database, may_answer: Event
) -> None:
    may_answer.clear()
    chat = alice.send("One")
    stood, goes_on = share(alice, chat), share(alice, chat, kind="goes-on")
    before = dump(database)
    assert said(bob, stood) == said(bob, goes_on) == ["One"]
    assert [row["status"] for row in before["messages"] if row["role"] == "assistant"] == ["waiting"]
    assert dump(database)["messages"] == before["messages"]
    may_answer.set()
    alice.get(chat).get_data()
    assert (said(bob, stood), said(bob, goes_on)) == (["One"], ["One", "Hello."])


def test_a_new_title_is_seen_only_where_the_chat_goes_on(alice: Person, bob: Person, database: Database) -> None:
    chat = chat_of(alice, "One")
    stood, goes_on = share(alice, chat), share(alice, chat, kind="goes-on")
    change(database, title="My secret")
    assert (Page(bob.get(stood)).title, Page(bob.get(goes_on)).title) == ("One · Voichat", "My secret · Voichat")


# What nobody sees


def test_a_page_holds_no_id_of_the_owners_and_nothing_beside_that_branch(
    alice: Person, bob: Person, database: Database
) -> None:
    chat_of(alice, "Another chat")
    chat = chat_of(alice, "One", "Two")
    first = Page(alice.get(chat)).articles[1].id
    alice.post(f"{chat}/messages", message="Rather", parent=first)
    alice.get(chat).get_data()
    alice.post("/presets", name="My preset")
    change(database, system="My system prompt")
    with database.write() as connection:
        connection.execute(update(messages).values(reasoning="My reasoning", problem="My problem"))
    for link in (share(alice, chat), share(alice, chat, kind="goes-on")):
        page = bob.get(link)
        shown = f"{page.headers}{page.text}"
        assert {each for each in ids(database) if each in shown} <= {link.rpartition("/")[2]}
        assert said(bob, link) == ["One", "Hello.", "Rather", "Hello."]
        secrets = ("Another", "Two", "My preset", "My system prompt", "My reasoning", "My problem", alice.sid)
        assert [each for each in secrets if each in shown] == []


def test_a_picture_is_shown_by_the_link_to_its_branch_alone_and_a_copy_has_its_own(
    alice: Person, bob: Person, database: Database
) -> None:
    chat = chat_of(alice, "One", "Two")
    _, first, two, _ = (article.id for article in Page(alice.get(chat)).articles)
    attach(alice, database, chat, two)
    link, other = share(alice, chat), share(alice, chat)
    alice.post(f"{chat}/messages", message="Rather", parent=first)
    alice.get(chat).get_data()
    rather = share(alice, chat)
    [shown] = re.findall(r'<img src="([^"]*)"', bob.get(link).text)
    assert shown.startswith(f"{link}/files/")
    with bob.get(shown) as picture:
        assert (picture.data, picture.headers["X-Robots-Tag"]) == (b"Picture", "noindex")
    assert "<img" not in bob.get(rather).text
    own = copy(bob, link)
    revoke(alice, chat, link)
    for address in (shown, shown.replace(link, rather), shown.replace(link, f"/shares/{'0' * 32}")):
        assert bob.get(address).status_code == 404
    with bob.get(shown.replace(link, other)) as picture:
        assert picture.data == b"Picture"
    [copied] = re.findall(r'<img src="([^"]*)"', bob.get(own).text)
    with bob.get(copied) as picture:
        assert picture.data == b"Picture"


def attach(person: Person, database: Database, chat: str, message_id: str) -> None:
    """Give a message a picture, whatever its model takes."""
    picture = Picture("cat.png", "image/png", b"Picture", 3, 2)
    files, sent = person.app.extensions["voichat"].files, Sent(chat.rpartition("/")[2], message_id)
    with attachments.kept(database, files, [picture]), database.write() as connection:
        attachments.add(connection, "", sent, [picture])


def test_a_name_is_shown_only_if_it_was_given(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, "One")
    assert "Author" in bob.get(share(alice, chat)).text
    named = bob.get(share(alice, chat, name="  Alice\u202e L. ")).text
    assert ("<bdi>Alice L.</bdi>" in named, "Author" in named) == (True, False)


def test_who_reads_needs_no_cookie_gets_none_and_changes_nothing(
    alice: Person, bob: Person, mallory: Person, database: Database
) -> None:
    link = share(alice, chat_of(alice, "One"))
    chat_of(bob, "Mine")
    before = dump(database)
    for reader in (bob, mallory):
        for verb in ("GET", "HEAD"):
            answer = reader.client.open(link, method=verb)
            assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
            assert (answer.headers["X-Robots-Tag"], answer.headers["Cache-Control"]) == ("noindex", "no-store")
    assert dump(database) == before
    assert '<meta name="robots" content="noindex">' in bob.get(link).text


@on_sqlite
def test_a_shared_chat_is_text_wherever_it_is_shown(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, SCRIPT)
    link = share(alice, chat, name=SCRIPT[:60])
    for answer in (bob.get(link), alice.get(f"{chat}/share"), alice.get("/shares")):
        assert Page(answer).is_harmless


# When it ends


def test_a_link_that_was_revoked_shows_nothing_and_may_be_revoked_again(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, "One")
    link, other = share(alice, chat), share(alice, chat)
    assert [revoke(alice, chat, link) for _ in range(2)] == [303, 303]
    assert (bob.get(link).status_code, alice.get(link).status_code, bob.get(other).status_code) == (404, 404, 200)
    assert addresses(alice, chat) == [other]
    assert revoke(bob, chat, other) == 404
    assert bob.get(other).status_code == 200


@pytest.mark.parametrize(
    ("ends", "seconds"), [("", None), ("day", DAY), ("week", 7 * DAY), ("month", 30 * DAY)], ids=str
)
def test_a_link_ends_after_as_long_as_was_asked_for(
    alice: Person, bob: Person, database: Database, ends: str, seconds: float | None
) -> None:
    link = share(alice, chat_of(alice, "One"), ends=ends)
    [row] = rows(database, shares)
    assert row["ends_at"] == (seconds and pytest.approx(time() + seconds, abs=60))
    with database.write() as connection:
        connection.execute(update(shares).where(shares.c.ends_at.is_not(None)).values(ends_at=time() - 1))
    assert bob.get(link).status_code == (404 if seconds else 200)


def test_of_a_day_that_is_named_the_link_ends_with_it(alice: Person, bob: Person, database: Database) -> None:
    today = datetime.now().astimezone()
    link = share(alice, chat_of(alice, "One"), ends="week", day=f"{today:%Y-%m-%d}")
    [row] = rows(database, shares)
    midnight = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert row["ends_at"] == pytest.approx(midnight.timestamp(), abs=3700)  # the clocks may be changed that night
    assert bob.get(link).status_code == 200


def test_of_a_deleted_chat_there_is_nothing_and_all_of_it_when_that_is_undone(
    alice: Person, bob: Person, database: Database
) -> None:
    link = share(alice, chat_of(alice, "One"))
    nothing = bob.get(f"/shares/{'0' * 32}")
    assert "A shared chat opens until its link ends or is revoked" in nothing.text
    change(database, deleted_at=time())
    assert (bob.get(link).status_code, bob.get(link).data) == (404, nothing.data)
    assert link not in alice.get("/shares").text
    change(database, deleted_at=None)
    assert said(bob, link) == ["One", "Hello."]


def test_a_temporary_chat_is_not_shared(alice: Person, bob: Person, database: Database) -> None:
    chat = chat_of(alice, "One")
    link = share(alice, chat)
    change(database, is_temporary=True)
    assert "A temporary chat is not shared" in alice.get(f"{chat}/share").text
    refused = alice.post(f"{chat}/share", name="Alice")
    assert (refused.status_code, "A temporary chat cannot be shared: keep it first." in refused.text) == (409, True)
    assert (bob.get(link).status_code, count(database, shares)) == (404, 1)


def test_a_link_that_has_ended_is_removed_a_day_later_and_no_other(alice: Person, database: Database) -> None:
    chat = chat_of(alice, "One")
    for ends in ("", "week", "day", "month"):
        share(alice, chat, ends=ends)
    with database.write() as connection:
        for days, ended in ((7, 1.5), (1, 0.5)):
            near = func.abs(shares.c.ends_at - time() - days * DAY) < DAY / 2
            connection.execute(update(shares).where(near).values(ends_at=time() - ended * DAY))
    links.remove_ended(database)
    assert sorted((row["ends_at"] or 0) > time() - DAY for row in rows(database, shares)) == [False, True, True]


# Going on with it


def copy(person: Person, link: str) -> str:
    """Press “Go on with this chat”; the address of the chat."""
    answer = person.post(f"{link}/copy", **Page(person.get(link)).fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_a_reader_goes_on_with_a_copy_and_the_owners_chat_stays_as_it_was(
    alice: Person, bob: Person, database: Database, upstream: Upstream
) -> None:
    chat = chat_of(alice, "One")
    change(database, system="My system prompt")
    with database.write() as connection:
        values = dict(reasoning="My reasoning", problem="My problem", prompt_tokens=9, completion_tokens=9)
        connection.execute(update(messages).values(**values))
    link, before = share(alice, chat), dump(database)
    own = copy(bob, link)
    bob.get(bob.send("Two", own)).get_data()
    assert [article.role for article in Page(bob.get(own)).articles] == ["user", "assistant"] * 2
    asked = [each["content"] for each in upstream.asked_for("POST")[-1].json["messages"]]
    assert asked == ["One", "Hello.", "Two"]
    assert [person.get(own).status_code for person in (alice, bob)] == [404, 200]
    after = dump(database)
    for table in ("conversations", "messages", "shares"):
        assert [row for row in after[table] if row in before[table]] == before[table]
    added = [row for table in ("conversations", "messages") for row in after[table] if row not in before[table]]
    assert "My " not in str(added)
    assert said(alice, link) == ["One", "Hello."]


def test_a_copy_holds_what_was_shown_and_in_place_of_other_replies_says_so(
    alice: Person, bob: Person, database: Database, may_answer: Event
) -> None:
    may_answer.clear()
    chat = alice.send("One")
    stood, goes_on = share(alice, chat), share(alice, chat, kind="goes-on")
    reply = messages.c.role == "assistant"
    with database.write() as connection:
        live = dict(status="live", text="So far", reasoning="Hm", lease_until=time() + 60, runner="x")
        connection.execute(update(messages).where(reply).values(**live))
    for link in (stood, goes_on):
        page = bob.get(copy(bob, link)).text
        assert ("This reply was not shared with you." in page, "Retry" in page, "So far" in page) == (True, True, False)
    with database.write() as connection:
        ended = dict(status="complete", text="All of it", lease_until=None, runner=None, settled_at=time())
        connection.execute(update(messages).where(reply, messages.c.status == "live").values(**ended))
    assert ["All of it" in bob.get(copy(bob, link)).text for link in (stood, goes_on)] == [False, True]


def test_a_double_click_makes_one_copy_also_in_a_browser_that_is_new(
    alice: Person, bob: Person, mallory: Person, database: Database
) -> None:
    link = share(alice, chat_of(alice, "One"))
    form = Page(bob.get(link)).fields
    assert len({person.post(f"{link}/copy", **form).headers["Location"] for person in (bob, mallory, bob)}) == 1
    assert bob.sid == mallory.sid
    assert count(database, conversations) == 2


@on_sqlite
@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_ADDRESS": "3/day"}], ids=["3 a day"])
def test_a_copy_counts_as_a_message_so_nobody_makes_them_without_end(
    alice: Person, mallory: Person, database: Database
) -> None:
    link = share(alice, chat_of(alice, "One"))
    answers = [Person(mallory.app).post(f"{link}/copy") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 429, 429]
    assert ("Set-Cookie" in answers[2].headers, count(database, conversations)) == (False, 2)


@pytest.mark.parametrize("kind", ["stands", "goes-on"])
def test_a_long_chat_is_read_in_parts_and_copied_whole(
    alice: Person, bob: Person, database: Database, kind: str
) -> None:
    chat = chat_of(alice, "One")
    long.lengthen(database, chat.rpartition("/")[2], 204, "Words")
    link = share(alice, chat, kind=kind)
    read = {page: len(said(bob, f"{link}?page={page}")) for page in (1, 2, 3, 4, 0, -1, "x")}
    assert read == {1: 100, 2: 100, 3: 6, 4: 6, 0: 100, -1: 100, "x": 100}
    links = [place for place in Page(bob.get(f"{link}?page=2")).links if place.startswith(link)]
    assert links == [f"{link}?page=1", f"{link}?page=3"]
    copy(bob, link)
    assert count(database, messages) == 2 * 206


# The form


def test_a_double_click_makes_one_link_and_another_form_another(alice: Person, database: Database) -> None:
    chat = chat_of(alice, "One")
    forms = [Page(alice.get(f"{chat}/share")).fields for _ in range(2)]
    for form in (forms[0], forms[0], forms[1], forms[0] | {"name": "Alice"}):
        assert alice.post(f"{chat}/share", **form).status_code == 303
    assert count(database, shares) == 3


def test_a_revoked_link_does_not_come_back_when_its_form_is_sent_again(
    alice: Person, bob: Person, database: Database
) -> None:
    chat = chat_of(alice, "One")
    form = Page(alice.get(f"{chat}/share")).fields
    alice.post(f"{chat}/share", **form)
    [link] = addresses(alice, chat)
    revoke(alice, chat, link)
    assert alice.post(f"{chat}/share", **form).status_code == 303
    assert (bob.get(link).status_code, addresses(alice, chat), count(database, shares)) == (404, [], 1)


@pytest.mark.parametrize(
    ("wrong", "status", "sentence"),
    [
        ({"name": "x" * 61}, 413, "Your name has 61 characters; at most 60 are taken."),
        ({"kind": "x"}, 400, "Pick what readers see"),
        ({"ends": "x"}, 400, "Pick what readers see"),
        ({"day": "tomorrow"}, 400, "must look like 2031-12-24"),
        ({"day": "2001-01-01"}, 400, "must be today or later"),
        ({"day": "9999-12-31"}, 400, "must be today or later"),
        ({"day": "1" * 21}, 413, "The day has 21 characters"),
        ({"submit_id": "x" * 201}, 413, "The submit id has 201 characters"),
    ],
    ids=str,
)
@on_sqlite
def test_a_form_that_makes_no_sense_is_refused_and_what_was_typed_is_kept(
    alice: Person, database: Database, wrong: dict[str, str], status: int, sentence: str
) -> None:
    chat = chat_of(alice, "One")
    form = Page(alice.get(f"{chat}/share")).fields | {"name": "Alice", "kind": "goes-on"} | wrong
    refused = alice.post(f"{chat}/share", **form)
    assert (refused.status_code, sentence in Page(refused).text) == (status, True)
    typed = ("at", "name", "day") + (() if "submit_id" in wrong else ("submit_id",))
    assert [Page(refused).fields[name] for name in typed] == [form[name] for name in typed]
    assert count(database, shares) == 0


@on_sqlite
def test_a_link_may_end_in_the_year_9999_and_be_made_without_the_form(alice: Person, bob: Person) -> None:
    chat = chat_of(alice, "One")
    share(alice, chat, day="9999-12-30")
    assert alice.post(f"{chat}/share").status_code == 303
    assert [said(bob, link) for link in addresses(alice, chat)] == [["One", "Hello."]] * 2


def test_a_chat_has_twenty_links_at_most_and_a_person_two_hundred(
    alice: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_OF_A_CHAT", 2)
    monkeypatch.setattr(links, "MOST_OF_A_PERSON", 3)
    first, second = chat_of(alice, "One"), chat_of(alice, "Two")
    for chat in (first, first, second):
        share(alice, chat)
    for chat, sentence in ((first, "This chat has 2 links"), (second, "You have 3 links")):
        refused = alice.post(f"{chat}/share", name="Alice")
        assert (refused.status_code, sentence in refused.text) == (409, True)
        assert Page(refused).fields["name"] == "Alice"
    revoke(alice, first, addresses(alice, first)[0])
    share(alice, second)
    assert count(database, shares) == 4


@on_sqlite
@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_OWNER": "3/day"}], ids=["3 a day"])
def test_making_a_link_counts_as_a_message_so_nobody_makes_them_without_end(alice: Person, database: Database) -> None:
    chat = chat_of(alice, "One")
    answers = [alice.post(f"{chat}/share").status_code for _ in range(4)]
    assert (answers, count(database, shares)) == ([303, 303, 429, 429], 2)


# All links of a person


def test_all_links_stand_on_one_page_and_are_revoked_there(alice: Person, bob: Person) -> None:
    first, second = chat_of(alice, "One"), chat_of(alice, "Two")
    kept, gone = share(alice, first), share(alice, second)
    page = alice.get("/shares").text
    assert page.index(gone) < page.index(kept)
    answer = alice.post(f"{second}/shares/{gone.rpartition('/')[2]}/revoke", list="1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/shares")
    assert (kept in alice.get("/shares").text, gone in alice.get("/shares").text) == (True, False)
    assert "You share no chat." in bob.get("/shares").text


# Where it opens


@on_sqlite
@pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])
def test_behind_the_teams_password_a_reader_signs_in_first(alice: Person, bob: Person) -> None:
    sign_in(alice)
    link = share(alice, chat_of(alice, "One"))
    turned_away = bob.get(link)
    assert (turned_away.status_code, turned_away.headers["Location"]) == (303, f"/login?next={link}")
    assert sign_in(bob, path=turned_away.headers["Location"]).headers["Location"] == link
    assert said(bob, link) == ["One", "Hello."]


def test_where_sharing_is_switched_off_there_are_no_links(
    alice: Person, bob: Person, environment: dict[str, str]
) -> None:
    chat = chat_of(alice, "One")
    link = share(alice, chat)
    with application(environment | {"VOICHAT_SHARES": "off"}) as app:
        later = Person(app)
        later.client.set_cookie("voichat", alice.sid)
        assert "/share" not in later.get(chat).text + later.get("/chats").text
        for path in (link, f"{chat}/share", "/shares"):
            assert later.get(path).status_code == 404
        for path in (f"{chat}/share", f"{chat}/shares/{link.rpartition('/')[2]}/revoke"):
            assert later.post(path).status_code == 404
    assert said(bob, link) == ["One", "Hello."]


# In a browser without JavaScript


@pytest.mark.browser
@postgresql_is_long
def test_alice_shares_a_chat_with_bob_and_revokes_the_link(chromium: Browser, voichat: Voichat) -> None:
    with (
        chromium.new_context(java_script_enabled=False) as hers,
        chromium.new_context(java_script_enabled=False) as his,
    ):
        alice, bob = hers.new_page(), his.new_page()
        alice.goto(voichat.url)
        alice.get_by_label("Message", exact=True).fill("Hi")
        alice.get_by_role("button", name="Send").click()
        expect(alice.locator("article .text").last).to_have_text("Hello.")
        alice.locator(".menu summary").click()
        alice.get_by_role("link", name="Share").click()
        alice.get_by_label("Your name").fill("Alice")
        alice.get_by_role("button", name="Make a link").click()
        link = alice.get_by_label("Address of the link").input_value()
        bob.goto(link)
        expect(bob.locator("article .text")).to_have_text(["Hi", "Hello."])
        expect(bob.locator(".who").first).to_have_text("Alice")
        bob.get_by_role("button", name="Go on with this chat").click()
        bob.get_by_label("Message", exact=True).fill("And I?")
        bob.get_by_role("button", name="Send").click()
        expect(bob.locator("article .text")).to_have_text(["Hi", "Hello.", "And I?", "Hello."])
        alice.get_by_role("button", name="Revoke").click()
        expect(alice.get_by_role("button", name="Revoke")).to_have_count(0)
        bob.goto(link)
        expect(bob.get_by_text("ask whoever sent it to you for another")).to_be_visible()
