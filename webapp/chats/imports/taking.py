"""An import: all of the file is checked and kept aside, then its chats are added, each of them once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, time
from typing import IO

from sqlalchemy import Connection

from ...db import Database
from ...sentences import Sentence, plural
from .. import presets
from ..files import Files
from ..instructions import Preset
from ..text import title
from . import adding, formats, pictured
from .adding import Kept, New, Wanted
from .found import Chat, Refused
from .reading import File
from .reports import Report

BATCH_MESSAGES = 200
BATCH_BYTES = 2_000_000
DAY = 86400.0
TOO_MANY_PRESETS = Sentence("presets beyond the {most} that one person may have", most=presets.MOST)
LATER = Sentence("chats with pictures, which take long to read: import the same file again to take more of them")
NOTHING_KNOWN = Sentence("No chats were found in it")


class Checked:
    """All that is taken of a file but its pictures, kept in a file without a name until it is closed."""

    def __init__(self, file: File, folder: Path) -> None:
        self.file = file
        self.report = Report()
        self.presets: list[Preset] = []
        self.bytes = 0
        self._aside = TemporaryFile(dir=folder)  # noqa: SIM115  closed by `close`

    def close(self) -> None:
        self._aside.close()

    def add(self, chat: Chat, pictures: Sequence[Wanted]) -> None:
        """Its turns by place instead of by id: so the same chat is the same line, whoever has exported it.

        Its pictures are not in that line: a chat is the same without them.
        """
        places = {turn.id: place for place, turn in enumerate(chat.turns)}
        turns = [asdict(turn) | {"id": "", "parent_id": places.get(turn.parent_id or "")} for turn in chat.turns]
        told = {"told": asdict(chat.instructions), "turns": turns}
        times = _times(chat) | {"is_pinned": chat.is_pinned}
        line = json.dumps({"title": _title(chat)} | times | told, sort_keys=True).encode()
        for part in (line, json.dumps([_title(chat), [turn.id for turn in chat.turns], pictures]).encode()):
            self.bytes += self._aside.write(part + b"\n")
        self.bytes += sum(picture.size for picture in pictures)

    def chats(self) -> Iterator[Kept]:
        self._aside.seek(0)
        for line in self._aside:
            title_, ids, pictures = json.loads(next(self._aside))
            yield Kept(line, title_, ids, [Wanted(*picture) for picture in pictures])


def check(
    source: IO[bytes], folder: Path, most: int, days: int | None = None, *, are_pictures_taken: bool = True
) -> Checked:
    """At most `most` bytes are read. Chats that were last written to more than `days` ago are left out.

    The source stays open until its chats were taken. Raises `Refused`, and then nothing is kept.
    """
    checked = Checked(File(source, most), folder)
    try:
        for found in formats.found(checked.file):
            _note(checked, found, days, are_pictures_taken=are_pictures_taken)
        if not checked.report.products:
            raise Refused(NOTHING_KNOWN)
    except BaseException:
        checked.close()
        raise
    return checked


def take(database: Database, files: Files, owner: str, checked: Checked) -> Report:
    """Add what is not there yet, a few chats in a transaction, and let others write in between.

    Cut short, it is finished by the same import again. Raises `Unwritable`.
    """
    _add_chats(database, owner, (chat for chat in checked.chats() if not chat.pictures), checked.report)
    _add_presets(database, owner, checked.presets, checked.report)
    _add_pictured(database, files, owner, checked)
    return checked.report


def _note(checked: Checked, found: formats.Found, days: int | None, *, are_pictures_taken: bool) -> None:
    report = checked.report
    if found.product and found.product not in report.products:
        report.products.append(found.product)
    if found.left_out:
        report.leave_out(found.left_out, title(found.title))
    checked.presets += found.presets
    if found.chat and days is not None and (_times(found.chat)["updated_at"] or inf) < time() - days * DAY:
        report.leave_out(_too_old(days), _title(found.chat))
    elif found.chat:
        pictures, left_out = pictured.chosen(found.chat, checked.file, are_taken=are_pictures_taken)
        checked.add(found.chat, pictures)
        for kind, count in (found.chat.left_out + left_out).items():
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


def _add_chats(database: Database, owner: str, chats: Iterator[Kept], report: Report) -> None:
    while batch := list(_batch(chats)):
        with adding.transaction(database) as connection:
            counts = [adding.add(database, connection, owner, chat, New.of(chat)) for chat in batch]
        for count in counts:
            report.take(count)


def _batch(chats: Iterator[Kept]) -> Iterator[Kept]:
    messages, size = 0, 0
    for chat in chats:
        yield chat
        messages, size = messages + len(chat.ids), size + len(chat.line)
        if messages >= BATCH_MESSAGES or size >= BATCH_BYTES:
            return


def _add_pictured(database: Database, files: Files, owner: str, checked: Checked) -> None:
    """One after the other, until they have taken too long."""
    report, packed, left = checked.report, checked.file.packed, pictured.SECONDS
    for chat in checked.chats():
        if not chat.pictures or packed is None:
            continue
        began = monotonic()
        if adding.is_there(database, owner, chat):
            report.chats_there += 1
        elif left > 0:
            pictured.add(database, files, owner, chat, packed, report)
            left -= monotonic() - began
        else:
            report.leave_out(LATER, chat.title)


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
