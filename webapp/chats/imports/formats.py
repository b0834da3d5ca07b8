"""The formats that are known, told from each other by what is in a record, never by a file's name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ...sentences import Sentence
from ..instructions import Preset
from . import chatgpt, librechat, openwebui, tree, voichat
from .found import Chat, Record, Refused
from .reading import File


class Format(Protocol):
    NAME: str

    def has(self, record: Record) -> bool:
        """Whether the record is a chat of this format."""

    def chat(self, record: Record) -> Chat:
        """What it says. Raises `Refused`."""


FORMATS: tuple[Format, ...] = (voichat, chatgpt, openwebui, librechat)
TOO_LARGE, NO_CHAT, NO_MESSAGES = (
    Sentence("chats that are too large"),
    Sentence("entries that are no chats"),
    Sentence("chats without messages"),
)
OURS = {voichat.ARCHIVE, voichat.PRESETS}


@dataclass(frozen=True)
class Found:
    """One thing of a file: a chat of a product's, presets, or what is left out and why."""

    product: str = ""
    chat: Chat | None = None
    presets: tuple[Preset, ...] = ()
    left_out: str = ""
    title: str = ""


def found(file: File) -> Iterator[Found]:
    """All that is in the file. Raises `Refused`."""
    for number, record in enumerate(file.records(), 1):
        try:
            yield _found(record)
        except Refused as error:
            raise Refused(Sentence("Its entry {number} is broken: {why}", number=number, why=str(error))) from None


def _found(record: Any) -> Found:
    if record is None:
        return Found(left_out=TOO_LARGE)
    if not isinstance(record, dict):
        return Found(left_out=NO_CHAT)
    for format_ in FORMATS:
        if format_.has(record):
            chat = tree.grown(format_.chat(record))
            return Found(format_.NAME, chat) if chat.turns else Found(left_out=NO_MESSAGES, title=chat.title)
    if record.get("format") in OURS:
        return Found(voichat.NAME, presets=tuple(voichat.presets(record)))
    return Found(left_out=NO_CHAT)
