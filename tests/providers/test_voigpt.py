from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from threading import Event, Lock, Semaphore
from time import monotonic, time
from typing import Any

import pytest

from tests.providers.django_site import Site, django_site
from tests.providers.upstream import (
    Answer,
    Asked,
    Peer,
    Upstream,
    in_turn,
    raw,
    reply,
    reply_json,
    reset,
    silence,
    voigpt,
)
from webapp.providers.base import Cancelled, Messages, ProviderError
from webapp.providers.http import Call
from webapp.providers.voigpt import VoiGpt

HELLO: Messages = [{"role": "user", "content": "Hello"}]
TALK: Messages = [
    {"role": "user", "content": "Привет"},
    {"role": "assistant", "content": "Hi 🙂"},
    {"role": "user", "content": "How are you?"},
]


@pytest.fixture(autouse=True)
def _no_tokens() -> None:
    """An earlier test's upstream may have had the same port."""
    VoiGpt._tokens.clear()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(voigpt()) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def django() -> Iterator[Site]:
    with django_site() as site:
        yield site


def say(url: str, messages: Messages = HELLO, **options: Any) -> str:
    (answer,) = VoiGpt.create_completion("", messages, False, url=url, **options)
    assert isinstance(answer, str)
    return answer


def fail(url: str, messages: Messages = HELLO, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        say(url, messages, **options)
    return caught.value


def refuse_first(answer: Answer, token: str) -> Answer:
    """A 403 for a POST with `token`, else `answer`."""

    def refuse(asked: Asked, peer: Peer) -> None:
        is_refused = asked.headers.get("x-csrftoken") == token
        (reply("no", 403) if is_refused else answer)(asked, peer)

    return refuse


def test_its_surface_is_as_published() -> None:
    assert VoiGpt.url == "https://voigpt.com"
    assert VoiGpt.working is False
    assert VoiGpt.supports_gpt_35_turbo is True
    assert VoiGpt.supports_message_history is True
    assert VoiGpt.supports_stream is False
    assert VoiGpt._access_token is None
    assert list(VoiGpt.models()) == ["gpt-3.5-turbo"]


def test_nothing_is_sent_before_the_first_chunk_is_asked_for(upstream: Upstream) -> None:
    VoiGpt.create_completion("", HELLO, False, url=upstream.url)
    assert upstream.connections == 0


def test_the_first_call_fetches_a_token_and_says_who_it_is(upstream: Upstream) -> None:
    assert say(upstream.url, TALK) == "Hello."
    page, post = upstream.asked
    assert (page.method, page.path) == ("GET", "/")
    assert "cookie" not in page.headers
    assert (post.method, post.path) == ("POST", "/generate_response/")
    assert post.headers["x-csrftoken"] == "token-1"
    assert post.headers["cookie"] == "csrftoken=token-1"
    assert post.headers["origin"] == upstream.url
    assert post.headers["referer"] == f"{upstream.url}/"
    assert post.headers["content-type"] == "application/json"
    assert post.json == {"messages": TALK}


def test_the_next_call_uses_the_same_token(upstream: Upstream) -> None:
    say(upstream.url)
    say(upstream.url)
    assert [asked.method for asked in upstream.asked] == ["GET", "POST", "POST"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_site_may_live_under_a_path(upstream: Upstream, slash: str) -> None:
    say(f"{upstream.url}/voi gpt{slash}")
    page, post = upstream.asked
    assert page.path == "/voi%20gpt/"
    assert post.path == "/voi%20gpt/generate_response/"
    assert post.headers["origin"] == upstream.url
    assert post.headers["referer"] == f"{upstream.url}/voi%20gpt/"


def test_a_password_in_the_address_is_sent_as_one_and_not_named(upstream: Upstream) -> None:
    say(f"http://us:pw@127.0.0.1:{upstream.port}")
    post = upstream.asked[-1]
    assert post.headers["authorization"] == "Basic dXM6cHc="
    assert post.headers["referer"] == f"{upstream.url}/"


def test_parameters_are_ignored(upstream: Upstream) -> None:
    say(upstream.url, parameters={"temperature": 0.5, "seed": 7})
    assert upstream.asked[-1].json == {"messages": HELLO}


def test_the_default_site_keeps_its_token_where_it_is_published(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VoiGpt, "url", f"{upstream.url}/")
    monkeypatch.setattr(VoiGpt, "_access_token", None)
    assert list(VoiGpt.create_completion(model="", messages=HELLO, stream=False)) == ["Hello."]
    assert VoiGpt._access_token == "token-1"
    VoiGpt._access_token = "told"
    list(VoiGpt.create_completion(model="gpt-3.5-turbo", messages=HELLO, stream=True))
    assert upstream.asked[-1].headers["x-csrftoken"] == "told"


def test_the_default_sites_token_goes_to_no_other_site(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VoiGpt, "_access_token", "mine")
    say(upstream.url)
    assert upstream.asked[-1].headers["x-csrftoken"] == "token-1"


def test_a_given_access_token_is_used_as_it_is(upstream: Upstream) -> None:
    say(upstream.url, access_token="given")
    (post,) = upstream.asked
    assert post.headers["x-csrftoken"] == "given"
    assert post.headers["cookie"] == "csrftoken=given"


def test_a_given_access_token_that_is_refused_is_not_replaced(upstream: Upstream) -> None:
    upstream.queue(reply("no", 403))
    error = fail(upstream.url, access_token="given")
    assert str(error) == "The upstream refused the access token that is set for it (403); the admin has to set another."
    assert not error.again
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("token", ["two\nlines", "ключ"])
def test_a_given_access_token_that_cannot_be_sent_is_an_error(upstream: Upstream, token: str) -> None:
    assert str(fail(upstream.url, access_token=token)).endswith(
        "is not set up correctly; the admin has to correct them."
    )


def test_an_expired_token_is_renewed_once_and_the_request_sent_again() -> None:
    with Upstream(refuse_first(voigpt(), "token-1")) as upstream:
        assert say(upstream.url) == "Hello."
        assert [asked.method for asked in upstream.asked] == ["GET", "POST", "GET", "POST"]
        say(upstream.url)
        assert len(upstream.asked) == 5
        assert upstream.asked[-1].headers["x-csrftoken"] == "token-2"


def test_a_fresh_token_that_is_refused_too_is_an_error() -> None:
    page, refusal = voigpt(), reply("<title>Forbidden</title><html>", 403, content_type="text/html")
    with Upstream(in_turn(page, refusal, page, refusal)) as upstream:
        error = fail(upstream.url)
        assert str(error).startswith("The upstream refused the request (403 Forbidden); ")
        assert str(error).endswith(": “Forbidden”.")
        assert len(upstream.asked) == 4


def test_a_token_that_the_site_changes_in_an_answer_is_the_next(upstream: Upstream) -> None:
    answer = reply_json({"response": "ok"}, set_cookie="csrftoken=newer; Path=/")
    upstream.queue(voigpt(), answer)
    say(upstream.url)
    say(upstream.url)
    assert [asked.headers.get("x-csrftoken") for asked in upstream.asked] == [None, "token-1", "newer"]


def test_many_threads_at_once_fetch_one_token(upstream: Upstream) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(say, [upstream.url] * 16)) == ["Hello."] * 16
    assert len(upstream.asked_for("GET")) == 1


def test_threads_whose_token_expired_together_renew_it_once() -> None:
    with Upstream(refuse_first(voigpt(), "token-1")) as upstream, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(say, [upstream.url] * 16)) == ["Hello."] * 16
        assert len(upstream.asked_for("GET")) == 2


