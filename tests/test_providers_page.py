"""The page that says which upstreams are set up and answer."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.providers.upstream import PATIENCE, Answer, Asked, Peer, Upstream, cut, reply, reset, voigpt
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.support.visitors import at_once
from webapp.providers import upstream as checks

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UP, DOWN = 'data-status="up"', 'data-status="down"'


def held(answer: Answer, until: Event) -> Answer:
    def wait(asked: Asked, peer: Peer) -> None:
        until.wait(PATIENCE)
        answer(asked, peer)

    return wait


def test_an_upstream_that_answers_is_up(alice: Person) -> None:
    page = alice.get("/providers/").text
    assert UP in page
    assert "<strong>VoiGpt</strong>" in page


@pytest.mark.parametrize("answer", [reply("No.", 500), reply("A page without a token"), cut(), reset()])
def test_an_upstream_that_does_not_is_down_and_a_sentence_says_why(
    alice: Person, upstream: Upstream, answer: Answer
) -> None:
    upstream.queue(*[answer] * 5)
    page = alice.get("/providers/")
    assert (page.status_code, DOWN in page.text) == (200, True)
    assert "upstream" in Page(page).text


SECRETS = {"VOIGPT_ACCESS_TOKEN": "a-secret-token"}


@pytest.mark.parametrize("settings", [SECRETS, SECRETS | {"VOIGPT_PROXY": "http://me:a-password@127.0.0.1:9"}])
@pytest.mark.parametrize("answer", [voigpt(), reply("No.", 500), cut()], ids=["up", "error", "cut"])
def test_nobody_is_shown_an_address_or_a_key(alice: Person, upstream: Upstream, answer: Answer) -> None:
    upstream.queue(*[answer] * 5)
    page = alice.get("/providers/").text
    for secret in ("a-secret-token", "a-password", "127.0.0.1", str(upstream.port)):
        assert secret not in page


def test_what_a_broken_upstream_says_is_text(alice: Person, upstream: Upstream) -> None:
    upstream.queue(*[reply(SCRIPT, 500)] * 5)
    assert Page(alice.get("/providers/")).is_harmless


def test_for_many_visitors_the_upstream_is_asked_once(alice: Person, upstream: Upstream) -> None:
    alice.get("/providers/")
    at_once(lambda visitor: visitor.get("/providers/"), [Person(alice.app) for _ in range(10)])
    assert len(upstream.asked) == 1


def test_what_was_found_is_forgotten_after_a_while(
    alice: Person, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert UP in alice.get("/providers/").text
    upstream.queue(*[reply("No.", 500)] * 5)
    assert UP in alice.get("/providers/").text
    monkeypatch.setattr(checks, "CHECKED_FOR_SECONDS", 0.0)
    assert DOWN in alice.get("/providers/").text


def test_while_one_visitor_waits_for_the_upstream_the_others_do_not(
    alice: Person, bob: Person, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "CHECKED_FOR_SECONDS", 0.0)
    may_answer = Event()
    assert UP in alice.get("/providers/").text
    upstream.queue(held(voigpt(), may_answer))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: alice.get("/providers/").text)
        upstream.wait_for_requests(2)
        assert UP in bob.get("/providers/").text
        assert not waiting.done()
        may_answer.set()
        assert UP in waiting.result()
    assert len(upstream.asked) == 2


def test_the_address_without_its_slash_leads_there(alice: Person) -> None:
    answer = alice.get("/providers")
    assert (answer.status_code, answer.headers["Location"].endswith("/providers/")) == (308, True)
