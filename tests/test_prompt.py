"""What of a chat an upstream is sent, where its model takes only so many tokens."""

from itertools import cycle
from typing import Literal

import pytest

from webapp.chats.instructions import NOTHING, Instructions
from webapp.chats.prompt import compose, tokens
from webapp.providers.base import Message, ProviderError
from webapp.sentences import Sentence

ROLES: tuple[Literal["user", "assistant"], ...] = ("user", "assistant")


def message(letters: int, role: Literal["system", "user", "assistant"] = "user") -> Message:
    return Message(role=role, content="x" * letters)


def chat(*letters: int) -> list[Message]:
    """Question and answer in turn, each of so many letters."""
    return [message(count, role) for count, role in zip(letters, cycle(ROLES))]


def sent(said: list[Message], context: int | None, told: Instructions = NOTHING, last: int | None = None) -> list[int]:
    """The lengths of what is sent."""
    prompt = compose(told, said, len(said) - 1 if last is None else last, context)
    return [len(each["content"]) for each in prompt.messages]


def test_where_no_budget_is_known_all_of_a_chat_is_sent() -> None:
    assert sent(chat(*[300_000] * 9), None) == [300_000] * 9


def test_what_fits_is_sent_whole() -> None:
    said = chat(300, 300, 300)
    whole = sum(map(tokens, said))
    assert sent(said, whole * 4 // 3 + 1) == [300, 300, 300]
    assert sent(said, whole) == [300]


def test_the_oldest_turns_go_first_each_with_its_answer() -> None:
    assert sent(chat(300, 300, 301, 301, 302, 302, 303), 900) == [301, 301, 302, 302, 303]
    assert sent(chat(300, 300, 301, 301, 302, 302, 303), 500) == [302, 302, 303]


def test_questions_that_were_never_answered_are_turns_of_their_own() -> None:
    said = [message(300), message(301), message(302)]
    assert sent(said, 300) == [301, 302]


def test_the_system_prompt_is_first_and_is_never_left_out() -> None:
    told = Instructions(system="y" * 600)
    assert compose(told, chat(300), 0, None).messages[0] == Message(role="system", content="y" * 600)
    assert sent(chat(300, 300, 301), 600, told) == [600, 301]


def test_room_is_kept_for_as_long_an_answer_as_is_asked_for() -> None:
    said = chat(300, 300, 301)
    assert sent(said, 1000, Instructions(max_tokens=600)) == [300, 300, 301]
    assert sent(said, 1000, Instructions(max_tokens=800)) == [301]


def test_what_a_reply_goes_on_from_is_sent_with_its_question() -> None:
    said = [*chat(300, 300, 301), message(302, "assistant"), message(10)]
    assert sent(said, 500, last=2) == [301, 302, 10]
    with pytest.raises(ProviderError, match=r"^This message and the reply so far are too long for the model"):
        compose(NOTHING, said, 2, 200)


@pytest.mark.parametrize(("system", "needed"), [("", 3004), ("y" * 900, 3308)])
def test_a_message_that_is_too_long_on_its_own_is_refused_with_the_numbers(system: str, needed: int) -> None:
    with pytest.raises(ProviderError) as caught:
        compose(Instructions(system), chat(300, 300, 9000), 2, 1000)
    assert f"about {needed:,} tokens" in str(caught.value)
    assert "takes 1,000, of which 250 are kept for its answer" in str(caught.value)
    assert isinstance(str(caught.value), Sentence)
    assert not caught.value.again


@pytest.mark.parametrize("asked", [1000, 100_000])
def test_who_asks_for_an_answer_as_long_as_all_that_the_model_takes_is_told_so(asked: int) -> None:
    with pytest.raises(ProviderError, match=f"is {asked:,}, and the model takes 1,000 in all: set it lower"):
        compose(Instructions(max_tokens=asked), chat(1), 0, 1000)


def test_only_the_parameters_that_are_set_are_sent() -> None:
    told = Instructions(temperature=0.0, seed=7)
    assert compose(told, chat(1), 0, None).parameters == {"temperature": 0.0, "seed": 7}


@pytest.mark.parametrize("words", ["a", "plain words", "Привет, мир", "你好世界", "🙂🙂", "def f(x): return x"])
def test_an_estimate_counts_no_less_than_a_token_for_three_bytes(words: str) -> None:
    assert tokens(Message(role="user", content=words)) * 3 >= len(words.encode()) + 3 * 4
