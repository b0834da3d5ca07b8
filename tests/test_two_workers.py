"""Two processes with one database, here as two applications: what one writes, the other shows and ends."""

from collections.abc import Iterator
from threading import Thread
from time import monotonic

import pytest
from flask import Flask

from tests.conftest import application
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import wait_until
from tests.support.talk import Talk, speaks

SECONDS = 10.0
SOON = 1.0  # seconds, within which a Stop is to reach the upstream
BROWSER = {"User-Agent": "Mozilla/5.0"}
FRAME = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin"}
BEGUN = 'class="beat"'


@pytest.fixture
def settings(talk: Talk) -> dict[str, str]:
    return speaks(talk)


@pytest.fixture
def other_app(environment: dict[str, str]) -> Iterator[Flask]:
    with application(environment) as made:
        yield made


class Tab:
    """A page that is read as it comes, in a thread of its own, as Flask's context is the thread's."""

    def __init__(self, person: Person, chat: str) -> None:
        self.shown = ""
        self._reading = Thread(target=self._read, args=[person, chat])
        self._reading.start()

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.shown, SECONDS)

    def read_to_its_end(self) -> str:
        self._reading.join(SECONDS)
        assert not self._reading.is_alive()
        return self.shown

    def _read(self, person: Person, chat: str) -> None:
        with person.get(chat, headers=BROWSER) as page:
            for piece in page.iter_encoded():
                self.shown += piece.decode()


def at(app: Flask, alice: Person) -> Person:
    """Alice, whose browser has reached another process."""
    person = Person(app)
    person.client.set_cookie("voichat", alice.sid)
    return person


def test_a_page_shows_what_another_process_writes(alice: Person, other_app: Flask, talk: Talk) -> None:
    chat = alice.send("Hi")
    writer = Tab(at(other_app, alice), chat)
    writer.wait_for(BEGUN)
    reader = Tab(alice, chat)
    reader.wait_for(BEGUN)
    for piece in ("One ", "two ", "three."):
        talk.say(piece)
        for tab in (writer, reader):
            tab.wait_for(piece.strip())
    talk.end()
    for tab in (writer, reader):
        assert 'data-status="complete"></span>' in tab.read_to_its_end()
    assert talk.told() == [["Hi"]]


@pytest.mark.parametrize(
    ("words", "headers", "status"),
    [(None, {}, 303), ("", FRAME, 204), ("One two ", {}, 303)],
    ids=["before a byte", "before a word, from the hidden frame", "in the middle"],
)
def test_stop_at_a_process_that_does_not_write_the_reply_ends_the_call_at_once_and_keeps_the_text(
    alice: Person, other_app: Flask, talk: Talk, words: str | None, headers: dict[str, str], status: int
) -> None:
    talk.is_silent = words is None
    chat = alice.send("Hi")
    writer = Tab(at(other_app, alice), chat)
    writer.wait_for(BEGUN)
    reader = Tab(alice, chat)
    if words:
        talk.say(words)
    for tab in (writer, reader):
        tab.wait_for("two" if words else BEGUN)
    wait_until(talk.told)
    pressed = monotonic()
    assert alice.client.post(f"{chat}/stop", headers=headers).status_code == status
    talk.wait_for_closed()
    assert monotonic() - pressed < SOON
    for tab in (writer, reader):
        assert 'data-status="stopped"></span>' in tab.read_to_its_end()
    reply = Page(alice.get(chat)).articles[1]
    assert reply.status == "stopped"
    assert ("One two" in reply.text) is bool(words)
