"""The models of an OpenAI-compatible server, from the setting to the answer in the chat."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from threading import Event

import pytest
from flask import Flask

from tests.providers.upstream import (
    DONE,
    Answer,
    Asked,
    Peer,
    Upstream,
    cut,
    delta,
    event,
    openai,
    reply,
    reply_json,
    stream,
)
from tests.support.people import Person
from tests.support.servers import Voichat, wait_until
from tests.support.visitors import Visitor, said
from webapp import create_app
from webapp.providers import GUIDE, catalogue
from webapp.providers import upstream as checks
from webapp.settings import SettingsError, load

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

KEY = "sk-0123456789"


@pytest.fixture
def states() -> list[Answer]:
    """How the server answers: the last counts."""
    return [openai("Good morning.", models=("small", "org/large"))]


@pytest.fixture
def server(states: list[Answer]) -> Iterator[Upstream]:
    with Upstream(lambda asked, peer: states[-1](asked, peer)) as server:
        yield server


@pytest.fixture
def settings(server: Upstream) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": KEY, "VOIGPT_URL": "embedded:"}


def picker(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', page)
    return [(unescape(value), unescape(label)) for value, label in found]


SMALL, LARGE, LAST = ("openai/small", "small"), ("openai/org/large", "org/large"), ("guide/gpt-3.5-turbo", GUIDE)


def knows(person: Person) -> bool:
    return picker(person.get("/").text) == [SMALL, LARGE, LAST]


# The picker


def test_its_models_can_be_picked_the_guide_stays_last(alice: Person, server: Upstream) -> None:
    wait_until(lambda: knows(alice))
    assert [asked.path for asked in server.asked] == ["/v1/models"]
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_no_page_waits_for_a_server_that_is_slow(alice: Person, server: Upstream) -> None:
    may_answer = Event()

    def slowly(asked: Asked, peer: Peer) -> None:
        may_answer.wait(10)
        openai()(asked, peer)

    server.queue(slowly)
    with ThreadPoolExecutor(8) as pool:
        pages = [picker(answer.text) for answer in pool.map(alice.app.test_client().get, ["/"] * 20)]
    assert pages == [[LAST]] * 20
    assert len(server.asked) <= 1
    may_answer.set()


@pytest.mark.parametrize("fault", [cut(), reply("No.", 500), reply("<html>"), reply_json({"data": []})], ids=range(4))
def test_while_the_server_is_away_its_models_stay_and_new_ones_come_later(
    alice: Person, server: Upstream, states: list[Answer], monkeypatch: pytest.MonkeyPatch, fault: Answer
) -> None:
    monkeypatch.setattr(catalogue, "ASKED_EVERY_SECONDS", 0.0)
    wait_until(lambda: knows(alice))
    states.append(fault)
    faults = len(server.asked) + 3

    def goes_on() -> bool:
        assert knows(alice)
        return len(server.asked) >= faults

    wait_until(goes_on)
    states.append(openai(models=("new",)))
    wait_until(lambda: picker(alice.get("/").text) == [("openai/new", "new"), LAST])


HOSTILE = "</option><script>alert(1)</script>"


def test_a_models_name_is_text(alice: Person, server: Upstream) -> None:
    server.queue(openai(models=(HOSTILE,)))
    wait_until(lambda: (f"openai/{HOSTILE}", HOSTILE) in picker(alice.get("/").text))
    assert HOSTILE not in alice.get("/").text


# Which models are taken


def test_a_model_is_refused_only_when_the_list_is_known(
    alice: Person, states: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "ASKED_EVERY_SECONDS", 0.0)
    states.append(reply("No.", 500))
    assert alice.post("/chats", message="Hi", model="openai/org/other:7b").status_code == 303
    states.pop()
    wait_until(lambda: knows(alice))
    assert alice.post("/chats", message="Hi", model="openai/org/other:7b").status_code == 400
    assert alice.post("/chats", message="Hi", model="openai/org/large").status_code == 303


@pytest.mark.parametrize("model", ["openai/", "openai", "openai/a\nb", f"openai/{'x' * 201}", "nobody/small", "/small"])
def test_what_cannot_be_a_model_is_refused_before_the_list_is_known(
    alice: Person, server: Upstream, model: str
) -> None:
    server.queue(*[cut()] * 5)
    assert alice.post("/chats", message="Hi", model=model).status_code == 400


def test_the_start_asks_nobody_and_takes_any_name_for_the_default(
    environment: dict[str, str], server: Upstream
) -> None:
    app = create_app(load(environment | {"VOICHAT_MODEL": "openai/org/mine"}))
    try:
        assert server.connections == 0
        server.queue(*[cut()] * 5)
        assert picker(Person(app).get("/").text) == [("openai/org/mine", "org/mine"), LAST]
        wait_until(lambda: server.asked)
    finally:
        close(app)


@pytest.mark.parametrize("model", ["openai/", "openai", "voigpt/gpt-3.5-turbo", "small"])
def test_a_default_that_nobody_can_offer_stops_the_start(environment: dict[str, str], model: str) -> None:
    with pytest.raises(SettingsError, match="VOICHAT_MODEL is"):
        create_app(load(environment | {"VOICHAT_MODEL": model}))


def close(app: Flask) -> None:
    app.extensions["voichat"].replies.close()
    app.extensions["voichat"].database.close()


# The chat


def shown(alice: Person, chat: str) -> list[tuple[str, str]]:
    """What was said and how it ended; the first page lasts until it has."""
    assert alice.get(chat).text
    return [(each.words, each.status) for each in said(alice.get(chat).text)]


def test_behind_gunicorn_its_models_are_known_before_the_first_visitor_comes_and_answer(
    serve: Callable[..., Voichat], server: Upstream
) -> None:
    voichat = serve(WEB_CONCURRENCY="1")
    server.wait_for_requests(1)
    alice = Visitor(voichat)
    wait_until(lambda: picker(alice.get("/").text) == [SMALL, LARGE, LAST])
    assert len(server.asked) == 1
    chat = alice.post("/chats", {"message": "Привет", "model": "openai/org/large"}).headers["Location"]
    assert [(each.words, each.status) for each in alice.until_settled(chat)] == [
        ("Привет", "complete"),
        ("Good morning.", "complete"),
    ]


def test_a_chat_may_go_on_with_another_model(alice: Person, server: Upstream) -> None:
    chat = alice.send("Привет", model="openai/org/large")
    assert shown(alice, chat)[-1] == ("Good morning.", "complete")
    alice.send("Again", chat, model="openai/small")
    assert shown(alice, chat)[-1] == ("Good morning.", "complete")
    one, two = (asked.json for asked in server.asked_for("POST"))
    assert (one["model"], two["model"]) == ("org/large", "small")
    assert [message["content"] for message in two["messages"]] == ["Привет", "Good morning.", "Again"]


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ([], "The upstream's answer was cut off; try again."),
        ([event({"error": {"message": f"Out of memory at {KEY}"}})], "“Out of memory at …”"),
    ],
)
def test_when_the_stream_breaks_what_came_is_kept_and_retry_is_offered(
    alice: Person, server: Upstream, end: list[bytes], sentence: str
) -> None:
    wait_until(lambda: knows(alice))
    server.queue(stream(delta("Half an"), delta(" answer"), *end))
    chat = alice.send("Hi", model="openai/small")
    assert shown(alice, chat)[-1] == ("Half an answer", "failed")
    page = alice.get(chat).text
    assert sentence in unescape(page)
    assert KEY not in page
    assert ">Retry</button>" in page


def test_thoughts_are_no_answer(alice: Person, server: Upstream) -> None:
    wait_until(lambda: knows(alice))
    server.queue(stream(delta(reasoning_content="Hm."), delta(finish_reason="stop"), DONE))
    chat = alice.send("Hi", model="openai/small")
    assert shown(alice, chat)[-1] == ("", "failed")
    assert "The model ended its reply without a word." in alice.get(chat).text


@pytest.mark.parametrize("settings", [{"OPENAI_BASE_URL": "embedded:", "VOIGPT_URL": "embedded:"}])
def test_the_guide_can_be_asked_in_the_same_way(alice: Person) -> None:
    wait_until(lambda: picker(alice.get("/").text) == [("openai/guide", GUIDE)])
    chat = alice.send("How do I connect my model?", model="openai/guide")
    [_, (answer, status)] = shown(alice, chat)
    assert status == "complete"
    assert "no language model" in answer


# The status page


def test_the_status_page_says_whether_it_answers_without_address_and_key(
    alice: Person, server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "CHECKED_FOR_SECONDS", 0.0)
    up = alice.get("/providers/").text
    assert "<strong>OpenAI-compatible server</strong>" in up
    assert up.count('data-status="up"') == 2
    server.queue(*[reply(f"No {KEY}", 401)] * 5)
    down = alice.get("/providers/").text
    assert (
        "The upstream does not accept the key or account (401 Unauthorized); the admin has to set another: “No …”."
        in down
    )
    for secret in (KEY, "127.0.0.1", str(server.port)):
        assert secret not in up + down
