"""An import: all of the file is checked and kept aside, then its chats are added, each of them once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import islice
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from time import sleep, time
from typing import IO, Any

from sqlalchemy import Connection, func, insert, select, update

from ...db import Database, conversations, messages, submissions
from ...sentences import Sentence, plural
from .. import history, lists, owned, presets
from ..instructions import Preset
from ..text import title
from . import formats
from .found import Chat, Refused

TITLES = 5
BATCH_MESSAGES = 200
BATCH_BYTES = 2_000_000
LEAST_PAUSE_SECONDS = 0.002
IDS_AT_ONCE = 500
DAY = 86400.0
NOTHING_KNOWN = Sentence("No chats were found in it")
TOO_MANY_PRESETS = Sentence("presets beyond the {most} that one person may have", most=presets.MOST)


@dataclass
class LeftOut:
    count: int = 0
    titles: list[str] = field(default_factory=list)

    def add(self, count: int, title: str) -> None:
        self.count += count
        if title and title not in self.titles and len(self.titles) < TITLES:
            self.titles.append(title)


@dataclass
class Report:
    """What was taken, what was there already, and what was left out and why."""

    products: list[str] = field(default_factory=list)
    chats: int = 0
    messages: int = 0
    chats_there: int = 0
    presets: int = 0
    presets_there: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    def leave_out(self, why: str, title: str = "", count: int = 1) -> None:
        self.left_out.setdefault(why, LeftOut()).add(count, title)


class Checked:
    """All that is taken of a file, kept in a file without a name until it is closed."""

    def __init__(self, folder: Path) -> None:
        self.report = Report()
        self.presets: list[Preset] = []
        self.bytes = 0
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed by `close`

    def close(self) -> None:
        self._file.close()

    def add(self, chat: Chat) -> None:
        """Its turns by place instead of by id: so the same chat is the same line, whoever has exported it."""
        places = {turn.id: place for place, turn in enumerate(chat.turns)}
        turns = [asdict(turn) | {"id": "", "parent_id": places.get(turn.parent_id or "")} for turn in chat.turns]
        told = {"told": asdict(chat.instructions), "turns": turns}
        times = _times(chat) | {"is_pinned": chat.is_pinned}
        line = json.dumps({"title": _title(chat)} | times | told, sort_keys=True).encode()
        for part in (line, json.dumps(list(places)).encode()):
            self.bytes += self._file.write(part + b"\n")

    def chats(self) -> Iterator[tuple[bytes, list[str]]]:
        """Each chat as a line, and the ids of its messages."""
        self._file.seek(0)
        for line in self._file:
            yield line, json.loads(next(self._file))


def check(source: IO[bytes], folder: Path, most: int, days: int | None = None) -> Checked:
    """At most `most` bytes are read. Chats that were last written to more than `days` ago are left out.

    Raises `Refused`, and then nothing is kept.
    """
    checked = Checked(folder)
    try:
        for found in formats.found(source, most):
            _note(checked, found, days)
        if not checked.report.products:
            raise Refused(NOTHING_KNOWN)
    except BaseException:
        checked.close()
        raise
    return checked


def take(database: Database, owner: str, checked: Checked) -> Report:
    """Add what is not there yet, a few chats in a transaction, and let others write in between.

    Cut short, it is finished by the same import again.
    """
    report = checked.report
    chats = checked.chats()
    while batch := list(_batch(chats)):
        began = time()
        with database.write() as connection:
            for line, ids in batch:
                count = _add(database, connection, owner, line, ids)
                report.chats, report.messages = report.chats + (count > 0), report.messages + count
                report.chats_there += count == 0
        sleep(max(time() - began, LEAST_PAUSE_SECONDS))
    _add_presets(database, owner, checked.presets, report)
    return report


def _note(checked: Checked, found: formats.Found, days: int | None) -> None:
    report = checked.report
    if found.product and found.product not in report.products:
        report.products.append(found.product)
    if found.left_out:
        report.leave_out(found.left_out, title(found.title))
    checked.presets += found.presets
    if found.chat and days is not None and (_times(found.chat)["updated_at"] or inf) < time() - days * DAY:
        report.leave_out(_too_old(days), _title(found.chat))
    elif found.chat:
        checked.add(found.chat)
        for kind, count in found.chat.left_out.items():
            report.leave_out(kind, _title(found.chat), count)


def _too_old(days: int) -> Sentence:
    return plural(
        "chats whose last message is older than {number} day, after which this server deletes them",
        "chats whose last message is older than {number} days, after which this server deletes them",
        days,
    )


def _title(chat: Chat) -> str:
    return title(chat.title) or title(chat.turns[0].text) or "Chat"


def _times(chat: Chat) -> dict[str, float | None]:
    """When it was begun, and when it was last written to; None if the file says nothing of it."""
    said = [turn.created_at for turn in chat.turns if turn.created_at]
    began = chat.created_at or min(said, default=None)
    return {"created_at": began, "updated_at": chat.updated_at or max(said, default=began)}


def _batch(chats: Iterator[tuple[bytes, list[str]]]) -> Iterator[tuple[bytes, list[str]]]:
    messages_, size = 0, 0
    for line, ids in chats:
        yield line, ids
        messages_, size = messages_ + len(ids), size + len(line)
        if messages_ >= BATCH_MESSAGES or size >= BATCH_BYTES:
            return


def _add(database: Database, connection: Connection, owner: str, line: bytes, ids: Sequence[str]) -> int:
    """How many messages were added: none if the chat is there."""
    key, first = sha256(f"{owner} import ".encode() + line).hexdigest(), history.new_id()
    if _are_there(connection, owner, ids):
        return 0
    row = dict(key=key, message_id=first, created_at=time())
    if not database.insert_once(connection, submissions, row):
        before = connection.execute(select(submissions.c.message_id).where(submissions.c.key == key).with_for_update())
        if _are_there(connection, owner, [before.scalar_one()]):
            return 0
        connection.execute(update(submissions).where(submissions.c.key == key).values(message_id=first))
    chat = json.loads(line)
    conversation_id = history.new_id()
    is_pinned = chat["is_pinned"] and lists.count_pinned(connection, owner) < lists.MOST_PINNED
    connection.execute(insert(conversations).values(_conversation(conversation_id, owner, chat, is_pinned=is_pinned)))
    connection.execute(insert(messages), list(_rows(conversation_id, first, chat)))
    return len(chat["turns"])


def _are_there(connection: Connection, owner: str, ids: Sequence[str]) -> bool:
    """Whether all of these are messages of the owner's."""
    left = iter(ids)
    while batch := list(islice(left, IDS_AT_ONCE)):
        theirs = select(func.count()).select_from(messages).join(conversations)
        query = theirs.where(owned.listed(owner), messages.c.id.in_(batch))
        if connection.execute(query).scalar_one() < len(batch):
            return False
    return True


