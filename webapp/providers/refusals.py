"""What an answer means that is none: a status that is no success, or an error in the place of words.

Not an adapter; `http` uses it.
"""

import re
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from .faults import AGAIN, CORRECT, LATER, NO_ENTRY, OTHER_NAME, REPORT, SEE_TO_IT


class Refusal(NamedTuple):
    """`again`: whether the same request may succeed later."""

    fault: str
    to_do: str
    again: bool


BROKEN = Refusal("The upstream broke off with an error", AGAIN, True)
OWN_FAULT = Refusal("The upstream has a fault of its own", REPORT, True)
NO_ANSWER = Refusal("The upstream did not answer", "the admin has to look into it", False)
TOO_LONG = Refusal("The chat is too long for the upstream", "start a new chat or shorten the message", False)
NO_SERVICE = Refusal("The upstream has no such service at its address", CORRECT, False)
NO_MODEL = Refusal("The upstream does not have this model", "choose another, or tell the admin", False)
NO_QUOTA = Refusal("The upstream's quota is used up", SEE_TO_IT, False)

_BY_STATUS = {
    200: BROKEN,
    401: Refusal("The upstream does not accept the key or account", "the admin has to set another", False),
    403: Refusal("The upstream refused the request", "the admin has to see what its key or account may do", False),
    404: NO_SERVICE,
    407: Refusal(NO_ENTRY, OTHER_NAME, False),
    408: Refusal("The upstream did not get the request in time", AGAIN, True),
    413: TOO_LONG,
    429: Refusal("The upstream had too many requests and asks to wait", LATER, True),
}

# The words of OpenAI, vLLM, llama.cpp, Ollama, LM Studio, Mistral, Anthropic and Gemini.
_LENGTH = (
    r"context[ _](length|size|window)|maximum model length|prompt is too long|\bn_ctx\b|token count .{1,40}exceeds"
)
_MODEL = r"model_not_found|\bmodel\b.{1,200}?\b(not found|does not exist)\b"
_BY_WORDS = (
    ({200, 400, 413, 422, 429, 500}, _LENGTH, TOO_LONG),
    ({400, 404}, _MODEL, NO_MODEL),
    ({200}, "unexpected endpoint", NO_SERVICE),  # LM Studio
    ({429}, "insufficient_quota", NO_QUOTA),
)


def refusal(status: int, said: str) -> Refusal:
    """What an answer with this status means that says this; with 200, one that is an error."""
    for statuses, words, meaning in _BY_WORDS:
        if status in statuses and re.search(words, said, re.IGNORECASE | re.DOTALL):
            return meaning
    return _BY_STATUS.get(status, OWN_FAULT if status >= HTTPStatus.INTERNAL_SERVER_ERROR else NO_ANSWER)


def message(said: Any) -> str:
    """The message of an error that is told as JSON; empty if this is none."""
    match said:
        case {"error": {"message": str(words)}} | {"error": str(words)} | {"message": str(words)}:
            return words
    return ""


def after(seconds: float) -> str:
    """What to do when the upstream says how long to wait: a time of day, which stays true however late it is read."""
    opens = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"try again after {opens:%H:%M:%S}"
