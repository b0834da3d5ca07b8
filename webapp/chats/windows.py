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
    """At most `PAGE` messages of a branch that ends with `tail`, and the ids of the first that follow on them."""

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
        owned.check(connection, owner, conversation_id)
        leaf_id = branches.newest(connection, conversation_id, at or before)
        line = branches.line(connection, conversation_id, leaf_id, before or at or leaf_id, 2 * PAGE)
        if before:
            *shown, _ = branches.path(connection, conversation_id, before, PAGE + 1)
        elif len(line) > PAGE:
            shown = branches.path(connection, conversation_id, line[PAGE // 2], PAGE)
            line = line[PAGE // 2 + 1 :]
        else:
            shown, line = branches.path(connection, conversation_id, leaf_id, PAGE), []
        if not shown:
            raise NotFound
        return Window(shown, branches.path(connection, conversation_id, leaf_id, PAGE) if line else shown, line)


def whole(database: Database, ids: list[str]) -> Iterator[Part]:
    """A branch part by part, as `branches.read` reads it."""
    for messages in branches.read(database, ids):
        yield part(database, messages)


def part(database: Database, messages: list[Message]) -> Part:
    return Part(messages, branches.siblings(database, messages))
