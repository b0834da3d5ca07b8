from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from threading import Event
from time import monotonic, time
from typing import Any

import pytest

from tests.providers.authorities import Authority
from tests.providers.upstream import (
    DONE,
    END,
    STREAM,
    Answer,
    Asked,
    Peer,
    Upstream,
    chunked,
    cut,
    delta,
    drip,
    event,
    openai,
    raw,
    reply,
    reply_json,
    reset,
    silence,
    stream,
)
from tests.support.servers import wait_until
from webapp.providers import http, sse
from webapp.providers import openai as adapter
from webapp.providers.base import Cancelled, Chunk, Finish, Messages, ProviderError, Reasoning, Usage
from webapp.providers.http import Call
from webapp.providers.openai import OpenAI

HELLO: Messages = [{"role": "user", "content": "Hello"}]
TALK: Messages = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Привет"},
    {"role": "assistant", "content": "Hi 🙂"},
    {"role": "user", "content": "How are you?"},
]
KEY = "sk-0123456789"
STOP = delta(finish_reason="stop")
UNTIL_CLOSED = STREAM.replace(b"Transfer-Encoding: chunked", b"Connection: close")
TOKENS = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    http._network(None)  # reads the system's certificates, which takes as long as some deadlines here
    with Upstream(openai()) as upstream:
        yield upstream


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def ask(upstream: Upstream, messages: Messages = HELLO, **options: Any) -> Iterator[Chunk]:
    return OpenAI.create_completion("small", messages, True, url=f"{upstream.url}/v1", **options)


def words(chunks: list[Chunk]) -> str:
    return "".join(chunk for chunk in chunks if isinstance(chunk, str))


def collect(said: list[Chunk], chunks: Iterator[Chunk]) -> None:
    for chunk in chunks:
        said.append(chunk)


def failing(upstream: Upstream, said: list[Chunk], **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        collect(said, ask(upstream, **options))
    assert str(caught.value).endswith(".")
    return caught.value


def fail(upstream: Upstream, **options: Any) -> ProviderError:
    return failing(upstream, [], **options)


# What is sent


def test_nothing_is_sent_before_the_first_chunk_is_asked_for(upstream: Upstream) -> None:
    ask(upstream)
    assert upstream.connections == 0


def test_the_chat_is_sent_with_model_and_key(upstream: Upstream) -> None:
    assert words(list(ask(upstream, TALK, access_token=KEY))) == "Hello."
    [asked] = upstream.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["accept-encoding"] == "identity"
    assert not {"cookie", "origin", "referer"} & set(asked.headers)
    assert asked.json == {
        "model": "small",
        "messages": TALK,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_parameters_that_are_set_are_sent_and_no_others(upstream: Upstream) -> None:
    chosen = {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100, "seed": 7}
    for parameters in (chosen, {"temperature": 0.0, "seed": None, "stream": 0, "model": 1}, {}, None):
        list(ask(upstream, parameters=parameters))
    plain = {"model": "small", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    assert [asked.json for asked in upstream.asked] == [plain | chosen, plain | {"temperature": 0.0}, plain, plain]


def test_without_a_key_none_is_sent(upstream: Upstream) -> None:
    list(ask(upstream))
    OpenAI.models(url=upstream.url)
    assert ["authorization" in asked.headers for asked in upstream.asked] == [False, False]


def test_a_slash_at_the_end_of_the_address_does_not_matter(upstream: Upstream) -> None:
    list(OpenAI.create_completion("m", HELLO, True, url=f"{upstream.url}/v1/"))
    assert upstream.asked[0].path == "/v1/chat/completions"


def test_a_key_that_no_header_can_hold_is_said_to_be_set_up_wrongly(upstream: Upstream) -> None:
    for key in ("ключ", "two\nlines"):
        error = fail(upstream, access_token=key)
        assert (
            str(error) == "The upstream's address, key or proxy is not set up correctly; the admin has to correct them."
        )
    assert upstream.connections == 0


def test_one_reply_after_the_other_uses_the_same_connection(upstream: Upstream) -> None:
    for _ in range(3):
        list(ask(upstream))
    assert upstream.connections == 1


# What comes back


CHOICE = {"index": 0, "delta": {"content": "Hi"}}
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}, 7, {"text": None}]}
THOUGHT = [Reasoning("Hm."), "Hi", Finish("stop")]


