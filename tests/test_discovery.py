"""A server on this machine is offered without any set-up, while it is there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
from flask import Flask

from tests.providers.upstream import PATIENCE, Answer, Asked, Peer, Upstream, openai, reply, reply_json, silence
from tests.support.people import Person
from tests.support.servers import free_port, wait_until
from tests.support.visitors import said
from webapp.providers import discovery

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OLLAMA = '<option value="ollama/llama3.2"'
HERE = openai("From here.", models=("llama3.2",))


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where Ollama is looked for, each time that somebody opens a page."""
    port = free_port()
    monkeypatch.setattr(discovery, "KNOWN", (("ollama", "Ollama", port),))
    monkeypatch.setattr(discovery, "LOOKED_EVERY_SECONDS", 0.0)
    return port


@pytest.fixture
def settings() -> dict[str, str]:
    return {"VOICHAT_DISCOVER": "on", "VOIGPT_URL": "embedded:"}


def is_offered(person: Person) -> bool:
    return OLLAMA in person.get("/").text


def shown(person: Person, chat: str) -> list[tuple[str, str]]:
    assert person.get(chat).text
    return [(each.words, each.status) for each in said(person.get(chat).text)]


def test_what_runs_here_is_offered_before_the_guide_answers_and_goes_with_a_sentence(alice: Person, port: int) -> None:
    assert not is_offered(alice)
    assert "Ollama" not in alice.get("/providers/").text
    with Upstream(HERE, port=port):
        wait_until(lambda: is_offered(alice))
        page = alice.get("/").text
        assert page.index(OLLAMA) < page.index("guide/gpt-3.5-turbo")
        chat = alice.send("Hi", model="ollama/llama3.2")
        assert shown(alice, chat)[-1] == ("From here.", "complete")
        assert discovery.HERE in alice.get("/providers/").text
    wait_until(lambda: not is_offered(alice))
    assert discovery.GONE in alice.get("/providers/").text
    assert f"{OLLAMA} selected>ollama/llama3.2 (not offered now)</option>" in alice.get(chat).text
    alice.send("Are you there?", chat, model="ollama/llama3.2")
    assert shown(alice, chat)[-1] == ("", "failed")
    with Upstream(HERE, port=port):
        wait_until(lambda: is_offered(alice))
        alice.send("And now?", chat, model="ollama/llama3.2")
        assert shown(alice, chat)[-1] == ("From here.", "complete")


@contextmanager
def held(answer: Answer) -> Iterator[tuple[Answer, threading.Event]]:
    may_answer = threading.Event()

    def wait(asked: Asked, peer: Peer) -> None:
        may_answer.wait(PATIENCE)
        answer(asked, peer)

    yield wait, may_answer
    may_answer.set()


def test_no_page_waits_for_it(alice: Person, port: int) -> None:
    with held(HERE) as (answer, may_answer), Upstream(answer, port=port) as server:
        assert not is_offered(alice)
        server.wait_for_requests(1)
        begun = monotonic()
        assert not is_offered(alice)
        assert monotonic() - begun < discovery.FOUND_WITHIN_SECONDS
        may_answer.set()


@pytest.mark.parametrize(
    "answer",
    [reply("No.", 404), reply("<html>", content_type="text/html"), reply_json({"data": []}), reply_json([]), silence()],
    ids=["404", "page", "no models", "list", "silence"],
)
def test_what_does_not_answer_in_openais_form_is_not_taken_for_it(
    alice: Person, port: int, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(discovery, "FOUND_WITHIN_SECONDS", 0.1)
    with Upstream(answer, port=port) as server:
        assert not is_offered(alice)
        server.wait_for_requests(1)
        wait_until(lambda: looked_again(alice, server))
        assert not is_offered(alice)
        assert "Ollama" not in alice.get("/providers/").text


def looked_again(person: Person, server: Upstream) -> bool:
    assert not is_offered(person)
    return len(server.asked) >= 2


def test_it_is_looked_for_only_now_and_then(alice: Person, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LOOKED_EVERY_SECONDS", 30.0)
    with Upstream(HERE, port=port) as server:
        wait_until(lambda: is_offered(alice))
        for _ in range(5):
            alice.get("/")
        assert len(server.asked) == 1


@pytest.mark.parametrize("settings", [{"VOICHAT_DISCOVER": "off", "VOIGPT_URL": "embedded:"}])
def test_off_is_off(app: Flask, port: int) -> None:
    with Upstream(HERE, port=port) as server:
        Person(app).get("/")
        Person(app).get("/providers/")
        assert server.connections == 0


@pytest.mark.parametrize("settings", [{"VOICHAT_DISCOVER": "on", "VOICHAT_MODEL": "ollama/mine"}])
def test_a_model_of_it_may_be_the_default(alice: Person, port: int) -> None:
    with Upstream(HERE, port=port):
        wait_until(lambda: is_offered(alice))
        page = alice.get("/").text
        assert page.index('<option value="ollama/mine"') < page.index(OLLAMA)
