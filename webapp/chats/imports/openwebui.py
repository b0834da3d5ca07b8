"""A chat of Open WebUI's export: `chat.history.messages` by id, as version 0.5 to 0.6 writes it."""

from collections import Counter
from typing import Any

from ...sentences import Sentence
from . import values
from .found import LEFT_OUT, Chat, Record, Turn

NAME = "Open WebUI"
BEGINNING, END = '<details type="', "</details>"
PICTURES, TOOLS = Sentence("pictures and files"), Sentence("calls and results of tools")
PARAMETERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens", "seed": "seed"}


def has(record: Record) -> bool:
    chat = record.get("chat")
    return isinstance(chat, dict) and isinstance(chat.get("history"), dict)


def chat(record: Record) -> Chat:
    chat = values.object_(record, "chat")
    history, params = values.object_(chat, "history"), values.object_(chat, "params")
    messages = values.object_(history, "messages")
    left_out: Counter[str] = Counter()
    return Chat(
        values.text(record, "title") or values.text(chat, "title"),
        [_turn(id_, values.object_(messages, id_), left_out) for id_ in messages],
        values.moment(record, "created_at") or values.moment(chat, "timestamp"),
        values.moment(record, "updated_at"),
        is_pinned=record.get("pinned") is True,
        instructions=values.instructions(params, values.text(params, "system") or values.text(chat, "system")),
        current=values.text(history, "currentId"),
        left_out=left_out,
    )


def _turn(message_id: str, message: Record, left_out: Counter[str]) -> Turn:
    role, problem = values.text(message, "role"), _problem(message)
    text, reasoning = _words(message, left_out)
    left_out[PICTURES] += len(values.list_(message, "files"))
    is_taken = (role == "user" and text) or (role == "assistant" and (text or reasoning or problem))
    if role not in ("user", "assistant"):
        left_out[TOOLS if role == "tool" else Sentence("messages of “{role}”", role=role[:20])] += 1
    return Turn(
        message_id,
        values.text(message, "parentId") or None,
        role if is_taken else LEFT_OUT,
        text,
        "failed" if problem else "complete",
        values.short(message, "model"),
        problem,
        reasoning,
        created_at=values.moment(message, "timestamp"),
    )


def _problem(message: Record) -> str:
    error: Any = message.get("error")
    if isinstance(error, dict):
        error = error.get("content") or error.get("message")
    return error[: values.NAME_CHARACTERS] if isinstance(error, str) else ""


def _words(message: Record, left_out: Counter[str]) -> tuple[str, str]:
    """What was said, and what was thought before it, which Open WebUI writes into the words as HTML."""
    first, *rest = values.text(message, "content").split(BEGINNING)
    said, reasoning = [first], []
    for piece in rest:
        inside, end, after = piece.partition(END)
        if not end:
            said.append(BEGINNING + piece)
        elif inside.startswith("reasoning"):
            reasoning.append(_thought(inside))
        else:
            left_out[TOOLS] += 1
        said.append(after.lstrip("\n"))
    return "".join(said).strip(), "\n\n".join(reasoning)


def _thought(inside: str) -> str:
    """Below its summary, each line as in a quote."""
    below = inside.partition("</summary>")[2] or inside.partition(">")[2]
    return "\n".join(line.removeprefix(">").strip() for line in below.strip().splitlines())
