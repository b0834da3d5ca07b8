"""What goes wrong at an upstream can be said in another language, on the spot and when it was stored."""

import socket
import ssl

import pytest
import socks
from sqlalchemy import select

from tests.providers.upstream import Upstream, openai, reply_json
from tests.support.languages import ELSEWHERE, left_in_english
from tests.support.people import Person
from tests.support.servers import free_port
from webapp import providers
from webapp.db import Database, messages
from webapp.providers import discovery, faults
from webapp.providers.base import Cancelled, ProviderError
from webapp.providers.faults import PROXY, UPSTREAM, Place
from webapp.providers.http import Response, _redirect
from webapp.providers.openai import CUT_OFF, NEVER_BEGUN
from webapp.providers.voigpt import EMPTY, NO_ACCESS, NO_COOKIE
from webapp.providers_file import ProvidersFile
from webapp.sentences import Sentence
from webapp.settings import load

STATUSES = [200, 400, 401, 403, 404, 407, 408, 413, 418, 429, 500, 503]
WORDS = ["", "maximum model length", "model not found", "unexpected endpoint", "insufficient_quota"]


def refused(status: int, words: str, by_proxy: bool, **headers: str) -> ProviderError:
    return Response(status, headers, {}, words.encode(), by_proxy).failure()


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, ""
    return error


def cut_tls() -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = ""
    return error


SYSTEM: list[Exception] = [
    *(kinds[0]() for kinds, *_ in faults._SENTENCES),
    *map(untrusted, faults._DISTRUST),
    cut_tls(),
    OSError(),
]
TUNNEL = [OSError(f"Tunnel connection failed: {status} No") for status in (401, 403, 407, 502)]
SOCKS = [
    socks.SOCKS5AuthError(""),
    socks.SOCKS5Error("0x02: No"),
    socks.SOCKS5Error("0x05: "),
    socks.GeneralProxyError("invalid data"),
    OSError(),
]
UNREACHABLE: list[OSError] = [
    socket.gaierror(socket.EAI_AGAIN, ""),
    socket.gaierror(socket.EAI_NONAME, ""),
    ConnectionRefusedError(),
    TimeoutError(),
    OSError(),
]


@pytest.mark.parametrize("error", SYSTEM, ids=repr)
def test_a_broken_exchange(error: Exception) -> None:
    assert left_in_english(str(faults.failed(error))) == ""


@pytest.mark.parametrize("error", [*SYSTEM, *TUNNEL], ids=repr)
def test_an_http_proxy_in_the_way(error: Exception) -> None:
    assert left_in_english(str(faults.proxy_failed(error))) == ""


@pytest.mark.parametrize("error", SOCKS, ids=repr)
def test_a_socks_proxy_in_the_way(error: OSError) -> None:
    assert left_in_english(str(faults.socks_failed(error))) == ""


@pytest.mark.parametrize("place", [UPSTREAM, PROXY], ids=["upstream", "proxy"])
@pytest.mark.parametrize("error", UNREACHABLE, ids=repr)
def test_no_connection(error: OSError, place: Place) -> None:
    assert left_in_english(str(faults.unreachable(error, place))) == ""


@pytest.mark.parametrize("by_proxy", [False, True], ids=["upstream", "proxy"])
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal(status: int, words: str, by_proxy: bool) -> None:
    assert left_in_english(str(refused(status, words, by_proxy))) == ""
    assert left_in_english(str(refused(status, words, by_proxy, **{"Retry-After": "5"}))) == ""


@pytest.mark.parametrize("place", ["http://a/", "https://a/", "http://b/"])
def test_a_redirect(place: str) -> None:
    assert left_in_english(_redirect("http://a/", place, "301")) == ""


ALONE = [CUT_OFF, NEVER_BEGUN, EMPTY, NO_ACCESS, NO_COOKIE, str(Cancelled()), discovery.HERE, discovery.GONE]


@pytest.mark.parametrize("sentence", ALONE)
def test_what_is_said_as_it_is(sentence: str) -> None:
    assert left_in_english(sentence) == ""


def test_the_guide_by_its_name_where_a_model_is_not_offered() -> None:
    upstreams = providers.Upstreams(providers.table(load({}), ProvidersFile()))
    assert {left_in_english(choice.label) for choice in upstreams.choices()} == {""}
    for choice in ("gone/", "gone/model"):
        with pytest.raises(ProviderError) as caught:
            upstreams.get(choice)
        assert left_in_english(str(caught.value)) == ""


def test_the_state_of_an_upstream_before_and_after_it_was_asked_and_while_it_is_left_alone() -> None:
    with Upstream(openai()) as server:
        given = {"OPENAI_BASE_URL": f"{server.url}/v1", "VOIGPT_URL": f"http://127.0.0.1:{free_port()}"}
        answering, away = providers.table(load(given), ProvidersFile())
        states = [answering._health, answering.health(), away.health(), away.health()]
    assert [state.status for state in states] == ["unknown", "up", "down", "down"]
    assert len({state.sentence for state in states}) == 4
    assert [left_in_english(state.sentence) for state in states] == [""] * 4
    assert left_in_english(answering.label) == ""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_problem_of_a_reply_that_was_stored(alice: Person, upstream: Upstream, database: Database) -> None:
    upstream.queue(*[reply_json({"error": "Slow down"}, 429, retry_after="30")] * 5)
    chat = alice.send("Hello")
    page = alice.get(chat).text
    with database.read() as connection:
        [stored] = connection.scalars(select(messages.c.problem).where(messages.c.status == "failed"))
    assert isinstance(stored, Sentence)
    assert stored.startswith("The upstream had too many requests and asks to wait (429 Too Many Requests); try again")
    assert stored in page
    assert left_in_english(stored) == ""
    assert ELSEWHERE.say(stored).endswith(": “Slow down”.")
    alice.app.extensions["languages"][ELSEWHERE.code] = ELSEWHERE
    assert ELSEWHERE.say(stored) in alice.get(chat, headers={"Accept-Language": ELSEWHERE.code}).text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_status_page(alice: Person) -> None:
    alice.app.extensions["languages"][ELSEWHERE.code] = ELSEWHERE
    for language, words in (("en", "It answers."), (ELSEWHERE.code, "ж ж.")):
        assert f"<span>{words}</span>" in alice.get("/providers/", headers={"Accept-Language": language}).text
