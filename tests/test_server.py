"""The product as an admin runs it: gunicorn, two workers, and what happens to it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from shutil import copy, which
from threading import Event

import pytest

from tests.providers.upstream import Upstream
from tests.support.databases import postgresql_is_long
from tests.support.people import submit_id
from tests.support.servers import ROOT, Voichat, free_port, one_sentence, refusal, wait_until
from tests.support.visitors import Visitor, at_once, said

Serve = Callable[..., Voichat]

A_FEW_SECONDS = 8.0

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the database."""


@pytest.fixture
def alice(voichat: Voichat) -> Visitor:
    return Visitor(voichat)


def last_words(upstream: Upstream) -> list[str]:
    """What the upstream was asked, in any order."""
    return sorted(asked.json["messages"][-1]["content"] for asked in upstream.asked_for("POST"))


def statuses(visitor: Visitor, chat: str) -> list[str]:
    return [each.status for each in visitor.until_settled(chat) if each.role == "assistant"]


# Sending


def test_pressing_the_very_first_send_twenty_times_at_once_sends_one_message(
    alice: Visitor, upstream: Upstream
) -> None:
    form = {"message": "Hi", "submit_id": submit_id(alice.get("/").text)}
    browser = [Visitor(alice.voichat) for _ in range(20)]
    answers = at_once(lambda tab: tab.post("/chats", form), browser)
    assert {answer.status for answer in answers} == {303}
    [chat] = {answer.headers["Location"] for answer in answers}
    [alice.cookie] = {answer.cookie for answer in answers}
    at_once(lambda tab: tab.get(chat), browser)
    assert [each.words for each in alice.until_settled(chat)] == ["Hi", "Hello."]
    assert last_words(upstream) == ["Hi"]


def test_of_200_messages_that_20_people_send_at_once_each_is_kept_and_answered_once(
    voichat: Voichat, upstream: Upstream
) -> None:
    people = [Visitor(voichat) for _ in range(20)]
    chats = at_once(lambda person: person.send("Hi"), people)
    sent = [(person, chat, f"{chat} {n}") for person, chat in zip(people, chats, strict=True) for n in range(10)]
    answers = at_once(lambda one: one[0].post(f"{one[1]}/messages", {"message": one[2]}), sent)
    assert {answer.status for answer in answers} == {303}
    for person, chat in zip(people, chats, strict=True):
        words = [each.words for each in person.until_settled(chat)]
        assert sorted(words[::2]) == [*(f"{chat} {n}" for n in range(10)), "Hi"]
        assert words[1::2] == ["Hello."] * 11
    assert last_words(upstream) == sorted(["Hi"] * 20 + [words for _, _, words in sent])


def test_50_messages_sent_to_one_chat_at_once_are_all_kept_and_answered_once_in_their_order(
    alice: Visitor, upstream: Upstream
) -> None:
    chat = alice.send("Hi")
    at_once(lambda n: alice.post(f"{chat}/messages", {"message": f"Message {n}"}), range(50))
    words = [each.words for each in alice.until_settled(f"{chat}?all=1")]
    assert set(words[::2]) == {"Hi", *(f"Message {n}" for n in range(50))}
    assert words[1::2] == ["Hello."] * 51
    assert [asked.json["messages"][-1]["content"] for asked in upstream.asked_for("POST")] == words[::2]


@postgresql_is_long
def test_of_200_new_chats_begun_at_once_by_one_person_none_is_lost(alice: Visitor, upstream: Upstream) -> None:
    alice.send("Hi")
    sent = [f"Chat {n:03}" for n in range(200)]
    answers = at_once(lambda words: alice.post("/chats", {"message": words}), sent)
    assert len({answer.headers["Location"] for answer in answers if answer.status == 303}) == 200
    wait_until(lambda: len(upstream.asked_for("POST")) >= 201)
    assert last_words(upstream) == [*sent, "Hi"]
    assert [statuses(alice, answer.headers["Location"]) for answer in answers] == [["complete"]] * 200


# Streaming and seats


def test_the_page_of_a_waiting_reply_shows_the_message_at_once_and_the_reply_when_it_comes(
    alice: Visitor, may_answer: Event
) -> None:
    may_answer.clear()
    with alice.open(alice.send("Are you there?")) as page:
        begun = page.read_until("Writing…")
        assert [each.words for each in said(begun)] == ["Are you there?"]
        may_answer.set()
        shown = page.read_to_its_end()
    assert said(shown)[-1].words == "Hello."
    assert '<span class="end" data-status="complete">' in shown


