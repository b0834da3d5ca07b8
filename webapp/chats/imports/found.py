"""What is found in a file: a chat as its product wrote it, brought to our names."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from ..instructions import NOTHING, Instructions

Record: TypeAlias = dict[str, Any]

LEFT_OUT = ""
"""The role of a message that is not taken, but that others follow."""


class Refused(Exception):
    """Nothing is taken of the file; `str(error)` says why, in a sentence for the person."""


@dataclass(frozen=True)
class Turn:
    """One message. `role` is user, assistant or `LEFT_OUT`; a time that the file does not say is None."""

    id: str
    parent_id: str | None
    role: str
    text: str = ""
    status: str = "complete"
    model: str = ""
    problem: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    created_at: float | None = None
    settled_at: float | None = None


class Enclosed(NamedTuple):
    """A picture of a message's, and what its file is called in the zip that holds the chat."""

    message_id: str
    name: str
    file: str


@dataclass(frozen=True)
class Chat:
    """`current` is the message whose branch was shown; `left_out` counts what was not taken, by kind."""

    title: str
    turns: list[Turn]
    created_at: float | None = None
    updated_at: float | None = None
    is_pinned: bool = False
    instructions: Instructions = NOTHING
    current: str = ""
    pictures: list[Enclosed] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