def test_a_slow_site_does_not_hold_up_another(upstream: Upstream) -> None:
    with Upstream(silence()) as slow, ThreadPoolExecutor(1) as pool:
        call = Call()
        waiting = pool.submit(fail, slow.url, call=call)
        slow.wait_for_requests()
        assert say(upstream.url) == "Hello."
        call.cancel()
        assert isinstance(waiting.result(), Cancelled)


def test_each_proxy_has_its_own_token(upstream: Upstream) -> None:
    say("http://voigpt.invalid", proxy=upstream.url)
    say("http://voigpt.invalid", proxy=f"http://localhost:{upstream.port}")
    assert [asked.path for asked in upstream.asked_for("GET")] == ["http://voigpt.invalid/"] * 2


def test_who_waits_for_anothers_token_can_be_cancelled() -> None:
    with Upstream(silence()) as upstream, ThreadPoolExecutor(2) as pool:
        first, second = Call(), Call()
        fetching = pool.submit(fail, upstream.url, call=first)
        upstream.wait_for_requests()
        waiting = pool.submit(fail, upstream.url, call=second)
        second.cancel()
        assert isinstance(waiting.result(2), Cancelled)
        assert not fetching.done()
        first.cancel()
        assert isinstance(fetching.result(2), Cancelled)


def test_who_waits_for_anothers_token_fetches_it_when_the_other_is_cancelled() -> None:
    with Upstream(voigpt()) as upstream, ThreadPoolExecutor(2) as pool:
        upstream.queue(silence())
        first = Call()
        fetching = pool.submit(fail, upstream.url, call=first)
        upstream.wait_for_requests()
        waiting = pool.submit(say, upstream.url)
        first.cancel()
        assert isinstance(fetching.result(2), Cancelled)
        assert waiting.result(2) == "Hello."


