"""Search of one's titles and messages: the index narrows down to passages that hold all terms, and these are read."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, text

from ..db import Database, conversations, messages, passages
from . import owned
from .folding import TERM, plain, sought, spans, terms
from .passages import mark, time_of

PAGE = 20
QUERY_CHARACTERS = 200
NEWEST = 2**63 - 1
SECONDS = 0.5  # after which a search is left where it is
CHUNK = 100  # passages that are read at once
RECENT, COMMON = 1_000, 2  # a word is common if so many of the newest passages hold it: they are read on
MATCHES = 10_000
CONTEXT = 100
WORD = 20

QUOTES = str.maketrans("“”„«»", '"""""')
PART = re.compile(r'"([^"]*)"?|([^\s"]+)')


class Piece(NamedTuple):
    words: str
    is_match: bool


@dataclass(frozen=True)
class Hit:
    """A message, or without `message_id` a title, with what stands around the match."""

    conversation_id: str
    title: str
    message_id: str | None
    role: str | None
    model: str | None
    at: float
    passage: list[Piece]


class Found(NamedTuple):
    """`before` is where the search goes on, if it does; `is_cut` says that it was left before the page was full."""

    hits: list[Hit]
    before: int | None = None
    is_cut: bool = False

    @property
    def back_to(self) -> float:
        """The time, in seconds, down to which all was looked at."""
        return time_of(self.before or 0)


class Candidates(NamedTuple):
    """Passages that may match, the newest first, out of all that are numbered `down_to` or above."""

    numbers: Sequence[int]
    down_to: int


def parts(query: str) -> list[str]:
    """What has to be found, all of it: words and "quoted phrases", as they are compared."""
    found = (sought(quoted or word) for quoted, word in PART.findall(query.translate(QUOTES)))
    return list(dict.fromkeys(filter(None, found)))


def search(database: Database, owner: str, words: Sequence[str], before: int = NEWEST) -> Found:
    """The owner's titles and messages that hold all of these `parts`, the newest first."""
    deadline = monotonic() + SECONDS
    candidates = _by_sqlite if database.is_sqlite else _by_postgresql
    rows: list[Any] = []
    with database.read() as connection:
        for numbers, down_to in candidates(connection, owner, words, before):
            rows += connection.execute(_matches(database, owner, words, numbers)).all()
            if len(rows) > PAGE:
                return Found(_hits(rows[:PAGE], words), rows[PAGE - 1].number)
            if monotonic() > deadline:
                return Found(_hits(rows, words), down_to, is_cut=True)
    return Found(_hits(rows, words))


def _by_sqlite(connection: Connection, owner: str, words: Sequence[str], before: int) -> Iterator[Candidates]:
    query = text(
        "SELECT rowid FROM passages_index WHERE passages_index MATCH :terms AND rowid < :before ORDER BY rowid DESC"
    )
    quoted = ('"' + term.replace('"', '""') + '"' for term in _terms(owner, words))
    found = connection.execute(query, {"terms": " AND ".join(quoted), "before": before})
    for numbers in found.scalars().partitions(CHUNK):
        yield Candidates(numbers, numbers[-1])


def _by_postgresql(connection: Connection, owner: str, words: Sequence[str], before: int) -> Iterator[Candidates]:
    """What is common fills a page from among the newest passages; no index would find all that hold a few signs."""
    connection.execute(text("SET LOCAL jit = off"))  # it would compile for longer than these queries take
    has_terms = any(map(terms, words))
    columns = passages.c.number, _has_all(func.strpos, words)
    query = select(*columns).where(func.left(passages.c.folded, TERM) == mark(owner))
    while True:
        newest = query.where(passages.c.number < before).order_by(passages.c.number.desc()).limit(RECENT)
        rows = connection.execute(newest).all()
        matching = [number for number, has_all in rows if has_all]
        if rows:
            before = rows[-1].number
            yield Candidates(matching, before)
        if len(rows) < RECENT:
            return
        if has_terms and len(matching) < COMMON:
            break
    yield from _by_terms(connection, owner, words, before)