@pytest.mark.parametrize(
    ("parts", "chunks"),
    [
        ([delta("Hel"), delta("lo"), STOP, DONE], ["Hel", "lo", Finish("stop")]),
        ([delta("", role="assistant"), delta(role="assistant"), delta("Hi"), STOP, DONE], ["Hi", Finish("stop")]),
        ([event({"choices": [{"delta": {"content": None}}]}), delta("Hi", "length"), DONE], ["Hi", Finish("length")]),
        ([delta(reasoning_content="Hm. "), delta("Hi"), DONE], [Reasoning("Hm. "), "Hi"]),
        ([delta(reasoning="Hm. ", reasoning_content=None), delta("Hi"), DONE], [Reasoning("Hm. "), "Hi"]),
        ([delta(reasoning="Hm.", reasoning_content="Hm."), DONE], [Reasoning("Hm.")]),
        ([delta("Hi"), STOP, event({"choices": [], "usage": TOKENS}), DONE], ["Hi", Finish("stop"), Usage(7, 2)]),
        ([event({"choices": [{"delta": {"content": "Hi"}}], "usage": TOKENS}), DONE], ["Hi", Usage(7, 2)]),
        ([event({"choices": [{"delta": {"content": "Hi"}}], "usage": None}), DONE], ["Hi"]),
        ([b": ping\n\n", b":\n\n", delta("Hi"), b": ping\n\n", DONE], ["Hi"]),
        ([delta("Hi"), b"data:[DONE]\r\n\r\n"], ["Hi"]),
        ([delta("Hi"), STOP], ["Hi", Finish("stop")]),
        ([event({"choices": [], "prompt_filter_results": []}), event({}), b"data\n\n", delta("Hi"), DONE], ["Hi"]),
        ([event({"choices": [{"finish_reason": None}]}), event({"choices": [{"delta": None}]}), DONE], []),
        ([delta("Hi"), event({"choices": None, "error": None}), DONE, delta("after the end")], ["Hi"]),
        ([event({"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": 1}}), DONE], []),
        ([event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 10**4000}}), DONE], []),
        ([event({"choices": [], "usage": {"prompt_tokens": "1"}}), DONE], []),
        ([delta(None, 7), DONE], []),
        ([delta("Hi", ""), delta("!", "model_length"), DONE], ["Hi", "!", Finish("length")]),
        ([delta("<thi"), delta("nk>Hm.</"), delta("think>\n\n"), delta("Hi"), STOP, DONE], THOUGHT),
        ([delta(refusal="I can't.", content=None), STOP, DONE], ["I can't.", Finish("stop")]),
        ([delta([{"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [1]}]), DONE], ["Hi"]),
        (
            [delta([THINKING]), DONE],
            [Reasoning("Hm.")],
        ),
        ([event({"choices": [{"index": 1, "delta": {"content": "Ho"}}, CHOICE]}), DONE], ["Hi"]),
        ([event({"choices": [{"index": 1, "delta": {"content": "Ho"}, "finish_reason": "stop"}]}), DONE], []),
        ([event({"choices": [CHOICE | {"index": None}, CHOICE]}), DONE], ["Hi"]),
        ([event({"choices": [CHOICE | {"logprobs": [], "x": {}}], "id": 7, "obfuscation": "x"}), DONE], ["Hi"]),
        ([b"event: x\nid: 7\nretry: 1\n" + delta("Hi"), b"event: ping\ndata:\n\n", DONE], ["Hi"]),
        ([b'data: {"choices": [{"delta":\ndata: {"content": "Hi"}}]}\n\n', DONE], ["Hi"]),
        ([b"\xef\xbb\xbf" + delta("Hi").replace(b"\n", b"\r"), DONE.replace(b"\n", b"\r\n")], ["Hi"]),
        ([DONE], []),
    ],
)
def test_events_become_chunks(upstream: Upstream, parts: list[bytes], chunks: list[Chunk]) -> None:
    upstream.queue(stream(*parts))
    assert list(ask(upstream)) == chunks


@pytest.mark.parametrize("broken", [cut, reset])
def test_when_an_answer_has_ended_it_does_not_matter_how_its_connection_ends(
    upstream: Upstream, broken: Callable[..., Answer]
) -> None:
    upstream.queue(broken(STREAM, chunked(delta("Hi"), STOP)))
    assert list(ask(upstream)) == ["Hi", Finish("stop")]


def test_letters_that_the_network_cuts_in_two_are_whole(upstream: Upstream) -> None:
    said = 'data: {"choices": [{"delta": {"content": "Грüße 🙂"}}]}\r\n\r\n'.encode() + DONE
    upstream.queue(stream(*(bytes([byte]) for byte in said)))
    assert list(ask(upstream)) == ["Грüße 🙂"]


@pytest.mark.parametrize("head", [STREAM, UNTIL_CLOSED])
def test_a_word_is_there_before_the_next_is_sent(upstream: Upstream, head: bytes) -> None:
    has_come = Event()

    def answer(_: Asked, peer: Peer) -> None:
        peer.send(head)
        for part in (delta("one"), delta(" two"), delta(" three")):
            peer.send(chunked(part) if head is STREAM else part)
            assert has_come.wait(5)
            has_come.clear()
        peer.send(chunked(DONE) + END if head is STREAM else DONE)
        peer.close()

    upstream.queue(answer)
    said = []
    for chunk in ask(upstream, call=Call(10)):
        said.append(chunk)
        has_come.set()
    assert said == ["one", " two", " three"]


@pytest.mark.parametrize("wants_stream", [True, False])
def test_a_server_that_answers_in_one_piece_is_understood(upstream: Upstream, wants_stream: bool) -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}
    upstream.queue(reply_json({"choices": [{"message": message, "finish_reason": "stop"}], "usage": TOKENS}))
    said = list(OpenAI.create_completion("m", HELLO, wants_stream, url=upstream.url))
    assert said == [Reasoning("Hm."), "Hi", Finish("stop"), Usage(7, 2)]
    assert upstream.asked[0].json["stream"] is wants_stream
    assert ("stream_options" in upstream.asked[0].json) is wants_stream


EXTRA = {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}}


@pytest.mark.parametrize("limit", [100, None])
def test_a_limit_of_length_is_sent_by_its_newer_name_where_the_older_is_refused(
    upstream: Upstream, limit: int | None
) -> None:
    sentence = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    upstream.queue(reply_json({"error": {"message": sentence}}, 400))
    if limit is None:
        assert sentence in str(fail(upstream))
        return
    assert words(list(ask(upstream, parameters={"max_tokens": limit}))) == "Hello."
    first, second = (asked.json for asked in upstream.asked)
    assert first.pop("max_tokens") == second.pop("max_completion_tokens") == limit
    assert first == second


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_to_count_is_asked_without(upstream: Upstream, status: int) -> None:
    upstream.queue(reply_json(EXTRA, status))
    assert words(list(ask(upstream))) == "Hello."
    first, second = (asked.json for asked in upstream.asked)
    assert second == {name: value for name, value in first.items() if name != "stream_options"}


def test_no_other_refusal_is_sent_again(upstream: Upstream) -> None:
    upstream.queue(reply_json(EXTRA, 422), reply_json(EXTRA, 422), reply_json(EXTRA, 500), reply_json({}, 422))
    for count in (2, 3, 4):
        fail(upstream)
        assert len(upstream.asked) == count


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (stream(delta("Hi")), "The upstream's answer was cut off; try again."),
        (stream(delta("Hi"), b"data: [DON"), "The upstream's answer was cut off; try again."),
        (cut(UNTIL_CLOSED, delta("Hi")), "The upstream's answer was cut off; try again."),
        (
            cut(STREAM, chunked(delta("Hi"))),
            "The connection to the upstream broke off before the answer was complete; try again.",
        ),
        (reset(STREAM, chunked(delta("Hi"))), "The connection to the upstream broke off before the answer was"),
        (
            stream(delta("Hi"), event({"error": {"message": f"Out of memory; {KEY}", "code": 500}}), DONE),
            "The upstream broke off with an error; try again: “Out of memory; …”.",
        ),
        (
            stream(delta("Hi"), event({"error": "Overloaded"})),
            "The upstream broke off with an error; try again: “Overloaded”.",
        ),
        (
            stream(delta("Hi"), event({"error": {"code": 7}})),
            'The upstream broke off with an error; try again: “{"error": {"code": 7}}”.',
        ),
        (stream(delta("Hi"), b"data: {\n\n"), "The upstream answered with broken data; try again: “{”."),
        (
            stream(delta("Hi"), event("Hi")),
            "The upstream answered with something else than an answer; try again, and tell the admin",
        ),
    ],
)
def test_what_came_before_the_end_is_kept(upstream: Upstream, answer: Answer, sentence: str) -> None:
    upstream.queue(answer)
    said: list[Chunk] = []
    error = failing(upstream, said, access_token=KEY)
    assert said == ["Hi"]
    assert str(error).startswith(sentence)


