"""Pictures on their way to an upstream: as OpenAI's clients send them, and what is done where they are refused."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.test_embedded import call
from tests.providers.upstream import Upstream, openai, reply_json
from webapp.chats.prompt import TOKENS_AN_IMAGE, tokens
from webapp.providers.base import Chunk, Image, Message, Messages, ProviderError, Unseen
from webapp.providers.embedded import application
from webapp.providers.openai import OpenAI
from webapp.providers.voigpt import VoiGpt
from webapp.providers_file import parse
from webapp.settings import SettingsError

CAT, DOG = Image("image/png", b"cat"), Image("image/jpeg", b"dog")
LOOK: Messages = [
    {"role": "user", "content": "Look", "images": [CAT, DOG]},
    {"role": "assistant", "content": "A cat, a dog."},
    {"role": "user", "content": "Which?"},
]
WORDS = [{"role": message["role"], "content": message["content"]} for message in LOOK]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(openai("Hello.")) as server:
        yield server


def ask(upstream: Upstream) -> list[Chunk]:
    return list(OpenAI.create_completion("small", LOOK, True, url=f"{upstream.url}/v1"))


def test_pictures_are_sent_within_the_request(upstream: Upstream) -> None:
    chunks = ask(upstream)
    first, *others = upstream.asked[0].json["messages"]
    assert others == WORDS[1:]
    text, *pictures = first["content"]
    assert text == {"type": "text", "text": "Look"}
    urls = [picture["image_url"]["url"].partition(";base64,") for picture in pictures]
    assert [(kind, b64decode(data)) for kind, _, data in urls] == [
        ("data:image/png", b"cat"),
        ("data:image/jpeg", b"dog"),
    ]
    assert Unseen() not in chunks


# As servers say it.
REFUSALS = {
    "OpenAI": (400, "Invalid content type. image_url is only supported by certain models."),
    "llama.cpp": (500, "image input is not supported - hint: you may need to provide the mmproj"),
    "vLLM": (400, "At most 0 image(s) may be provided in one request."),
    "OpenRouter": (404, "No endpoints found that support image input"),
    "Ollama": (400, "this model is missing data required for image input"),
    "LM Studio": (400, "Model is not multimodal"),
}


@pytest.mark.parametrize("server", REFUSALS)
def test_where_they_are_refused_the_words_are_sent_without_and_that_is_told_first(
    upstream: Upstream, server: str
) -> None:
    status, sentence = REFUSALS[server]
    upstream.queue(reply_json({"error": {"message": sentence}}, status))
    first, *others = ask(upstream)
    assert first == Unseen()
    assert "".join(chunk for chunk in others if isinstance(chunk, str)) == "Hello."
    assert upstream.asked[1].json == upstream.asked[0].json | {"messages": WORDS}


@pytest.mark.parametrize(
    ("status", "sentence"), [(400, "The context is too long."), (401, "No image for you."), (429, "Too many images.")]
)
def test_another_refusal_is_told_as_it_is(upstream: Upstream, status: int, sentence: str) -> None:
    upstream.queue(reply_json({"error": {"message": sentence}}, status))
    with pytest.raises(ProviderError):
        ask(upstream)
    assert len(upstream.asked) == 1


def test_a_server_that_refuses_the_words_too_is_asked_no_third_time(upstream: Upstream) -> None:
    refusal = reply_json({"error": {"message": "no images"}}, 400)
    upstream.queue(refusal, refusal)
    with pytest.raises(ProviderError, match="no images"):
        ask(upstream)
    assert len(upstream.asked) == 2


def test_an_adapter_that_takes_none_leaves_them_out() -> None:
    assert (OpenAI.supports_images, VoiGpt.supports_images) == (True, False)


def test_a_picture_takes_room_beside_the_words() -> None:
    assert tokens(LOOK[0]) - tokens(Message(role="user", content="Look")) == 2 * TOKENS_AN_IMAGE


def completed(content: object) -> tuple[int, str]:
    body = {"model": "guide", "messages": [{"role": "user", "content": content}]}
    docs = Path(__file__).parents[2] / "docs"
    answer = call(application(docs), "POST", "/v1/chat/completions", json.dumps(body).encode())
    said = json.loads(answer.body)
    return answer.status, said["error"]["message"] if "error" in said else said["choices"][0]["message"]["content"]


def test_the_guide_reads_words_in_parts_and_says_of_pictures_that_it_takes_none() -> None:
    assert completed([{"type": "text", "text": "Show me"}, {"type": "text", "text": "a table"}])[0] == 200
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
    assert completed(parts) == (400, "The Guide is no language model and takes no images: send words alone.")


@pytest.mark.parametrize("content", [[1], [{"type": "text"}], [{"type": "text", "text": 1}], [{"type": "audio"}], {}])
def test_other_parts_are_no_message(content: object) -> None:
    assert completed(content)[0] == 400


LAB = '[upstreams.lab]\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\n'


def test_the_file_says_of_an_upstream_and_of_a_model_whether_they_take_pictures() -> None:
    text = f'{LAB}images = false\nmodels = ["a", {{ name = "b", images = true }}]\n'
    [lab] = parse(text, Path("providers.toml")).upstreams
    assert (lab.images, [model.images for model in lab.models]) == (False, [None, True])


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (f"{LAB}images = 1", 4, "images must be true or false, without quotes."),
        (
            f'{LAB}models = [{{ name = "b", images = "yes" }}]',
            4,
            "models has one whose images is neither true nor false.",
        ),
        (f"{LAB.replace('openai', 'voigpt')}images = true", 4, "a VoiGpt server takes no images: leave it out."),
    ],
)
def test_a_mistake_is_a_sentence_with_its_line(text: str, line: int, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text, Path("providers.toml"))
    assert str(refused.value) == f"providers.toml, line {line}: {sentence}"