@on_sqlite
def test_with_every_seat_taken_other_pages_answer_and_the_chat_offers_to_look_again(
    serve: Serve, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    alice = Visitor(serve(WEB_CONCURRENCY="1", VOICHAT_THREADS="8", VOICHAT_REPLIES="1"))
    chat = alice.send("Hi")
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(alice.open(chat)).read_until("Writing…")
        bob = Visitor(alice.voichat)
        bobs = bob.send("Hi")
        for _ in range(2):
            stack.enter_context(bob.open(bobs)).read_until("Writing…")
        assert [alice.get(path).status for path in ("/", "/chats", "/providers/", "/healthz")] == [200] * 4
        late = alice.get(chat)
    assert '<a href="">Look again</a>' in late.text
    assert [each.words for each in said(late.text)] == ["Hi", ""]
    may_answer.set()
    assert statuses(alice, chat) == statuses(bob, bobs) == ["complete"]
    assert last_words(upstream) == ["Hi", "Hi"]


# Ends of all kinds


def test_history_survives_a_restart_for_alice_and_mallory_sees_nothing(voichat: Voichat, alice: Visitor) -> None:
    chat = alice.send("Remember me")
    alice.until_settled(chat)
    voichat.restart()
    assert [each.words for each in said(alice.get(chat).text)] == ["Remember me", "Hello."]
    assert "Remember me" in alice.get("/chats").text
    mallory = Visitor(voichat)
    mallory.send("Hi")
    assert mallory.get(chat).status == 404


@postgresql_is_long
def test_a_reply_whose_workers_were_killed_is_interrupted_and_sent_again_only_by_retry(
    voichat: Voichat, alice: Visitor, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    wait_until(lambda: upstream.asked_for("POST"))
    voichat.kill_workers()
    may_answer.set()
    assert said(alice.get(chat).text)[0].words == "Hi"
    assert statuses(alice, chat) == ["interrupted"]
    assert last_words(upstream) == ["Hi"]
    page = alice.get(chat).text
    answers = at_once(lambda _: alice.press("Retry", page), range(3))
    assert {answer.headers["Location"] for answer in answers} == {chat}
    assert statuses(alice, chat) == ["complete"]
    assert last_words(upstream) == ["Hi", "Hi"]


def test_a_message_that_nobody_had_begun_to_answer_when_the_server_was_killed_is_answered_once_it_is_back(
    serve: Serve, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    voichat = serve(WEB_CONCURRENCY="1", VOICHAT_REPLIES="1")
    alice, bob = Visitor(voichat), Visitor(voichat)
    alice.send("I hold the only place")
    wait_until(lambda: upstream.asked_for("POST"))
    chat = bob.send("I wait")
    voichat.kill()
    may_answer.set()
    voichat.start()
    wait_until(lambda: len(upstream.asked_for("POST")) == 2)
    assert [each.words for each in bob.until_settled(chat)] == ["I wait", "Hello."]
    assert last_words(upstream) == ["I hold the only place", "I wait"]


def test_ctrl_c_ends_the_server_and_the_open_page_says_that_the_reply_was_interrupted(
    voichat: Voichat, alice: Visitor, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    chat = alice.send("Hi")
    with alice.open(chat) as page:
        page.read_until("Writing…")
        wait_until(lambda: upstream.asked_for("POST"))
        began = time.monotonic()
        voichat.press_ctrl_c()
        voichat.wait()
        assert time.monotonic() - began < A_FEW_SECONDS
        shown = page.read_to_its_end()
    assert '<span class="end" data-status="interrupted">' in shown
    assert shown.rstrip().endswith("</html>")
    voichat.start()
    assert [each.status for each in said(alice.get(chat).text)] == ["complete", "interrupted"]
    assert '"level": "error"' not in voichat.output()


@on_sqlite
def test_a_server_that_is_told_to_terminate_lets_the_reply_on_its_way_finish(
    voichat: Voichat, alice: Visitor, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    with alice.open(alice.send("Hi")) as page:
        page.read_until("Writing…")
        wait_until(lambda: upstream.asked_for("POST"))
        voichat.terminate()
        wait_until(lambda: not voichat.is_ready())
        may_answer.set()
        assert said(page.read_to_its_end())[-1].words == "Hello."
    voichat.wait()
    assert '"level": "error"' not in voichat.output()


@on_sqlite
def test_a_server_that_is_told_to_terminate_cuts_the_reply_before_it_is_killed_itself(
    serve: Serve, may_answer: Event, upstream: Upstream
) -> None:
    may_answer.clear()
    voichat = serve(GUNICORN_CMD_ARGS="--graceful-timeout 11")  # one second of it is for replies to finish
    alice = Visitor(voichat)
    with alice.open(alice.send("Hi")) as page:
        page.read_until("Writing…")
        wait_until(lambda: upstream.asked_for("POST"))
        voichat.terminate()
        assert '<span class="end" data-status="interrupted">' in page.read_to_its_end()
    voichat.wait()
    assert "SIGKILL" not in voichat.output()


@on_sqlite
def test_a_reply_that_nobody_watches_may_finish_too(serve: Serve, may_answer: Event, upstream: Upstream) -> None:
    may_answer.clear()
    voichat = serve()
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    wait_until(lambda: upstream.asked_for("POST"))
    voichat.terminate()
    wait_until(lambda: not voichat.is_ready())
    may_answer.set()
    voichat.wait()
    voichat.start()
    assert statuses(alice, chat) == ["complete"]


# How gunicorn is set


@on_sqlite
def test_x_forwarded_proto_counts_only_from_a_proxy_that_is_trusted(serve: Serve) -> None:
    said_so = {"X_Forwarded_Proto": "https"}
    stranger = serve(FORWARDED_ALLOW_IPS="*")
    assert Visitor(stranger).post("/chats", {"message": "Hi"}, **said_so).cookie.startswith("voichat=")
    proxied = serve(VOICHAT_TRUSTED_PROXIES="127.0.0.1")
    assert Visitor(proxied).post("/chats", {"message": "Hi"}, **said_so).cookie.startswith("__Host-voichat=")


@on_sqlite
def test_gunicorn_opens_no_control_socket_in_the_home_folder(serve: Serve, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    serve(HOME=str(home))
    assert list(home.rglob("*")) == []


@on_sqlite
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_start_that_is_open_to_the_network_warns_there_and_on_the_providers_page(serve: Serve, host: str) -> None:
    voichat = serve(VOICHAT_BIND=f"{host}:{free_port()}", VOICHAT_HOSTS="127.0.0.1")
    is_open = host == "0.0.0.0"
    assert ("Warning: whoever can reach this machine can chat" in voichat.output()) is is_open
    assert ("Whoever can reach this server" in Visitor(voichat).get("/providers/").text) is is_open


@on_sqlite
def test_a_password_signs_in_at_every_worker_and_over_a_restart(serve: Serve) -> None:
    voichat = serve(VOICHAT_AUTH="password", VOICHAT_PASSWORD="correct horse")
    alice = Visitor(voichat)
    assert alice.get("/chats").status == 303
    page = alice.get("/login").text
    assert alice.press("Sign in", page, password="correct horse").status == 303
    assert {alice.get("/chats").status for _ in range(20)} == {200}
    voichat.restart()
    chat = alice.send("Hi")
    alice.until_settled(chat)
    assert alice.press("Sign out", alice.get("/").text).status == 303
    assert {alice.get(chat).status for _ in range(20)} == {303}


# A start that fails


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    return {"VOICHAT_DATA": str(tmp_path / "data")}


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("VOICHAT_THREADS", "many", "VOICHAT_THREADS must be a whole number"),
        ("VOICHAT_THREAD", "8", "did you mean VOICHAT_THREADS?"),
        ("VOICHAT_MODEL", "voigpt/gpt-9", "which nobody offers"),
        ("VOICHAT_BIND", "203.0.113.1:80", "Cannot listen on 203.0.113.1:80"),
        ("DATABASE_URL", "mysql://me:hunter2@host/name", "DATABASE_URL must be"),
        ("DATABASE_URL", "sqlite:////dev/null/voichat", "The database /dev/null/voichat cannot be made"),
        ("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/name", "The database does not answer"),
        ("SECRET_KEY", "hunter2", "SECRET_KEY is too short"),
        ("VOICHAT_AUTH", "password", "VOICHAT_PASSWORD must say which"),
        ("VOICHAT_PASSWORD", "hunter2hunter2", "VOICHAT_PASSWORD asks nobody"),
        ("VOICHAT_DATA", "/dev/null/data", "set VOICHAT_DATA"),
    ],
)
def test_nonsense_in_the_settings_ends_the_start_with_one_sentence(
    given: dict[str, str], name: str, value: str, hint: str
) -> None:
    sentence = refusal(given | {name: value})
    assert hint in sentence
    assert "hunter2" not in sentence


def test_a_busy_port_ends_the_start_with_one_sentence(given: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        bind = f"127.0.0.1:{busy.getsockname()[1]}"
        assert f"Cannot listen on {bind}" in refusal(given | {"VOICHAT_BIND": bind})


def test_a_sync_worker_which_would_serve_one_person_at_a_time_is_refused(given: dict[str, str]) -> None:
    gunicorn = [sys.executable, "-m", "gunicorn", "--worker-class", "sync", "--threads", "1"]
    assert "use gthread" in refusal(given, gunicorn)


@pytest.mark.parametrize(("version", "has"), [("Python 3.9.2", "Python 3.9.2"), (None, "none")])
def test_an_old_python_or_none_ends_the_start_with_one_sentence(tmp_path: Path, version: str | None, has: str) -> None:
    for name in ("run", "requirements.txt"):
        copy(ROOT / name, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "cmp", "cp", "rm"):
        (programs / name).symlink_to(which(name) or "")
    if version:
        old = programs / "python3"
        old.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version}\n')
        old.chmod(0o755)
    ended = subprocess.run([tmp_path / "run"], env={"PATH": str(programs)}, capture_output=True, text=True)
    assert one_sentence(ended) == f"Error: Voichat needs Python 3.11 or newer; here is {has}."
    assert not (tmp_path / ".venv").exists()
