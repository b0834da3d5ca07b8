"""Nobody asks for more than a limit allows, whatever worker hears it; over it, words wait and nothing is lost."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.providers.upstream import Upstream
from tests.support.databases import count, rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import Voichat, wait_until
from tests.support.visitors import Answer, Visitor, at_once
from webapp.chats import history, replies
from webapp.chats.records import Draft
from webapp.db import Database, messages, metadata, meters, sessions
from webapp.parsers import quota
from webapp.sentences import Sentence
from webapp.settings import load
from webapp.users import limits
from webapp.users.limits import LimitReached, Limits, Sender

OFFICE, HOME = "192.0.2.1", "198.51.100.7"
FORM = "application/x-www-form-urlencoded"
WHOSE = ("OWNER", "ADDRESS", "EVERYBODY")
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def limited(**to: str) -> pytest.MarkDecorator:
    """`limited(owner="3/minute")`: what the admin has set."""
    return pytest.mark.parametrize("settings", [{f"VOICHAT_LIMIT_{whose.upper()}": text for whose, text in to.items()}])


@dataclass
class Clock:
    """The time that limits go by."""

    now: float = 1_800_000_000.3

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(limits, "time", made)
    return made


def at(person: Person, address: str) -> Person:
    person.client.environ_base["REMOTE_ADDR"] = address
    return person


def send(person: Person, words: str = "Hi") -> int:
    return person.post("/chats", message=words).status_code


def seconds(refused: TestResponse) -> int:
    assert refused.status_code == 429
    return int(refused.headers["Retry-After"])


# Messages a minute and a day


@pytest.mark.parametrize(
    ("settings", "wait"),
    [
        ({"VOICHAT_LIMIT_OWNER": "3/minute"}, 20),
        ({"VOICHAT_LIMIT_OWNER": "3/day"}, 28_800),
        ({"VOICHAT_LIMIT_ADDRESS": "3/minute"}, 20),
        ({"VOICHAT_LIMIT_ADDRESS": "3/day"}, 28_800),
        ({"VOICHAT_LIMIT_EVERYBODY": "3/minute"}, 20),
        ({"VOICHAT_LIMIT_EVERYBODY": "3/day"}, 28_800),
        ({"VOICHAT_LIMIT_OWNER": "7/minute 3/day", "VOICHAT_LIMIT_EVERYBODY": "9/minute"}, 28_800),
    ],
)
def test_three_may_come_at_once_and_then_one_each_time_that_a_third_of_the_period_has_passed(
    alice: Person, clock: Clock, wait: int
) -> None:
    assert [send(alice) for _ in range(4)] == [303, 303, 303, 429]
    clock.now += wait - 0.1
    assert send(alice) == 429
    clock.now += 0.1
    assert [send(alice), send(alice)] == [303, 429]
    clock.now += 3 * wait
    assert [send(alice) for _ in range(4)] == [303, 303, 303, 429]


@pytest.mark.parametrize("number", [9, 19, 60, 1000])
@ON_ONE_DATABASE
def test_a_limit_is_met_to_the_message_however_its_steps_are_rounded(
    database: Database, clock: Clock, number: int
) -> None:
    admit = partial(Limits(quota(f"{number}/minute"), quota("none"), quota("none")).admit, Sender("a" * 32, ""))
    with database.write() as connection:
        for _ in range(number):
            admit(connection, "")
        with pytest.raises(LimitReached) as caught:
            admit(connection, "")
        assert isinstance(str(caught.value), Sentence)
        clock.now += 60
        for _ in range(number):
            admit(connection, "")


@limited(owner="1/day")
def test_the_limit_of_one_person_is_no_other_persons(alice: Person, bob: Person) -> None:
    assert [send(alice), send(alice), send(bob), send(bob)] == [303, 429, 303, 429]


@limited(address="1/day")
def test_the_limit_of_one_address_is_all_those_peoples_who_come_from_it(
    alice: Person, bob: Person, mallory: Person
) -> None:
    assert [send(at(alice, OFFICE)), send(at(bob, OFFICE)), send(at(mallory, HOME))] == [303, 429, 303]


@limited(everybody="2/day")
def test_the_limit_of_all_is_everybodys_from_everywhere(alice: Person, bob: Person, mallory: Person) -> None:
    assert [send(at(alice, OFFICE)), send(at(bob, HOME)), send(mallory), send(alice)] == [303, 303, 429, 429]


@limited(owner="1/day")
def test_a_next_message_counts_as_a_first_one_does(alice: Person) -> None:
    chat = alice.send("One")
    refused = alice.post(f"{chat}/messages", message="Two")
    assert (refused.status_code, Page(refused).words, Page(refused).action) == (429, "Two", f"{chat}/messages")


# The page


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"VOICHAT_LIMIT_OWNER": "5/minute"}, "You have reached the limit of 5 messages a minute."),
        ({"VOICHAT_LIMIT_ADDRESS": "5/minute"}, "Your network has reached the limit of 5 messages a minute."),
        (
            {"VOICHAT_LIMIT_EVERYBODY": "5/minute"},
            "All people here together have reached the limit of 5 messages a minute.",
        ),
    ],
)
@ON_ONE_DATABASE
def test_the_page_names_the_limit_and_says_when_it_opens(alice: Person, clock: Clock, sentence: str) -> None:
    for _ in range(5):
        send(alice)
    clock.now += 0.5
    refused = alice.post("/chats", message="My long letter")
    assert seconds(refused) == 12
    assert f"<h1>{sentence}" in refused.text
    assert "You can send again in 12 seconds." in refused.text


@limited(owner="1/minute 4/day")
@ON_ONE_DATABASE
def test_of_two_limits_the_page_names_the_one_that_opens_last(alice: Person, clock: Clock) -> None:
    for _ in range(4):
        assert send(alice) == 303
        clock.now += 60
    clock.now -= 30
    refused = alice.post("/chats", message="Hi")
    assert "4 messages a day" in refused.text
    clock.now += seconds(refused)
    assert send(alice) == 303


@limited(owner="1/day")
@ON_ONE_DATABASE
def test_what_opens_in_hours_opens_at_a_time_of_day(alice: Person, clock: Clock) -> None:
    send(alice)
    clock.now += 86_400 - 3 * 3600
    before = datetime.now().astimezone()
    refused = alice.post("/chats", message="Hi")
    [said] = set(re.findall(r"1 message a day\. You can send again at ([^<]*)\.", refused.text))
    opens = before + timedelta(hours=3)
    assert said[-5:] in {f"{opens + timedelta(minutes=more):%H:%M}" for more in (1, 2)}


@pytest.mark.parametrize("is_first", [True, False], ids=["first message", "next message"])
@limited(owner="1/minute", address="1/minute", everybody="1/minute")
def test_a_refused_message_leaves_nothing_behind_and_goes_out_with_the_same_form_when_the_limit_opens(
    alice: Person, bob: Person, database: Database, clock: Clock, is_first: bool
) -> None:
    form = Page(alice.get("/" if is_first else alice.send("One")))
    if is_first:
        send(bob)
    before = {name: rows(database, table) for name, table in metadata.tables.items()}
    refused = alice.post(form.action, **form.fields | {"message": "My long letter\n& more"})
    assert {name: rows(database, table) for name, table in metadata.tables.items()} == before
    assert "Set-Cookie" not in refused.headers
    again = Page(refused)
    assert (again.action, again.words) == (form.action, "My long letter\n& more")
    assert again.fields["submit_id"] == form.fields["submit_id"]
    clock.now += seconds(refused)
    answers = [alice.post(again.action, **again.fields | {"message": again.words}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert [row["text"] for row in rows(database, messages)].count(again.words) == 1


@limited(owner="2/day", address="2/day", everybody="2/day")
def test_the_same_form_again_does_not_count_and_is_let_in_when_the_limit_is_reached(alice: Person) -> None:
    form = Page(alice.get("/")).fields | {"message": "Hi"}
    answers = [alice.post("/chats", **form) for _ in range(5)]
    assert [send(alice), send(alice)] == [303, 429]
    answers.append(alice.post("/chats", **form))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1


@limited(address="1/minute")
@ON_ONE_DATABASE
@pytest.mark.parametrize("headers", [{}, {"Accept": "text/plain", "User-Agent": "curl/8"}], ids=["nothing", "curl"])
def test_a_program_without_cookie_and_submit_id_reads_the_seconds_and_its_words(
    alice: Person, headers: dict[str, str]
) -> None:
    answers = [
        Person(alice.app).client.post("/chats", data=b"message=Hi", content_type=FORM, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert answers[1].headers["Retry-After"] == "60"
    assert "You can send again in 60 seconds." in answers[1].text
    assert Page(answers[1]).words == "Hi"


# Addresses


@limited(address="3/day")
def test_a_fresh_cookie_is_no_fresh_address(app: Flask, database: Database) -> None:
    assert [send(Person(app)) for _ in range(6)] == [303, 303, 303, 429, 429, 429]
    assert count(database, sessions) == 3


def forwarded(person: Person, address: str) -> int:
    headers = {"X-Forwarded-For": address}
    return person.client.post("/chats", data={"message": "Hi"}, headers=headers).status_code


@limited(address="1/day")
@ON_ONE_DATABASE
def test_who_only_says_that_he_is_a_proxy_keeps_his_address(mallory: Person) -> None:
    assert [forwarded(mallory, address) for address in (OFFICE, HOME)] == [303, 429]


@pytest.mark.parametrize(
    "settings", [{"VOICHAT_LIMIT_ADDRESS": "1/day", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}], ids=["trusted"]
)
@ON_ONE_DATABASE
def test_behind_a_trusted_proxy_each_address_has_its_own_limit(alice: Person) -> None:
    came = [OFFICE, HOME, OFFICE, f"{OFFICE}, 203.0.113.5", f"{HOME}, 203.0.113.5"]
    assert [forwarded(alice, address) for address in came] == [303, 303, 429, 303, 429]


@limited(address="1/day")
@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", False),
    ],
)
def test_what_one_customer_of_a_provider_has_is_one_address(
    alice: Person, bob: Person, first: str, second: str, is_same: bool
) -> None:
    assert [send(at(alice, first)), send(at(bob, second))] == [303, 429 if is_same else 303]


@limited(owner="5/day", address="5/day 5 replies", everybody="5/day")
def test_no_table_says_from_where_somebody_came(alice: Person, database: Database) -> None:
    send(at(alice, OFFICE))
    said = str([rows(database, table) for table in metadata.tables.values()])
    assert len({row["key"] for row in rows(database, meters)}) == 4
    assert OFFICE not in said
    assert sha256(OFFICE.encode()).hexdigest()[:32] not in said


# Replies at once


def reply_of(chat: str, database: Database) -> str:
    [reply] = [r["id"] for r in rows(database, messages) if r["role"] == "assistant" and r["conversation_id"] in chat]
    return str(reply)


def set_reply(database: Database, chat: str, **values: object) -> None:
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.id == reply_of(chat, database)).values(values))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"VOICHAT_LIMIT_OWNER": "2 replies"}, "You have reached the limit of 2 replies at once."),
        ({"VOICHAT_LIMIT_ADDRESS": "2 replies"}, "Your network has reached the limit of 2 replies at once."),
        ({"VOICHAT_LIMIT_EVERYBODY": "2 replies"}, "All people here together have reached the limit of 2 replies"),
    ],
)
def test_while_two_replies_are_due_there_is_no_third_until_one_has_ended(
    alice: Person, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "SWEEP_SECONDS", 3600.0)  # nothing is answered but what somebody looks at
    first, second = alice.send("One"), alice.send("Two")
    for action in ("/chats", f"{second}/messages"):
        refused = alice.post(action, message="Three")
        assert (refused.status_code, refused.headers["Retry-After"], Page(refused).words) == (429, "5", "Three")
        assert sentence in refused.text
        assert "You can send again when a reply has ended." in refused.text
    assert "Hello." in alice.get(first).text
    assert [send(alice), send(alice)] == [303, 429]


@limited(owner="1 reply")
def test_the_replies_of_one_person_are_no_other_persons(alice: Person, bob: Person) -> None:
    assert [send(alice), send(alice), send(bob)] == [303, 429, 303]


@limited(address="1 reply")
def test_the_replies_of_one_address_are_those_asked_for_from_there(
    alice: Person, bob: Person, mallory: Person, database: Database
) -> None:
    chat = at(alice, OFFICE).send("Hi")
    assert [send(at(bob, OFFICE)), send(at(mallory, HOME)), send(at(alice, HOME))] == [429, 303, 429]
    assert "Hello." in alice.get(chat).text
    assert send(bob) == 303
    assert {row["address"] for row in rows(database, messages) if row["text"] == "Hello."} == {None}


@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_EVERYBODY": "1 reply"}])
def test_a_reply_whose_writer_is_gone_holds_nobody_up(
    alice: Person, bob: Person, database: Database, clock: Clock
) -> None:
    chat = alice.send("Hi")
    set_reply(database, chat, status="live", lease_until=clock.now + 10)
    assert send(bob) == 429
    set_reply(database, chat, lease_until=clock.now - 1)
    assert send(bob) == 303


# Retry


def failed(person: Person, database: Database) -> tuple[str, str]:
    """A chat whose reply has failed, and the address of its Retry."""
    chat = person.send("Hi")
    set_reply(database, chat, status="failed", attempt=1)
    return chat, f"{chat}/replies/{reply_of(chat, database)}/retry"


@limited(owner="3/minute", address="9/minute")
def test_a_retry_counts_as_a_message_and_the_same_retry_again_does_not(alice: Person, database: Database) -> None:
    _, retry = failed(alice, database)
    assert [alice.post(retry, attempt="1").status_code for _ in range(5)] == [303] * 5
    assert [send(alice), send(alice)] == [303, 429]


@limited(owner="1/minute")
def test_a_retry_over_the_limit_is_a_429_that_changes_nothing_and_works_when_it_opens(
    alice: Person, database: Database, clock: Clock
) -> None:
    _, retry = failed(alice, database)
    before = rows(database, messages)
    refused = alice.post(retry, attempt="1")
    assert "You can send again in 60 seconds." in refused.text
    assert "Go back and try again then." in refused.text
    assert rows(database, messages) == before
    clock.now += seconds(refused)
    assert alice.post(retry, attempt="1").status_code == 303
    assert {row["status"] for row in rows(database, messages) if row["role"] == "assistant"} == {"waiting"}


@pytest.mark.parametrize("settings", [{f"VOICHAT_LIMIT_{whose}": "1 reply"} for whose in WHOSE], ids=WHOSE)
def test_a_retry_is_one_of_the_replies_at_once(alice: Person, database: Database) -> None:
    _, retry = failed(alice, database)
    other = alice.send("Other")
    assert alice.post(retry, attempt="1").status_code == 429
    assert "Hello." in alice.get(other).text
    assert alice.post(retry, attempt="1").status_code == 303
    assert send(alice) == 429


# Several workers


def status(answer: Answer) -> int:
    return answer.status


@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_EVERYBODY": "7/day", "VOICHAT_LIMIT_ADDRESS": "1000/day"}])
def test_of_twenty_people_who_send_at_once_to_two_workers_exactly_seven_are_let_in(
    voichat: Voichat, database: Database
) -> None:
    people = [Visitor(voichat) for _ in range(20)]
    answers = at_once(lambda person: person.post("/chats", {"message": "Hi"}), people)
    assert sorted(map(status, answers)) == [303] * 7 + [429] * 13
    assert count(database, messages) == 14
    refused = [answer for answer in answers if status(answer) == 429]
    assert all(0 < int(answer.headers["Retry-After"]) <= 12_400 for answer in refused)


@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_OWNER": "7 replies"}])
def test_of_twenty_that_alice_sends_at_once_to_two_workers_exactly_seven_are_due(
    voichat: Voichat, database: Database, upstream: Upstream, may_answer: Event
) -> None:
    may_answer.clear()
    alice = Visitor(voichat)
    first = alice.send("Hi")
    answers = at_once(lambda _: alice.post("/chats", {"message": "Hi"}), range(20))
    assert sorted(map(status, answers)) == [303] * 6 + [429] * 14
    may_answer.set()
    alice.until_settled(first)
    wait_until(lambda: len(upstream.asked_for("POST")) == 7)
    assert count(database, messages) == 14


def test_whoever_sends_what_at_once_nobody_waits_in_a_circle_and_each_is_counted_once(database: Database) -> None:
    """All share some limit with all others, and many of the meters have run empty and are being taken away."""
    allowed = Limits(quota("1000/minute 99 replies"), quota("1000/minute 999 replies"), quota("100/day 999 replies"))
    with database.write() as connection:
        old = [{"key": f"owner {n:032x} minute", "empty_at": 1.0} for n in range(50)]
        connection.execute(meters.insert(), [*old, {"key": "everybody day", "empty_at": 1.0}])

    def send_one(n: int) -> bool:
        sender = Sender(f"{n % 7:032x}", f"{n % 3:032x}")
        try:
            history.begin(database, sender.owner, Draft("Hi", "m"), partial(allowed.admit, sender))
        except LimitReached:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        let_in = list(pool.map(send_one, range(150)))
    assert sum(let_in) == 100
    assert count(database, messages) == 200


def test_meters_that_have_run_empty_are_taken_away(database: Database, clock: Clock) -> None:
    allowed = Limits(quota("60/minute 9 replies"), quota("60/minute"), quota("none"))
    for n in range(20):
        with database.write() as connection:
            allowed.admit(Sender(f"{n:032x}", f"{n:032x}"), connection, "")
    assert count(database, meters) == 60
    clock.now += 60
    with database.write() as connection:
        allowed.admit(Sender("a" * 32, ""), connection, "")
    assert {row["key"].split()[1] for row in rows(database, meters)} == {"a" * 32}


def test_meters_are_taken_away_also_where_no_limit_is_left(database: Database, clock: Clock) -> None:
    alice = Sender("a" * 32, "b" * 32)
    with database.write() as connection:
        Limits(quota("60/minute"), quota("none"), quota("none")).admit(alice, connection, "")
    clock.now += 60
    with database.write() as connection:
        Limits(quota("none"), quota("none"), quota("none")).admit(alice, connection, "")
    assert rows(database, meters) == []


# The defaults


@ON_ONE_DATABASE
def test_a_team_behind_one_address_works_with_the_defaults_and_a_script_does_not_get_far(database: Database) -> None:
    shipped = load({})
    allowed = Limits(shipped.limit_owner, shipped.limit_address, shipped.limit_everybody)

    def is_let_in(owner: str) -> bool:
        with database.write() as connection:
            try:
                allowed.admit(Sender(owner, OFFICE), connection, "")
            except LimitReached:
                return False
        return True

    assert all(is_let_in(f"colleague {n % 25}") for n in range(100))
    assert [is_let_in(f"script {n}") for n in range(510)].count(False) == 10