class ObservedCall(Call):
    """Says when it begins to wait for a token."""

    def __init__(self, waits: Semaphore) -> None:
        super().__init__()
        self._waits = waits

    @contextmanager
    def holding(self, lock: Lock) -> Iterator[None]:
        self._waits.release()
        with super().holding(lock):
            yield


def test_those_who_wait_for_a_token_share_the_failure() -> None:
    waits, go = Semaphore(0), Event()

    def fault(asked: Asked, peer: Peer) -> None:
        assert go.wait(5)
        reply("down", 503)(asked, peer)

    with Upstream(fault) as upstream, ThreadPoolExecutor(8) as pool:
        failing = [pool.submit(fail, upstream.url, call=ObservedCall(waits)) for _ in range(8)]
        for _ in failing:
            assert waits.acquire(timeout=5)
        go.set()
        [error] = {str(future.result(5)) for future in failing}
        assert error.startswith("The upstream has a fault of its own (503 Service Unavailable); ")
        assert error.endswith(": “down”.")
        assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("answer", "sentence", "again"),
    [
        (reply("nope"), "broken data; try again: “nope”", True),
        (reply(""), "broken data; try again.", True),
        (
            reply_json({"error": "quota"}),
            'something else than an answer; try again, and tell the admin if it stays so: “{"error": "quota"}”',
            True,
        ),
        (reply_json({"response": None}), "something else than an answer", True),
        (reply_json({"response": ["a"]}), "something else than an answer", True),
        (reply_json(["response"]), "something else than an answer", True),
        (reply_json("response"), "something else than an answer", True),
        (reply_json({"response": ""}), "answer is empty", True),
        (reply_json({"response": " \n"}), "answer is empty", True),
        (reply('{"response": NaN}'), "broken data", True),
        (reply('{"response": ' + "9" * 5000 + "}"), "broken data", True),
        (reply("[" * 100_000), "broken data", True),
        (
            reply("<html><title>Just a moment\n…</title>"),
            "a web page instead of data; the admin has to correct its address: “Just a moment …”",
            False,
        ),
        (
            reply("<p>hi", content_type="text/html"),
            "a web page instead of data; the admin has to correct its address.",
            False,
        ),
        (reply("a\x00b\x1b[31m\u202ec\r\nd"), "broken data; try again: “a b [31m c d”", True),
        (
            reply("gone", 404),
            "no such service at its address (404 Not Found); the admin has to correct its address: “gone”",
            False,
        ),
        (reply("", 400), "did not answer (400 Bad Request); the admin has to look into it.", False),
        (reply("", 401), "does not accept the key or account (401 Unauthorized); the admin has to set another.", False),
        (
            reply("", 500),
            "a fault of its own (500 Internal Server Error); try again, and tell the admin if it stays so.",
            True,
        ),
        (reply("", 502), "a fault of its own (502 Bad Gateway); try again, and tell the admin if it stays so.", True),
        (reply("", 299), "did not answer (299); the admin has to look into it.", False),
        (reply("", 302, location="https://login.example.org/x?y"), "redirects to another place (302)", False),
        (reply("", 307, location="/login"), "redirects to another place (307)", False),
        (reply("", 302, location="/generate_response/"), "redirects to itself (302)", False),
        (reply("", 301, location="http://[/"), "redirects to another place (301)", False),
        (reply("", 301), "redirects to another place (301)", False),
        (reset(), "broke off before the answer was complete", True),
        (raw(b"SSH-2.0-OpenSSH\r\n\r\n", then=Peer.close), "does not answer in HTTP", False),
    ],
)
def test_what_is_no_answer_is_an_error_with_what_came(
    upstream: Upstream, answer: Answer, sentence: str, again: bool
) -> None:
    upstream.queue(voigpt(), answer)
    error = fail(upstream.url)
    assert sentence in str(error)
    assert error.again is again
    assert str(error).isprintable()
    assert len(upstream.asked) == 2


def test_what_came_is_shortened(upstream: Upstream) -> None:
    upstream.queue(voigpt(), reply("x" * 5000))
    assert str(fail(upstream.url)) == f"The upstream answered with broken data; try again: “{'x' * 199}…”."


