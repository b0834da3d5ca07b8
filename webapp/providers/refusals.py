"""What an answer means that is none: a status that is no success, or an error in the place of words.

Not an adapter; `http` uses it.
"""

import re
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Self

from ..sentences import Sentence
from .faults import AGAIN, CORRECT, LATER, NO_ENTRY, OTHER_NAME, REPORT, SEE_TO_IT, UPSTREAM

# Translators: {who} of a clause.
EITHER = Sentence("The upstream, or the proxy before it,")


class Refusal(NamedTuple):
    """`again`: whether the same request may succeed later."""

    fault: Sentence
    advice: Sentence
    again: bool

    def of_either(self) -> Self:
        """The same where a proxy before the upstream may be who says it."""
        fault = self.fault
        if "who" not in fault.values:
            return self
        return self._replace(fault=Sentence.made(fault.text, fault.many, fault.number, {**fault.values, "who": EITHER}))


WHO = UPSTREAM.name
BROKEN = Refusal(Sentence("{who} broke off with an error", who=WHO), AGAIN, True)
OWN_FAULT = Refusal(Sentence("{who} has a fault of its own", who=WHO), REPORT, True)
NO_ANSWER = Refusal(Sentence("{who} did not answer", who=WHO), Sentence("the admin has to look into it"), False)
TOO_LONG = Refusal(
    Sentence("The chat is too long for the upstream"), Sentence("start a new chat or shorten the message"), False
)
NO_SERVICE = Refusal(Sentence("{who} has no such service at its address", who=WHO), CORRECT, False)
NO_MODEL = Refusal(
    Sentence("{who} does not have this model", who=WHO), Sentence("choose another, or tell the admin"), False
)
NO_QUOTA = Refusal(Sentence("The upstream's quota is used up"), SEE_TO_IT, False)
NO_KEY = Refusal(
    Sentence("{who} does not accept the key or account", who=WHO), Sentence("the admin has to set another"), False
)
NO_RIGHT = Refusal(
    Sentence("{who} refused the request", who=WHO),
    Sentence("the admin has to see what its key or account may do"),
    False,
)
TOO_SLOW = Refusal(Sentence("{who} did not get the request in time", who=WHO), AGAIN, True)
TOO_MANY = Refusal(Sentence("{who} had too many requests and asks to wait", who=WHO), LATER, True)

_BY_STATUS = {
    200: BROKEN,
    401: NO_KEY,
    403: NO_RIGHT,
    404: NO_SERVICE,
    407: Refusal(NO_ENTRY, OTHER_NAME, False),
    408: TOO_SLOW,
    413: TOO_LONG,
    429: TOO_MANY,
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


def after(seconds: float) -> Sentence:
    """What to do when the upstream says how long to wait: a time of day, which stays true however late it is read."""
    time = f"{datetime.now().astimezone() + timedelta(seconds=seconds):%H:%M:%S}"
    return Sentence("try again after {time}", time=time)
