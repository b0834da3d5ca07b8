"""A conversation of ChatGPT's data export: a tree of nodes in `mapping`, as it was in 2023 to early 2026.

OpenAI does not document it. What is known stands in what others found in their exports.
"""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from ...sentences import Sentence
from . import values
from .found import LEFT_OUT, Chat, Record, Turn

NAME = "ChatGPT"
# References to sources, between characters of Unicode's private use: nothing for a reader.
REFERENCES = re.compile("\ue200[^\ue200\ue201]*\ue201")
WORDS = {"text", "multimodal_text"}
TOOLS, PICTURES, NOTES = (
    Sentence("calls and results of tools"),
    Sentence("pictures, recordings and files"),
    Sentence("notes that ChatGPT keeps hidden"),
)


def has(record: Record) -> bool:
    return isinstance(record.get("mapping"), dict)


def chat(record: Record) -> Chat:
    left_out: Counter[str] = Counter()
    mapping = values.object_(record, "mapping")
    nodes = [(node_id, values.object_(mapping, node_id)) for node_id in mapping]
    return Chat(
        values.text(record, "title"),
        [_turn(node_id, node, left_out) for node_id, node in nodes],
        values.moment(record, "create_time"),
        values.moment(record, "update_time"),
        instructions=values.instructions({}, next(filter(None, (_system(node) for _, node in nodes)), "")),
        current=values.text(record, "current_node"),
        left_out=left_out,
    )


def _turn(node_id: str, node: Record, left_out: Counter[str]) -> Turn:
    message = values.object_(node, "message")
    author, content = values.object_(message, "author"), values.object_(message, "content")
    metadata, role = values.object_(message, "metadata"), values.text(author, "role")
    turn = Turn(
        node_id, values.text(node, "parent") or None, LEFT_OUT, created_at=values.moment(message, "create_time")
    )
    if why := _why_not(role, message, content, metadata):
        left_out[why] += 1
    if why or role not in ("user", "assistant"):
        return turn
    text, reasoning = _words(content, left_out), _thoughts(content)
    if not text and not reasoning:
        return turn
    model = values.short(metadata, "model_slug")
    return replace(turn, role=role, text=text, model=model, reasoning=reasoning)


def _why_not(role: str, message: Record, content: Record, metadata: Record) -> str:
    """Empty for what is taken, and for what holds nothing."""
    kind = values.text(content, "content_type")
    if role in ("user", "assistant") and metadata.get("is_visually_hidden_from_conversation") is True:
        return NOTES
    if role == "tool" or (role == "assistant" and values.text(message, "recipient") not in ("", "all")):
        return TOOLS
    if role == "user" and kind not in WORDS:
        return NOTES
    return TOOLS if role == "assistant" and kind not in WORDS | {"code", "thoughts", "reasoning_recap"} else ""


def _system(node: Record) -> str:
    message = values.object_(node, "message")
    if values.text(values.object_(message, "author"), "role") != "system":
        return ""
    return _joined(values.list_(values.object_(message, "content"), "parts"))


def _words(content: Record, left_out: Counter[str]) -> str:
    if values.text(content, "content_type") == "code":
        code = values.text(content, "text").strip("\n")
        return f"```\n{code}\n```" if code else ""
    if values.text(content, "content_type") not in WORDS:
        return ""
    parts = values.list_(content, "parts")
    left_out[PICTURES] += sum(isinstance(part, dict) and "text" not in part for part in parts)
    return REFERENCES.sub("", _joined(parts)).strip()


def _joined(parts: list[Any]) -> str:
    """What was said aloud is written down in an object of its own."""
    texts = [{"text": part} if isinstance(part, str) else part for part in parts]
    return "\n\n".join(filter(None, (values.text(part, "text") for part in texts if isinstance(part, dict))))


def _thoughts(content: Record) -> str:
    found = [(values.text(thought, "summary"), values.text(thought, "content")) for thought in _thought(content)]
    return "\n\n".join("\n".join(filter(None, thought)) for thought in found)


def _thought(content: Record) -> list[Record]:
    return values.objects(content, "thoughts") if values.text(content, "content_type") == "thoughts" else []
