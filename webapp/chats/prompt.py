"""What an upstream is sent: the system prompt, and as much of the chat as its model takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ..providers.base import Message, Messages, Parameters, ProviderError
from ..sentences import Sentence, Value, plural
from .instructions import Instructions

BYTES_A_TOKEN = 3
TOKENS_AN_IMAGE = 1500  # at the size in which they are sent; models count from 600 to 3000
TOKENS_A_MESSAGE = 4  # its role, and what parts it from the next


@dataclass(frozen=True)
class Prompt:
    """`first` is the index of the oldest message of the chat that is sent."""

    messages: Messages
    parameters: Parameters
    first: int


def compose(instructions: Instructions, said: Sequence[Message], last: int, context: int | None) -> Prompt:
    """As much of `said` as fits into `context` tokens beside the system prompt and the answer; None takes all.

    The oldest turns are left out first, each as a whole: a question and its answer. From the index `last` on
    everything is sent. Raises `ProviderError` if that alone is too long.
    """
    system = [Message(role="system", content=instructions.system)] if instructions.system else []
    first = 0 if context is None else _first(instructions, system, said, last, context)
    return Prompt([*system, *said[first:]], instructions.parameters, first)


def tokens(message: Message) -> int:
    """An estimate that is rather too high: tokenizers differ, and none is at hand.

    Three bytes of UTF-8 are a token: English has four to five bytes a token and Russian as many, code three to four,
    Chinese and Japanese about three. Long rows of digits or of emoji may take more than this says.
    """
    words = ceil(len(message["content"].encode()) / BYTES_A_TOKEN)
    return TOKENS_A_MESSAGE + words + TOKENS_AN_IMAGE * len(message.get("images", ()))


def _first(
    instructions: Instructions, system: Sequence[Message], said: Sequence[Message], last: int, context: int
) -> int:
    answer = instructions.max_tokens or context // 4
    if answer >= context:
        raise ProviderError(
            Sentence(
                "Max tokens of this chat is {answer}, and the model takes {context} in all: set it lower"
                " in the instructions.",
                answer=answer,
                context=context,
            ),
            again=False,
        )
    needed = sum(map(tokens, [*system, *said]))
    for index, message in enumerate(said[: last + 1]):
        if message["role"] == "user" and needed + answer <= context:
            return index
        needed -= tokens(message) if index < last else 0
    raise ProviderError(_too_long(system, said[last + 1 :], needed, context, answer), again=False)


def _too_long(system: Sequence[Message], so_far: Sequence[Message], needed: int, context: int, answer: int) -> Sentence:
    about = (
        plural("about {number} token with the system prompt", "about {number} tokens with the system prompt", needed)
        if system
        else plural("about {number} token", "about {number} tokens", needed)
    )
    sizes: dict[str, Value] = {"about": about, "context": context, "answer": answer}
    return (
        Sentence(
            "This message and the reply so far are too long for the model: {about}, and the model takes {context},"
            " of which {answer} are kept for its answer.",
            **sizes,
        )
        if so_far
        else Sentence(
            "This message is too long for the model: {about}, and the model takes {context},"
            " of which {answer} are kept for its answer.",
            **sizes,
        )
    )
