"""OpenAI's chat completions, which Ollama, vLLM, llama.cpp, LM Studio and many others speak too."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from ..sentences import Sentence
from . import sse, thoughts
from .base import (
    PARAMETERS,
    AbstractProvider,
    Cancelled,
    Chunk,
    CreateResult,
    Finish,
    Image,
    Message,
    Messages,
    Parameters,
    ProviderError,
    Reasoning,
    Unseen,
    Usage,
)
from .http import Answer, Call, Response

SILENCE_SECONDS = 300.0  # some models think for minutes after they have begun
MOST_TOKENS = 2**31
USAGE = "stream_options"
LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
# What servers say to images that a model does not take, each with a status and in words of its own.
NO_IMAGES = (400, 404, 415, 422, 500, 501)
ABOUT_IMAGES = re.compile(rb"image|multi-?modal|vision", re.IGNORECASE)
LENGTHS = {"model_length": "length"}  # Mistral's word for the end of the model's context
CUT_OFF = Sentence("The upstream's answer was cut off; try again.")
NEVER_BEGUN = Sentence(
    "The upstream ended its answer before it began; start a new chat or shorten the message, or try again."
)


class OpenAI(AbstractProvider):
    """`access_token` is the API key; a server of one's own mostly wants none."""

    url = "https://api.openai.com/v1"
    working = True
    supports_message_history = True
    supports_stream = True
    supports_images = True
    lists_models = True

    @classmethod
    def models(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> Sequence[str]:
        call, url, way = cls._way(proxy, access_token, **kwargs)
        answer = call.get(f"{url}/models", **way)
        if answer.status != 200:
            raise answer.failure(access_token or "")
        return _ids(answer, access_token or "")

    @classmethod
    def create_completion(
        cls,
        model: str,
        messages: Messages,
        stream: bool,
        proxy: str | None = None,
        access_token: str | None = None,
        **kwargs: Any,
    ) -> CreateResult:
        """Takes one whole message too, where a server does not stream."""
        call, url, way = cls._way(proxy, access_token, **kwargs)
        body = {
            "model": model,
            "messages": list(map(_said, messages)),
            "stream": stream,
            **_set(kwargs.get("parameters") or {}),
        }
        options = {USAGE: {"include_usage": True}} if stream else {}
        send = partial(call.stream_json, f"{url}/chat/completions", silence=call.seconds, **way)
        yield from thoughts.told_apart(_answer(send, body | options, access_token or ""))

    @classmethod
    def check(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> None:
        """The list of models has to come."""
        cls.models(proxy, access_token, **kwargs)

    @classmethod
    def _way(
        cls,
        proxy: str | None,
        key: str | None,
        url: str | None = None,
        call: Call | None = None,
        ca_file: str | None = None,
        **_: Any,
    ) -> tuple[Call, str, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return call or Call(), (url or cls.url).rstrip("/"), {"headers": headers, "proxy": proxy, "ca_file": ca_file}


def _said(message: Message) -> dict[str, Any]:
    images = message.get("images")
    if not images:
        return {"role": message["role"], "content": message["content"]}
    return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}, *map(_part, images)]}


