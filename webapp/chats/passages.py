"""What search looks through: titles and settled messages, folded, and marked with whose they are.

Nothing waits for that: what is written is only flagged as not indexed, and an `Indexer` takes it in batches.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Select, Table, Update, delete, func, or_, select, text, update

from ..db import UNINDEXED, Database, conversations, messages, passages
from .folding import TERM, fold
from .text import title

BATCH = 100
BATCH_CHARACTERS = 100_000
# PostgreSQL takes at most a megabyte of terms from one passage. They overlap by more than what is sought can be long.
CHARACTERS, OVERLAP = 50_000, 1_000
RANDOM_BITS = 21
LATEST = 2.0**42 / 1000 - 1  # a number has 63 bits

UNINDEXED_TITLE = text("NOT conversations.is_indexed")


def index(database: Database) -> bool:
    """One short batch of what search does not know yet; False if there was none. Safe in several processes at once."""
    is_anything_left = select(or_(_untitled().exists(), _unread().exists()))
    with database.read() as connection:
        if not connection.execute(is_anything_left).scalar():
            return False
    with database.write(durable=False) as connection:
        read = _index_messages(database, connection)
        return _index_titles(database, connection) or read


def mark(owner: str) -> str:
    """The term that stands before all of an owner's passages. It may be somebody else's too, though hardly ever."""
    digest = sha256(owner.encode()).digest()
    return "".join(chr(0xF0000 + int.from_bytes(digest[at : at + 2]) % 0xFFFE) for at in range(0, 2 * TERM, 2))


def time_of(number: int) -> float:
    """From when a passage of that number is, in seconds: numbers are in the order of time."""
    return (number >> RANDOM_BITS) / 1000


def _unread() -> Select[Any]:
    at = func.coalesce(messages.c.settled_at, messages.c.created_at).label("at")
    columns = messages.c.id, messages.c.conversation_id, messages.c.text, at, conversations.c.owner_id
    query = select(*columns).join(conversations).where(UNINDEXED)
    return query.order_by(messages.c.created_at.desc()).limit(BATCH)


def _untitled() -> Select[Any]:
    first = select(messages.c.text).where(messages.c.conversation_id == conversations.c.id)
    first_words = first.order_by(messages.c.seq).limit(1).scalar_subquery().label("first_words")
    columns = conversations.c.id, conversations.c.owner_id, conversations.c.title, conversations.c.created_at
    query = select(*columns, first_words).where(UNINDEXED_TITLE)
    return query.order_by(conversations.c.created_at.desc()).limit(BATCH)


def _index_messages(database: Database, connection: Connection) -> bool:
    found = connection.execute(_locked(_unread())).all()
    rows = _batch(found, [len(row.text) for row in found])
    ids = [row.id for row in rows]
    connection.execute(delete(passages).where(passages.c.message_id.in_(ids)))
    for row in rows:
        for start in range(0, max(len(row.text) - OVERLAP, 1), CHARACTERS - OVERLAP):
            piece = row.text[start : start + CHARACTERS]
            _add(database, connection, row, piece, row.at, conversation_id=row.conversation_id, message_id=row.id)
    connection.execute(_set_indexed(messages, ids))
    return bool(rows)


def _index_titles(database: Database, connection: Connection) -> bool:
    """A title that is the first words of its chat is found with them: of most chats nothing is to be done."""
    rows = connection.execute(_locked(_untitled())).all()
    found = _found_by(connection, [row.id for row in rows])
    done = {row.id for row in rows if _is_well_marked(row, found[row.id]) and _says_nothing_new(row)}
    connection.execute(_set_indexed(conversations, list(done)))
    _index_each_title(database, connection, [row for row in rows if row.id not in done])
    return bool(rows)


def _found_by(connection: Connection, ids: Sequence[str]) -> defaultdict[str, set[tuple[str, bool]]]:
    """The marks of the passages of each of these chats, and whether one of a title bears it."""
    of, term = passages.c.conversation_id, func.substr(passages.c.folded, 1, TERM)
    query = select(of, term, passages.c.message_id.is_(None)).where(of.in_(ids)).distinct()
    found = defaultdict(set)
    for chat, mark, is_of_title in connection.execute(query):
        found[chat].add((mark, bool(is_of_title)))
    return found


def _is_well_marked(row: Any, found: set[tuple[str, bool]]) -> bool:
    """Whether there is nothing but passages of messages that bear the owner's mark."""
    return found <= {(mark(row.owner_id), False)}


def _says_nothing_new(row: Any) -> bool:
    return bool(row.title == title(row.first_words or ""))


def _set_indexed(table: Table, ids: Sequence[str]) -> Update:
    return update(table).where(table.c.id.in_(ids)).values(is_indexed=True)


def _index_each_title(database: Database, connection: Connection, rows: Sequence[Any]) -> None:
    characters = 0
    for row in rows:
        wrong = _marked_otherwise(connection, row)
        _mark_anew(connection, row, wrong)
        characters += sum(len(each.folded) for each in wrong)
        if len(wrong) == BATCH or characters > BATCH_CHARACTERS:
            break
        of_title = (passages.c.conversation_id == row.id) & passages.c.message_id.is_(None)
        connection.execute(delete(passages).where(of_title))
        if not _says_nothing_new(row):
            _add(database, connection, row, row.title, row.created_at, conversation_id=row.id)
        connection.execute(_set_indexed(conversations, [row.id]))


def _locked(query: Select[Any]) -> Select[Any]:
    """Another process takes others; who refers to these rows waits for nothing."""
    return query.with_for_update(key_share=True, skip_locked=True)


def _batch(rows: Sequence[Any], sizes: Sequence[int]) -> Sequence[Any]:
    """The first of them, as many as take no more than a moment; at least one."""
    before = [0, *accumulate(sizes)]
    return [row for row, so_far in zip(rows, before, strict=False) if so_far <= BATCH_CHARACTERS]


def _add(database: Database, connection: Connection, row: Any, words: str, at: float, **of: str) -> None:
    """Numbers are in the order of time, whenever what they stand for is indexed; two of one moment differ by chance."""
    folded = fold(words)
    if not folded:
        return
    passage = of | {"folded": mark(row.owner_id) + folded}
    while not database.insert_once(connection, passages, passage | {"number": _number(at)}):
        pass


def _number(at: float) -> int:
    """Of a passage from that time, in seconds."""
    milliseconds = int(min(max(0.0, at), LATEST) * 1000)
    return (milliseconds << RANDOM_BITS) + random.getrandbits(RANDOM_BITS)


def _marked_otherwise(connection: Connection, row: Any) -> Sequence[Any]:
    """Some of a chat's passages that bear another mark than its owner's: it may be somebody else's since."""
    wrong = (passages.c.conversation_id == row.id) & (func.substr(passages.c.folded, 1, TERM) != mark(row.owner_id))
    found = connection.execute(select(passages.c.number, passages.c.folded).where(wrong).limit(BATCH)).all()
    return _batch(found, [len(each.folded) for each in found])


def _mark_anew(connection: Connection, row: Any, wrong: Sequence[Any]) -> None:
    for each in wrong:
        folded = mark(row.owner_id) + each.folded[TERM:]
        connection.execute(update(passages).where(passages.c.number == each.number).values(folded=folded))
