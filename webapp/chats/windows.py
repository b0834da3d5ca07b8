"""The part of a branch that a page shows: its tail, or as many messages around or above one of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..db import Database
from . import branches, owned
from .records import Message, NotFound, Siblings

PAGE = 50


@dataclass(frozen=True)
class Part:
    """Messages that follow one another, and where they stand among their siblings."""

    messages: list[Message]
    siblings: dict[str, Siblings]


@dataclass(frozen=True)
class Window:
    """At most `PAGE` messages of a branch that ends with `tail`, and the ids of those that follow on them."""

    messages: list[Message]
    tail: list[Message]
    following: list[str] = field(default_factory=list)

    @property
    def newest(self) -> Message:
        """Of the branch."""
        return self.tail[-1]

    @property
    def earlier(self) -> str | None:
        """The message above which the window before this one stands."""
        return self.messages[0].id if self.messages[0].parent_id else None

    @property
    def later(self) -> str | None:
        """The same of the next window; None if that is the tail."""
        return self.following[PAGE] if len(self.following) > PAGE else None

    @property
    def seen_from(self) -> str | None:
        """The oldest message that the newest answer was made from, if older ones were left out."""
        answers = [said for said in self.tail if said.role == "assistant" and said.is_settled and said.text]
        return answers[-1].seen_from if answers else None


def window(database: Database, owner: str, conversation_id: str, at: str = "", before: str = "") -> Window:
    """Of the branch that holds `at`, else `before`, else the newest message: what is above `before`, else around `at`.

    Raises `NotFound`, also if `at` and `before` are in no branch together, and if nothing is above `before`.
    """
    with database.read() as connection:
        if not (at or before):
            tail = branches.tail(connection, owner, conversation_id, PAGE)
            return Window(tail, tail)
        owned.check(connection, owner, conversation_id)
        line = branches.following(connection, conversation_id, before or at, at or before)
        tail = branches.path(connection, conversation_id, line[-1], PAGE)
        if before:
            *shown, _ = branches.path(connection, conversation_id, before, PAGE + 1)
            return Window(_some(shown), tail, line)
        if len(line) <= PAGE:
            return Window(tail, tail)
        shown = branches.path(connection, conversation_id, line[PAGE // 2], PAGE)
        return Window(shown, tail, line[PAGE // 2 + 1 :])


def _some(messages: list[Message]) -> list[Message]:
    if not messages:
        raise NotFound
    return messages


def whole(database: Database, ids: list[str]) -> Iterator[Part]:
    """A branch part by part, as `branches.read` reads it."""
    for messages in branches.read(database, ids):
        yield part(database, messages)


def part(database: Database, messages: list[Message]) -> Part:
    return Part(messages, branches.siblings(database, messages))
