"""A chat as Voichat exports it, version 1, and the presets of an archive."""

from ...sentences import Sentence
from ..instructions import Instructions, Preset
from ..text import title
from ..textfiles import safe_name
from . import values
from .found import Chat, Enclosed, Record, Refused, Turn

NAME = "Voichat"
CHAT, PRESETS, ARCHIVE = "voichat-chat", "voichat-presets", "voichat-archive"
VERSION = 1
STATES = {"complete", "stopped", "interrupted", "failed"}
UNFINISHED = {"waiting", "live"}
UNFINISHED_PROBLEM = Sentence("This reply was not finished when the file was made.")


def has(record: Record) -> bool:
    return record.get("format") == CHAT


def chat(record: Record) -> Chat:
    _check_version(record)
    told = values.object_(record, "instructions")
    return Chat(
        values.text(record, "title"),
        [_turn(message) for message in values.objects(record, "messages")],
        values.moment(record, "created_at"),
        values.moment(record, "updated_at"),
        is_pinned=record.get("is_pinned") is True,
        instructions=values.instructions(told, values.text(told, "system")),
        pictures=[_picture(picture) for picture in values.objects(record, "pictures")],
    )


def presets(record: Record) -> list[Preset]:
    """Those of the record; none of any other record."""
    if record.get("format") != PRESETS:
        return []
    _check_version(record)
    return [_preset(found) for found in values.objects(record, "presets")]


def _check_version(record: Record) -> None:
    if record.get("version") != VERSION:
        raise Refused(Sentence("it was written by a newer Voichat"))


def _turn(message: Record) -> Turn:
    role, status = values.short(message, "role"), values.short(message, "status")
    if role not in ("user", "assistant") or status not in STATES | UNFINISHED:
        raise Refused(Sentence("a message is of no kind that there is"))
    is_unfinished = status in UNFINISHED
    return Turn(
        values.short(message, "id"),
        values.id_or_none(message, "parent_id"),
        role,
        values.text(message, "text"),
        "interrupted" if is_unfinished else status,
        values.short(message, "model"),
        UNFINISHED_PROBLEM if is_unfinished else values.text(message, "problem"),
        values.text(message, "reasoning"),
        values.short(message, "finish_reason"),
        values.count(message, "prompt_tokens"),
        values.count(message, "completion_tokens"),
        values.moment(message, "created_at"),
        values.moment(message, "settled_at"),
    )


def _picture(found: Record) -> Enclosed:
    name = safe_name(values.short(found, "name"))
    return Enclosed(values.short(found, "message_id"), name, values.short(found, "file"))


def _preset(found: Record) -> Preset:
    name = title(values.text(found, "name"))
    if not name:
        raise Refused(Sentence("a preset has no name"))
    told = values.object_(found, "instructions")
    instructions: Instructions = values.instructions(told, values.text(told, "system"))
    return Preset("", name, values.short(found, "model"), instructions)