def _part(image: Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{image.kind};base64,{b64encode(image.content).decode()}"}}


def _set(parameters: Parameters) -> Parameters:
    """Those that are set, and none that could take the place of the chat."""
    return {name: parameters[name] for name in PARAMETERS if parameters.get(name) is not None}


def _ids(answer: Response, key: str) -> Sequence[str]:
    match answer.json(key):
        case {"error": error} if error:
            raise answer.failure(key)
        case {"data": [*rows]} | [*rows]:  # Together answers with a bare list
            return [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
    raise answer.strange(key)


def _answer(send: Callable[[Any], AbstractContextManager[Answer]], body: dict[str, Any], key: str) -> Iterator[Chunk]:
    with send(body) as answer:
        if answer.status == 200:
            read = _read_whole if _is_whole(answer) else _read_events
            yield from read(answer, key)
            return
        refusal = answer.whole()
    amended = _amended(body, refusal)
    if not amended and (amended := _without_images(body, refusal)):
        yield Unseen()
    if not amended:
        raise refusal.failure(key)
    yield from _answer(send, amended, key)


def _amended(body: dict[str, Any], refusal: Response) -> dict[str, Any] | None:
    """What the upstream may take in the place of what it refused."""
    if refusal.status not in (400, 422):
        return None
    rest = dict(body)
    if USAGE.encode() in refusal.body and rest.pop(USAGE, None):  # Mistral counts without being asked
        return rest
    if NEW_LIMIT.encode() in refusal.body and (limit := rest.pop(LIMIT, None)):  # OpenAI's models that reason
        return rest | {NEW_LIMIT: limit}
    return None


def _without_images(body: dict[str, Any], refusal: Response) -> dict[str, Any] | None:
    """The same words, if there were images and the upstream seems to say that it takes none."""
    messages = body["messages"]
    has_images = any(isinstance(message["content"], list) for message in messages)
    if not has_images or refusal.status not in NO_IMAGES or not ABOUT_IMAGES.search(refusal.body):
        return None
    return body | {"messages": [message | {"content": _text(message["content"])} for message in messages]}


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else str(content[0]["text"])


def _is_whole(answer: Answer) -> bool:
    """Whether this is one message, or a web page, and no stream of events."""
    kind = answer.headers.get("Content-Type", "").lower()
    return "json" in kind or "html" in kind


def _read_whole(answer: Answer, key: str) -> Iterator[Chunk]:
    whole = answer.whole()
    chunks = list(_chunks(whole, "message", key))
    if not chunks:
        raise whole.strange(key)
    yield from chunks


def _read_events(answer: Answer, key: str) -> Iterator[Chunk]:
    has_finished = False
    try:
        for chunk in _until_done(answer, key):
            has_finished = has_finished or isinstance(chunk, Finish)
            yield chunk
    except ProviderError as error:
        if not has_finished or isinstance(error, Cancelled):
            raise


def _until_done(answer: Answer, key: str) -> Iterator[Chunk]:
    """llama-cpp-python's server has no other words for a chat that is too long for its model than no event at all."""
    has_begun = False
    for data in filter(bytes.strip, sse.data(answer.pieces(SILENCE_SECONDS))):
        if data.strip() == b"[DONE]":
            answer.finish()
            return
        has_begun = True
        yield from _chunks(Response(answer.status, {}, {}, data), "delta", key)
    raise ProviderError(CUT_OFF if has_begun else NEVER_BEGUN)


def _chunks(answer: Response, part: str, key: str) -> Iterator[Chunk]:
    """What one object says, the words of which are in the `message` of a whole answer and the `delta` of an event."""
    said = answer.json(key)
    match said:
        case {"error": error} if error:
            raise answer.failure(key)
        case {"choices": [*choices]}:
            yield from _choice(choices, part, answer, key)
        case dict():
            pass  # only usage, or a filter's verdict
        case _:
            raise answer.strange(key)
    yield from _usage(said)


def _choice(choices: list[Any], part: str, answer: Response, key: str) -> Iterator[Chunk]:
    """Of several answers, for which nobody asked, the first."""
    if not all(isinstance(choice, dict) for choice in choices):
        raise answer.strange(key)
    for choice in [choice for choice in choices if choice.get("index") in (0, None)][:1]:
        yield from _words(choice.get(part) or {}, answer, key)
        reason = choice.get("finish_reason")
        if reason and isinstance(reason, str):
            yield Finish(LENGTHS.get(reason, reason))


def _words(part: Any, answer: Response, key: str) -> Iterator[Chunk]:
    if not isinstance(part, dict):
        raise answer.strange(key)
    thought = part.get("reasoning_content") or part.get("reasoning") or ""
    content = part.get("content") or part.get("refusal") or ""
    if not isinstance(thought, str) or not isinstance(content, str | list):
        raise answer.strange(key)
    if thought:
        yield Reasoning(thought)
    if isinstance(content, list):  # as Mistral's
        for piece in content:
            yield from _piece(piece, answer, key)
    elif content:
        yield content


def _piece(piece: Any, answer: Response, key: str) -> Iterator[Chunk]:
    match piece:
        case {"type": "text", "text": str(words)}:
            yield words
        case {"type": "thinking", "thinking": [*parts]}:
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            yield Reasoning("".join(text for text in texts if isinstance(text, str)))
        case {"type": str(kind)} if kind not in ("text", "thinking"):
            pass  # a reference, a picture
        case _:
            raise answer.strange(key)


def _usage(said: Mapping[str, Any]) -> Iterator[Usage]:
    match said.get("usage"):
        case {"prompt_tokens": int(asked), "completion_tokens": int(answered)}:
            if 0 <= asked < MOST_TOKENS and 0 <= answered < MOST_TOKENS:
                yield Usage(asked, answered)