def _by_terms(connection: Connection, owner: str, words: Sequence[str], before: int) -> Iterator[Candidates]:
    """All matches first and then the newest: from the newest on, the terms of each passage would be made anew."""
    query = text(
        "WITH found AS MATERIALIZED ("
        "SELECT number FROM passages WHERE search_terms(folded) @@ CAST(:terms AS tsquery) AND number < :before"
        ") SELECT number FROM found ORDER BY number DESC LIMIT :most"
    )
    quoted = ("'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in _terms(owner, words))
    asked = {"terms": " & ".join(quoted), "most": MATCHES}
    while numbers := connection.execute(query, asked | {"before": before}).scalars().all():
        for start in range(0, len(numbers), CHUNK):
            chunk = numbers[start : start + CHUNK]
            yield Candidates(chunk, chunk[-1])
        if len(numbers) < MATCHES:
            return
        before = numbers[-1]


def _terms(owner: str, words: Sequence[str]) -> list[str]:
    return [mark(owner), *sorted(set().union(*map(terms, words)))]


def _matches(database: Database, owner: str, words: Sequence[str], numbers: Sequence[int]) -> Select[Any]:
    """Not what is written again since: its passage is of old words.

    Whose a chat is stands in a query of its own, for SQLite would rather begin with all chats of the owner.
    """
    find = func.instr if database.is_sqlite else func.strpos
    chat = conversations.alias("chat")
    is_theirs = exists().where(conversations.c.id == passages.c.conversation_id, owned.listed(owner))
    is_title = passages.c.message_id.is_(None) & chat.c.is_indexed
    at = func.coalesce(messages.c.settled_at, messages.c.created_at, chat.c.created_at).label("at")
    columns = chat.c.id, chat.c.title, messages.c.id.label("message_id"), messages.c.text
    return (
        select(passages.c.number, *columns, messages.c.role, messages.c.model, at)
        .join_from(passages, chat)
        .outerjoin(messages, messages.c.id == passages.c.message_id)
        .where(passages.c.number.in_(numbers), is_theirs, or_(is_title, messages.c.is_indexed))
        .where(_has_all(find, words))
        .order_by(passages.c.number.desc())
        .limit(PAGE + 1)
    )


def _has_all(find: Callable[..., Any], words: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(find(passages.c.folded, word) > 0 for word in words))


def _hits(rows: Sequence[Any], words: Sequence[str]) -> list[Hit]:
    """A message that is several passages is one hit."""
    return [
        Hit(
            row.id,
            row.title,
            row.message_id,
            row.role,
            row.model,
            row.at,
            passage(row.text if row.message_id else row.title, words),
        )
        for row in {(row.id, row.message_id): row for row in rows}.values()
    ]


def passage(whole: str, words: Sequence[str]) -> list[Piece]:
    """The text around the first place of the longest word, with all places of all words in it."""
    whole = plain(whole)
    start, end = next(spans(whole, [max(words, key=len)]), (0, 0))
    before, after = whole[max(start - CONTEXT, 0) : start], whole[end : end + CONTEXT]
    if start > CONTEXT:
        before = "…" + re.sub(rf"^\S{{0,{WORD}}}\s", "", before)
    if len(whole) > end + CONTEXT:
        after = re.sub(rf"\s\S{{0,{WORD}}}$", "", after) + "…"
    return _pieces(" ".join(f"{before}{whole[start:end]}{after}".split()), words)


def _pieces(shown: str, words: Sequence[str]) -> list[Piece]:
    pieces, done = [], 0
    for start, end in spans(shown, words):
        pieces += [Piece(shown[done:start], False), Piece(shown[start:end], True)]
        done = end
    return [piece for piece in [*pieces, Piece(shown[done:], False)] if piece.words]
