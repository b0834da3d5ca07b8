"""The embedded upstream speaks OpenAI's API as OpenAI's own client does; our adapter reads it piece by piece."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.providers.test_embedded import call
from webapp.providers import embedded, http, lifeline
from webapp.providers import openai as adapter
from webapp.providers.base import Cancelled, Chunk, Finish, Messages, ProviderError, Usage
from webapp.providers.http import Call

DOCS = Path(__file__).parents[2] / "docs"
QUESTION: Any = [{"role": "user", "content": "How do I connect my model?"}]
SLOW: Messages = [{"role": "user", "content": "a long slow reply"}]


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def app() -> WSGIApplication:
    return validator(embedded.application(DOCS))


@pytest.fixture
def client(app: WSGIApplication) -> Iterator[OpenAI]:
    with make_server("127.0.0.1", 0, app, WSGIServer, QuietHandler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client:
            yield client
        server.shutdown()
        thread.join()


def unhurried() -> WSGIApplication:
    """Whose slow demonstrations take no time."""
    return embedded.application(DOCS, sleep=lambda _: None)


# As the official client sees it


def test_it_lists_one_model(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["guide"]


def test_a_whole_answer_has_words_usage_and_an_end(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="guide", messages=QUESTION)
    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert "no language model" in str(choice.message.content)
    assert choice.finish_reason == "stop"
    assert answer.usage
    assert answer.usage.prompt_tokens == 6
    assert answer.usage.total_tokens == 6 + answer.usage.completion_tokens > 50


def test_a_streamed_answer_is_the_same_word_by_word(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="guide", messages=QUESTION)
    with client.chat.completions.create(
        model="guide", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *chunks, last = stream
    said = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(said) == whole.choices[0].message.content
    assert max(len(piece.split()) for piece in said) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert (last.choices, last.usage) == ([], whole.usage)


def test_without_asking_for_usage_none_comes(client: OpenAI) -> None:
    with client.chat.completions.create(model="guide", messages=QUESTION, stream=True) as stream:
        assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in stream)


def test_another_model_is_not_found_and_says_which_there_is(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="There is no such model; there is guide") as refused:
        client.chat.completions.create(model="gpt-5", messages=QUESTION)
    assert refused.value.type == "invalid_request_error"


def test_an_empty_chat_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="Expected"):
        client.chat.completions.create(model="guide", messages=[])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("POST", "/v1/models", 405), ("POST", "/v1/chat/completions", 400)],
)
def test_an_error_is_json_with_its_length(app: WSGIApplication, method: str, path: str, status: int) -> None:
    answer = call(app, method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert json.loads(answer.body)["error"]["message"]


# As our adapter sees it, inside the process


@contextmanager
def mounted(app: WSGIApplication) -> Iterator[str]:
    http.mount("http://guide.invalid", app)
    yield "http://guide.invalid/v1"
    del http._mounted["http://guide.invalid"]


def ask(url: str, messages: Messages, **options: Any) -> Iterator[Chunk]:
    return adapter.OpenAI.create_completion("guide", messages, True, url=url, **options)


def test_inside_the_process_it_streams_too(app: WSGIApplication) -> None:
    with mounted(app) as url:
        assert adapter.OpenAI.models(url=url) == ["guide"]
        *said, end, usage = ask(url, QUESTION)
        assert len(said) > 50
        assert (end, usage) == (Finish("stop"), Usage(6, len(said)))
        with pytest.raises(ProviderError, match="There is no such model; there is guide"):
            list(adapter.OpenAI.create_completion("other", QUESTION, True, url=url))


def test_a_slow_reply_comes_word_by_word_and_can_be_stopped() -> None:
    said: list[Chunk] = []
    one_came, call = Event(), Call()

    def read(url: str) -> None:
        for chunk in ask(url, SLOW, call=call):
            said.append(chunk)
            one_came.set()

    with mounted(embedded.application(DOCS, sleep=lifeline.pause)) as url, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, url)
        assert one_came.wait(5)
        assert not reading.done()
        call.cancel()
        with pytest.raises(Cancelled):
            reading.result(1)
    assert 0 < len(said) < 50


def test_an_answer_that_fails_keeps_what_had_come_and_says_why() -> None:
    said: list[Chunk] = []
    with (
        mounted(unhurried()) as url,
        pytest.raises(ProviderError, match="broke off with an error; try again: “This is only a"),
    ):
        said.extend(ask(url, [{"role": "user", "content": "show me an error"}]))
    assert "".join(map(str, said)).endswith("Here it")


def test_an_answer_in_one_piece_that_fails_is_an_error_in_json() -> None:
    app = validator(unhurried())
    body = json.dumps({"model": "guide", "messages": [{"role": "user", "content": "an error"}]}).encode()
    answer = call(app, "POST", "/v1/chat/completions", body)
    assert answer.status == 500
    error = json.loads(answer.body)["error"]
    assert (error["type"], error["message"]) == ("server_error", "This is only a demonstration of an error.")