HOSTILE = [
    b"null",
    b"[]",
    b"7",
    b'"Hi"',
    b'{"choices": [null]}',
    b'{"choices": ["Hi"]}',
    b'{"choices": [{"delta": "Hi"}]}',
    b'{"choices": [{"delta": {"content": 7}}]}',
    b'{"choices": [{"delta": {"content": ["Hi"]}}]}',
    b'{"choices": [{"delta": {"content": [{"type": "text", "text": 7}]}}]}',
    b'{"choices": [{"delta": {"content": [{"type": "thinking", "thinking": "Hi"}]}}]}',
    b'{"choices": [{"delta": {"content": [{"text": "Hi"}]}}]}',
    b'{"choices": [{"index": 1}, 7]}',
    b'{"choices": [{"delta": {"reasoning": {"text": "Hi"}}}]}',
    b'{"choices": [{"delta": {"content": NaN}}]}',
    b'{"usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}",
    b'{"choices": ' + b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"error": "\\udfff"}',
    b'{"error": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"<html>",
    b"\0",
]


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_events_are_an_error_in_words(upstream: Upstream, said: bytes) -> None:
    upstream.queue(stream(b"data: " + said[: len(said) // 2], said[len(said) // 2 :] + b"\n\n", DONE))
    error = fail(upstream)
    assert len(str(error)) < 300
    assert str(error).isprintable()


@pytest.mark.parametrize("said", [*HOSTILE, b"", b"{}", b'{"choices": []}'], ids=range(len(HOSTILE) + 3))
def test_hostile_messages_are_an_error_in_words(upstream: Upstream, said: bytes) -> None:
    upstream.queue(reply(said.replace(b"delta", b"message"), content_type="application/json; charset=utf-8"))
    error = fail(upstream)
    assert len(str(error)) < 300


def test_a_line_without_an_end_ends_at_the_limit(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LINE_BYTES", 2**18)

    def flood(_: Asked, peer: Peer) -> None:
        peer.send(STREAM)
        while True:
            peer.send(chunked(b"x" * 65536))

    upstream.queue(flood)
    error = fail(upstream)
    assert (
        str(error) == "The upstream's answer has a line that is longer than 0.25 MB; the admin has to look at its log."
    )
    upstream.wait_for_closed()


def test_an_endless_stream_ends_at_the_limit_of_the_call(upstream: Upstream) -> None:
    def flood(_: Asked, peer: Peer) -> None:
        peer.send(STREAM)
        while True:
            peer.send(chunked(delta("word " * 100)) * 10)

    upstream.queue(flood)
    error = fail(upstream, call=Call(20, max_bytes=2**19))
    assert "longer than 0.5 MB" in str(error)


def test_a_web_page_is_named_as_one(upstream: Upstream) -> None:
    upstream.queue(reply("<!doctype html><title>Open WebUI</title>", content_type="text/html"))
    error = fail(upstream)
    assert (
        str(error)
        == "The upstream answered with a web page instead of data; the admin has to correct its address: “Open WebUI”."
    )


@pytest.mark.parametrize(
    ("status", "said", "sentence", "again"),
    [
        (
            401,
            {"error": {"message": f"Incorrect API key provided: {KEY}."}},
            "The upstream does not accept the key or account (401 Unauthorized); the admin has to set another: "
            "“Incorrect API key provided: ….”.",
            False,
        ),
        (
            403,
            {"error": "Not you"},
            "The upstream refused the request (403 Forbidden); the admin has to see what its key or account may do: “",
            False,
        ),
        (
            404,
            {"error": {"message": "model 'x' not found", "type": "api_error"}},
            "The upstream does not have this model (404 Not Found); choose another, or tell the admin: “model 'x'",
            False,
        ),
        (
            404,
            None,
            "The upstream has no such service at its address (404 Not Found); the admin has to correct its address: “",
            False,
        ),
        (
            400,
            {"detail": "Bad"},
            'The upstream did not answer (400 Bad Request); the admin has to look into it: “{"detail": "Bad"}”.',
            False,
        ),
        (500, {"error": {"message": None}}, "The upstream has a fault of its own (500 Internal Server Error)", True),
        (503, {"error": {"message": "Loading model"}}, "The upstream has a fault of its own (503 Service", True),
    ],
)
def test_a_refusal_is_said_with_the_upstreams_own_words(
    upstream: Upstream, status: int, said: Any, sentence: str, again: bool
) -> None:
    upstream.queue(reply_json(said, status), reply_json(said, status))
    error = fail(upstream, access_token=KEY)
    assert str(error).startswith(sentence)
    assert error.again is again
    with pytest.raises(ProviderError) as unlisted:
        OpenAI.models(access_token=KEY, url=upstream.url)
    assert str(unlisted.value) == str(error)


def test_too_many_requests_say_when_to_come_again(upstream: Upstream) -> None:
    upstream.queue(reply("", 429, retry_after="7"), reply("", 429, retry_after=formatdate(time() + 60, usegmt=True)))
    error = fail(upstream)
    assert "The upstream had too many requests and asks to wait (429 Too Many Requests); try again after" in str(error)
    assert (error.again, error.retry_after) == (True, 7.0)
    error = fail(upstream)
    assert error.retry_after is not None
    assert 50 < error.retry_after <= 60


def test_a_redirect_is_not_followed(upstream: Upstream) -> None:
    with Upstream(openai()) as other:
        upstream.queue(reply("", 307, location=f"{other.url}/v1/chat/completions"))
        error = fail(upstream, access_token=KEY)
        assert "redirects to another place" in str(error)
        assert other.connections == 0


# Patience, and its end


def slow_start(seconds: float, *then: bytes) -> Answer:
    def answer(_: Asked, peer: Peer) -> None:
        if not peer.is_gone(seconds):
            peer.send(*then)

    return answer


@pytest.mark.parametrize("head", [STREAM, UNTIL_CLOSED])
def test_a_model_may_think_longer_before_its_first_word_than_between_two(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(adapter, "SILENCE_SECONDS", 0.3)

    def answer(_: Asked, peer: Peer) -> None:
        for part in (b"", head):
            peer.send(part)
            if peer.is_gone(0.6):
                return
        peer.send(chunked(delta("Hi")) if head is STREAM else delta("Hi"))
        peer.is_gone()

    upstream.queue(answer)
    said: list[Chunk] = []
    begun = monotonic()
    error = failing(upstream, said, call=Call(20))
    assert said == ["Hi"]
    assert str(error) == "The upstream fell silent, so the wait was given up; try again."
    assert 1.4 < monotonic() - begun < 4
    upstream.wait_for_closed()


def test_a_comment_is_a_sign_of_life(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "SILENCE_SECONDS", 0.5)

    def answer(_: Asked, peer: Peer) -> None:
        peer.send(STREAM)
        for _ping in range(5):
            peer.send(chunked(b": ping\n\n"))
            peer.is_gone(0.2)
        peer.send(chunked(delta("Hi"), DONE), END)

    upstream.queue(answer)
    assert list(ask(upstream)) == ["Hi"]


def test_the_deadline_ends_a_stream_that_only_pings(upstream: Upstream) -> None:
    upstream.queue(drip(UNTIL_CLOSED, data=b": ping\n\n", pause=0.02))
    error = fail(upstream, call=Call(0.5))
    assert str(error) == "The upstream had not finished after 0.5 seconds; try again, or ask for less."
    upstream.wait_for_closed()


def test_after_the_last_event_nobody_waits_for_the_connection_to_end(upstream: Upstream) -> None:
    upstream.queue(silence(STREAM, chunked(delta("Hi"), DONE)))
    begun = monotonic()
    assert list(ask(upstream)) == ["Hi"]
    assert monotonic() - begun < 2
    upstream.wait_for_closed()
    assert words(list(ask(upstream))) == "Hello."


STAGES = {
    "before the header": silence(),
    "before the first word": silence(STREAM),
    "before the first word, with pings": drip(UNTIL_CLOSED, data=b": ping\n\n"),
    "between two words": silence(STREAM, chunked(delta("Hi"))),
    "between two words, without length": silence(UNTIL_CLOSED, delta("Hi")),
    "between the last word and the tokens": silence(STREAM, chunked(delta("Hi"), STOP)),
    "in the middle of an event": silence(STREAM, chunked(delta("Hi")), chunked(b'data: {"choi')),
}


def ended_within(seconds: float, future: "Future[ProviderError]") -> ProviderError:
    begun = monotonic()
    error = future.result(10)
    assert monotonic() - begun < seconds
    return error


@pytest.mark.parametrize("is_secure", [False, True])
@pytest.mark.parametrize("stage", STAGES)
def test_stop_closes_the_connection_at_once(
    pool: ThreadPoolExecutor, tmp_path: Path, stage: str, is_secure: bool
) -> None:
    authority = Authority(tmp_path)
    said: list[Chunk] = []
    with Upstream(STAGES[stage], tls=is_secure and authority.signed()) as upstream:
        call = Call()
        waiting = pool.submit(failing, upstream, said, call=call, ca_file=authority.file)
        upstream.wait_for_requests()
        if "between" in stage or "middle" in stage:
            wait_until(lambda: said[:1] == ["Hi"])
        call.cancel()
        assert isinstance(ended_within(1.0, waiting), Cancelled)
        upstream.wait_for_closed()


def test_a_reply_that_was_stopped_before_it_began_is_not_asked_for(upstream: Upstream) -> None:
    call = Call()
    call.cancel()
    error = fail(upstream, call=call)
    assert isinstance(error, Cancelled)
    assert upstream.connections == 0


def test_a_reader_who_leaves_closes_the_connection(upstream: Upstream) -> None:
    upstream.queue(silence(STREAM, chunked(delta("Hi"))))
    chunks: Any = ask(upstream)
    assert next(chunks) == "Hi"
    chunks.close()
    upstream.wait_for_closed()
    assert words(list(ask(upstream))) == "Hello."


# Models


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"object": "list", "data": [{"id": "llama3:8b"}, {"id": "org/model"}]}, ["llama3:8b", "org/model"]),
        ([{"id": "a"}, {"id": "b"}], ["a", "b"]),
        ({"data": []}, []),
        ({"data": [{}, {"id": None}, {"id": 7}, "a", None, {"id": "b"}]}, ["b"]),
    ],
)
def test_the_upstream_lists_its_models(upstream: Upstream, listed: Any, names: list[str]) -> None:
    upstream.queue(reply_json(listed))
    assert list(OpenAI.models(access_token=KEY, url=f"{upstream.url}/v1")) == names
    [asked] = upstream.asked
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "answer",
    [
        reply("<html>", content_type="text/html"),
        reply("no JSON"),
        reply_json({"models": []}),
        reply_json({"data": {"id": "a"}}),
        reply_json("a"),
        reply("[" * 100_000),
        cut(),
        raw(b"220 mail.example ESMTP\r\n", then=Peer.close),
    ],
    ids=range(8),
)
def test_a_list_that_is_none_is_an_error_and_the_check_fails(upstream: Upstream, answer: Answer) -> None:
    upstream.queue(answer, answer)
    with pytest.raises(ProviderError):
        OpenAI.models(url=upstream.url)
    with pytest.raises(ProviderError):
        OpenAI.check(url=upstream.url)


def test_a_list_at_a_wrong_address_is_said_to_be_none(upstream: Upstream) -> None:
    upstream.queue(reply_json({"error": "Unexpected endpoint or method. (GET /models)"}))
    with pytest.raises(ProviderError, match="no such service at its address; the admin has to correct its address"):
        OpenAI.models(url=upstream.url)


def test_the_check_costs_no_tokens(upstream: Upstream) -> None:
    OpenAI.check(None, KEY, url=f"{upstream.url}/v1", call=Call(5), ca_file=None)
    assert [asked.path for asked in upstream.asked] == ["/v1/models"]