def _conversation(conversation_id: str, owner: str, chat: dict[str, Any], *, is_pinned: bool) -> dict[str, Any]:
    now, turns, told = time(), chat["turns"], dict(chat["told"])
    began = min(chat["created_at"] or now, now)
    times = dict(created_at=began, updated_at=min(chat["updated_at"] or began, now))
    named = dict(id=conversation_id, owner_id=owner, title=chat["title"], model=turns[-1]["model"])
    pinned = dict(pinned_at=times["updated_at"] if is_pinned else None)
    return named | times | pinned | dict(last_seq=len(turns)) | told


def _rows(conversation_id: str, first: str, chat: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ids = [first, *(history.new_id() for _ in chat["turns"][1:])]
    unknown = chat["created_at"] or time()
    for place, turn in enumerate(chat["turns"]):
        parent = None if turn["parent_id"] is None else ids[turn["parent_id"]]
        created = turn["created_at"] or unknown
        written = dict(created_at=created, settled_at=turn["settled_at"] or created, html="", renderer=0, attempt=0)
        yield turn | written | dict(id=ids[place], conversation_id=conversation_id, parent_id=parent, seq=place + 1)


def _add_presets(database: Database, owner: str, found: Sequence[Preset], report: Report) -> None:
    there = {(preset.name, preset.model, preset.instructions) for preset in presets.saved(database, owner)}
    for preset in found:
        if (preset.name, preset.model, preset.instructions) in there:
            report.presets_there += 1
            continue
        try:
            presets.add(database, owner, preset, "import", _admit_all)
            report.presets += 1
        except presets.TooMany:
            report.leave_out(TOO_MANY_PRESETS, preset.name)


def _admit_all(_connection: Connection) -> None: ...