def test_what_came_is_quoted_without_the_token(upstream: Upstream) -> None:
    upstream.queue(voigpt(), reply("bad token-1!", 400), reply("bad token-1"), reply_json({"e": "token-1"}))
    for _ in range(3):
        error = str(fail(upstream.url))
        assert "token-1" not in error
        assert "…" in error


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("-7", None, None),
        ("soon", None, None),
        ("999999999999", 3600, 3600),
        ("9" * 400, 3600, 3600),
        (formatdate(time() + 3000, usegmt=True), 2000, 3001),
        (formatdate(0, usegmt=True), 0, 0),
    ],
    ids=["seconds", "negative", "no time", "too long", "no number", "a date", "a date long ago"],
)
def test_too_many_requests_say_when_to_come_back(
    upstream: Upstream, header: str, low: float | None, high: float | None
) -> None:
    upstream.queue(voigpt(), reply("", 429, retry_after=header))
    error = fail(upstream.url)
    sentence, _, to_do = str(error).partition("; ")
    assert sentence == "The upstream had too many requests and asks to wait (429 Too Many Requests)"
    assert error.again
    assert to_do.startswith("try again later." if low is None else "try again after ")
    if low is None or high is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert low <= error.retry_after <= high


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (reply("<html>"), "sets no csrftoken cookie"),
        (reply("", set_cookie="csrftoken="), "sets no csrftoken cookie"),
        (reply("", set_cookie="csrftoken=x; Max-Age=0"), "sets no csrftoken cookie"),
        (reply("", 404, set_cookie="csrftoken=x"), "no such service"),
        (reply("", 503), "a fault of its own (503"),
        (reply("", 302, location="https://elsewhere.example/"), "redirects to another place"),
    ],
)
def test_a_page_without_a_token_is_an_error(upstream: Upstream, page: Answer, sentence: str) -> None:
    upstream.queue(page, page)
    assert sentence in str(fail(upstream.url))
    with pytest.raises(ProviderError, match=sentence.replace("(", r"\(")):
        VoiGpt.check(url=upstream.url)
    assert [asked.method for asked in upstream.asked] == ["GET", "GET"]


def test_the_check_asks_for_a_page_with_a_token(upstream: Upstream) -> None:
    VoiGpt.check(url=upstream.url, access_token="given", call=Call(5))
    assert [(asked.method, asked.path) for asked in upstream.asked] == [("GET", "/")]


@pytest.mark.parametrize("stage", ["GET", "POST"])
def test_a_call_can_be_cancelled_at_each_request(upstream: Upstream, stage: str) -> None:
    upstream.queue(*([silence()] if stage == "GET" else [voigpt(), silence()]))
    call = Call()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, upstream.url, call=call)
        upstream.wait_for_requests(1 if stage == "GET" else 2)
        call.cancel()
        assert isinstance(waiting.result(2), Cancelled)
    upstream.wait_for_closed()


def test_one_deadline_covers_all_requests(upstream: Upstream) -> None:
    upstream.queue(voigpt(), silence())
    begun = monotonic()
    assert (
        str(fail(upstream.url, call=Call(0.3)))
        == "The upstream had not finished after 0.3 seconds; try again, or ask for less."
    )
    assert monotonic() - begun < 1.5


def test_two_hundred_at_once_are_all_answered() -> None:
    def echo(asked: Asked) -> str:
        return str(asked.json["messages"][-1]["content"])

    def said(number: int) -> str:
        return say(busy.url, [{"role": "user", "content": f"word {number}"}])

    with Upstream(voigpt(echo)) as busy, ThreadPoolExecutor(200) as pool:
        assert list(pool.map(said, range(200))) == [f"word {number}" for number in range(200)]
        assert len(busy.asked_for("GET")) == 1


def test_a_real_django_answers(django: Site) -> None:
    VoiGpt.check(url=django.url)
    before = django.count()
    assert say(django.url, TALK) == "3: How are you?"
    assert say(django.url) == "1: Hello"
    assert grown(django, before) == {"page": 1, "posts": 2, "refused": 0}


def test_a_real_django_that_forgot_the_token_gives_another(django: Site) -> None:
    say(django.url)
    before = django.count()
    django.expire()
    assert say(django.url) == "1: Hello"
    assert grown(django, before) == {"page": 1, "posts": 2, "refused": 1}


def test_a_real_django_that_rotates_the_token_is_followed(django: Site) -> None:
    say(django.url, [{"role": "user", "content": "rotate"}])
    before = django.count()
    assert say(django.url) == "1: Hello"
    assert grown(django, before) == {"page": 0, "posts": 1, "refused": 0}


def test_a_real_django_refuses_a_given_token_that_it_never_gave(django: Site) -> None:
    before = django.count()
    assert "refused the access token" in str(fail(django.url, access_token="x" * 32))
    assert grown(django, before) == {"page": 0, "posts": 1, "refused": 1}


def test_a_real_django_refuses_another_origin(django: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.providers.voigpt.origin", lambda _: "http://elsewhere.invalid")
    before = django.count()
    assert "refused the request (403 Forbidden)" in str(fail(django.url))
    assert grown(django, before)["refused"] == 2


def test_threads_whose_token_a_real_django_forgot_renew_it_once(django: Site) -> None:
    say(django.url)
    before = django.count()
    django.expire()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(say, [django.url] * 8)) == ["1: Hello"] * 8
    assert grown(django, before)["page"] == 1


def grown(site: Site, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in site.count().items()}
