"""A conversation of LibreChat's JSON export, nested or not, as version 0.7 to 0.8 writes it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...sentences import Sentence
from . import values
from .found import LEFT_OUT, Chat, Record, Refused, Turn

NAME = "LibreChat"
NO_PARENT = "00000000-0000-0000-0000-000000000000"
TOOLS, PICTURES = Sentence("calls and results of tools"), Sentence("pictures and files")


def has(record: Record) -> bool:
    return "conversationId" in record and ("messages" in record or "messagesTree" in record)


def chat(record: Record) -> Chat:
    options = values.object_(record, "options")
    left_out: Counter[str] = Counter()
    turns = [_turn(message, parent, left_out) for message, parent in _flat(record)]
    times = [turn.created_at for turn in turns if turn.created_at]
    system = values.text(options, "promptPrefix") or values.text(options, "system")
    given = options | {"max_tokens": options.get("maxOutputTokens") or options.get("max_tokens")}
    return Chat(
        values.text(record, "title"),
        turns,
        min(times, default=None),
        max(times, default=None),
        instructions=values.instructions(given, system),
        left_out=left_out,
    )


def _flat(record: Record) -> Iterator[tuple[Record, str | None]]:
    """Each message with its parent: what it says, or else the message that it stands in."""
    name = "messagesTree" if "messagesTree" in record else "messages"
    level: list[tuple[Record, str | None]] = [(message, None) for message in values.objects(record, name)]
    while level:
        below: list[tuple[Record, str | None]] = []
        for message, parent in level:
            yield message, parent
            inside = values.short(message, "messageId")
            below += [(child, inside) for child in values.objects(message, "children")]
        level = below


def _turn(message: Record, inside: str | None, left_out: Counter[str]) -> Turn:
    message_id, parent = values.short(message, "messageId"), values.short(message, "parentMessageId")
    if not message_id:
        raise Refused(Sentence("a message has no id"))
    text, reasoning = _words(message, left_out)
    is_users, is_error = message.get("isCreatedByUser") is True, message.get("error") is True
    left_out[PICTURES] += len(values.list_(message, "files"))
    return Turn(
        message_id,
        (None if parent in ("", NO_PARENT) else parent) or inside,
        LEFT_OUT if not (text or reasoning) else "user" if is_users else "assistant",
        "" if is_error else text,
        "failed" if is_error else "stopped" if message.get("unfinished") is True and not is_users else "complete",
        "" if is_users else values.short(message, "model") or values.short(message, "sender"),
        text[: values.NAME_CHARACTERS] if is_error else "",
        reasoning,
        created_at=values.moment(message, "createdAt"),
    )


def _words(message: Record, left_out: Counter[str]) -> tuple[str, str]:
    """A reply is a text, or a list of parts."""
    texts, thoughts = [values.text(message, "text")], []
    for part in values.objects(message, "content"):
        match part.get("type"):
            case "text" | "error":
                texts.append(_text(part, "text"))
            case "think":
                thoughts.append(_text(part, "think"))
            case "tool_call":
                left_out[TOOLS] += 1
            case _:
                left_out[PICTURES] += 1
    said = texts[1:] if any(texts[1:]) else texts
    return "\n\n".join(filter(None, said)), "\n\n".join(filter(None, thoughts))


def _text(part: dict[str, Any], name: str) -> str:
    """It may stand one level deeper, in `value`."""
    return (
        values.text(values.object_(part, name), "value")
        if isinstance(part.get(name), dict)
        else values.text(part, name)
    )
