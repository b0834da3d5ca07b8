"""What a model thinks is told from its answer, however the network cuts its tags."""

from collections.abc import Iterable, Iterator

import pytest

from webapp.providers.base import Chunk, Finish, ProviderError, Reasoning, Usage
from webapp.providers.thoughts import told_apart


def joined(chunks: Iterable[Chunk]) -> tuple[str, str]:
    """All that was thought, and all that was answered."""
    several = list(chunks)
    thoughts = "".join(chunk.text for chunk in several if isinstance(chunk, Reasoning))
    return thoughts, "".join(chunk for chunk in several if isinstance(chunk, str))


def collect(said: list[Chunk], chunks: Iterable[Chunk]) -> None:
    for chunk in chunks:
        said.append(chunk)


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("<think>Hm.</think>Hi", "Hm.", "Hi"),
        ("\n <think>\nHm.\n</think>\n\n Hi\n", "\nHm.\n", "Hi\n"),
        ("<think>\n\n</think>\n\nHi", "\n\n", "Hi"),
        ("<think></think>Hi", "", "Hi"),
        ("<think>a < b </ </thin </think></think> Hi", "a < b </ </thin ", "</think> Hi"),
        ("<think>Hm. <think>Hm?</think>Hi", "Hm. <think>Hm?", "Hi"),
        ("<think>cut off</thi", "cut off</thi", ""),
        ("<think>cut off", "cut off", ""),
        ("<think>Hm.</think>  ", "Hm.", ""),
        ("  Hi <think>no</think>", "", "  Hi <think>no</think>"),
        ("`<think>` is a tag", "", "`<think>` is a tag"),
        ("<thinking>no</thinking>", "", "<thinking>no</thinking>"),
        ("<Think>no</Think>", "", "<Think>no</Think>"),
        ("no</think>", "", "no</think>"),
        ("<thin", "", "<thin"),
        (" <", "", " <"),
        (" \n", "", " \n"),
        ("", "", ""),
    ],
)
def test_thoughts_are_told_from_the_answer_wherever_the_text_is_cut(text: str, thoughts: str, answer: str) -> None:
    assert joined(told_apart(iter(text))) == (thoughts, answer)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            pieces = (text[:first], text[first:second], text[second:])
            assert joined(told_apart(iter(pieces))) == (thoughts, answer), pieces


def test_nothing_waits_that_may_be_shown() -> None:
    came: list[str] = []

    def pieces() -> Iterator[Chunk]:
        for piece in ("<think>Hm", ". a<b ", "</", "think>", "Hi", " <think>"):
            came.append(piece)
            yield piece

    shown = [("".join(came), chunk) for chunk in told_apart(pieces())]
    assert shown == [
        ("<think>Hm", Reasoning("Hm")),
        ("<think>Hm. a<b ", Reasoning(". a<b ")),
        ("<think>Hm. a<b </think>Hi", "Hi"),
        ("<think>Hm. a<b </think>Hi <think>", " <think>"),
    ]


def test_what_else_comes_passes_in_its_place() -> None:
    chunks: list[Chunk] = [Usage(1, 1), "<thi", Finish("length"), Usage(7, 2)]
    assert list(told_apart(iter(chunks))) == [Usage(1, 1), "<thi", Finish("length"), Usage(7, 2)]
    assert list(told_apart(iter(["<think>Hm.</", Finish("stop")]))) == [
        Reasoning("Hm."),
        Reasoning("</"),
        Finish("stop"),
    ]


@pytest.mark.parametrize(("begun", "kept"), [("<th", ["<th"]), ("<think>Hm</", [Reasoning("Hm"), Reasoning("</")])])
def test_what_was_held_back_is_not_lost_when_the_upstream_fails(begun: str, kept: list[Chunk]) -> None:
    def failing() -> Iterator[Chunk]:
        yield begun
        raise ProviderError("Cut off.")

    said: list[Chunk] = []
    with pytest.raises(ProviderError, match="Cut off"):
        collect(said, told_apart(failing()))
    assert said == kept
