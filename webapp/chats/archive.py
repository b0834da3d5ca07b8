"""All that a person has said here as one zip, written while it is read: never more than one chat in memory."""

import json
from collections.abc import Iterator
from contextlib import suppress
from io import RawIOBase
from time import gmtime, time
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import select

from ..db import Database, conversations
from . import attachments, branches, exports, history, lists, owned, presets
from .files import Files
from .instructions import Preset
from .records import Attachment, NotFound

FORMAT, PRESETS_FORMAT = "voichat-archive", "voichat-presets"
VERSION = 1
PIECE_BYTES = 1 << 16


def pieces(database: Database, files: Files, owner: str) -> Iterator[bytes]:
    """The zip. Chats that are temporary or deleted are not in it; one that is deleted meanwhile may be."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:
        _put(archive, "manifest.json", _in_json({"format": FORMAT, "version": VERSION, "created_at": time()}))
        saved = [_preset(preset) for preset in presets.saved(database, owner)]
        _put(archive, "presets.json", _in_json({"format": PRESETS_FORMAT, "version": VERSION, "presets": saved}))
        for chat_id in _ids(database, owner):
            _put_chat(archive, database, owner, chat_id)
            _put_pictures(archive, database, files, owner, chat_id)
            if sink.size >= PIECE_BYTES:
                yield sink.taken()
    yield sink.taken()


def more(database: Database, owner: str, chat_id: str) -> dict[str, Any]:
    """What an export says of a chat besides its words. Raises `NotFound`."""
    columns = conversations.c.created_at, conversations.c.updated_at, conversations.c.pinned_at
    with database.read() as connection:
        row = connection.execute(select(*columns).where(owned.mine(owner, chat_id))).first()
    if row is None:
        raise NotFound
    about = {"created_at": row.created_at, "updated_at": row.updated_at, "is_pinned": row.pinned_at is not None}
    pictures = [
        {"message_id": found.message_id, "name": found.name, "file": _path(found)}
        for found in attachments.of_chat(database, owner, chat_id)
    ]
    return about | ({"pictures": pictures} if pictures else {})


class _Sink(RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self.size = 0
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self.size += len(data)
        return len(data)

    def taken(self) -> bytes:
        whole = b"".join(self._written)
        self._written.clear()
        self.size = 0
        return whole


def _ids(database: Database, owner: str) -> list[str]:
    query = select(conversations.c.id).where(owned.listed(owner)).order_by(conversations.c.updated_at.desc())
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def _put_chat(archive: ZipFile, database: Database, owner: str, chat_id: str) -> None:
    try:
        chat, about = lists.conversation(database, owner, chat_id), more(database, owner, chat_id)
        told = history.instructions(database, owner, chat_id)
        said = branches.messages_of(database, owner, chat_id)
    except NotFound:
        return
    name = f"chats/{exports.name(chat)} {chat_id[:8]}.json"
    with archive.open(_info(name), "w") as file:
        for piece in exports.in_json(chat, told, said, about):
            file.write(piece.encode())


def _put_pictures(archive: ZipFile, database: Database, files: Files, owner: str, chat_id: str) -> None:
    """Those that are still there."""
    with suppress(NotFound):
        for found in attachments.of_chat(database, owner, chat_id):
            with suppress(FileNotFoundError), files.open(found.id) as file:
                _put(archive, _path(found), file.read(), ZIP_STORED)


def _path(found: Attachment) -> str:
    return f"files/{found.id}.{found.kind.rpartition('/')[2]}"


def _put(archive: ZipFile, name: str, content: str | bytes, how: int = ZIP_DEFLATED) -> None:
    archive.writestr(_info(name, how), content)


def _info(name: str, how: int = ZIP_DEFLATED) -> ZipInfo:
    info = ZipInfo(name, gmtime()[:6])
    info.compress_type, info.external_attr = how, 0o600 << 16
    return info


def _in_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _preset(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "model": preset.model, "instructions": dict(preset.instructions.set)}
