"""A chat as a file: Markdown for people, JSON with all of its branches for programs."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeAlias

from .instructions import Instructions
from .records import Conversation, Message

FORMAT = "voichat-chat"
VERSION = 1
NAME_CHARACTERS = 80

# By message, what its files are called.
Files: TypeAlias = Mapping[str, Sequence[str]]

# What is made from the rest, or means something to this server alone.
LEFT_OUT = {"conversation_id", "html", "renderer", "attempt", "seen_from"}
KEPT = [field.name for field in fields(Message) if field.name not in LEFT_OUT]


def markdown(
    chat: Conversation, messages: Iterable[Message], who: Callable[[Message], str], files: Files
) -> Iterator[str]:
    """One branch, each message under a heading that says `who` wrote it and when; piece by piece."""
    yield f"# {chat.title}\n"
    for message in messages:
        yield f"\n{_in_markdown(message, who(message), files.get(message.id, ()))}"


def in_json(
    chat: Conversation, told: Instructions, messages: Iterable[Message], more: Mapping[str, Any]
) -> Iterator[str]:
    """An object with `format`, `version`, `title`, `more`, `instructions` as far as they are set, and `messages`.

    A message has the fields of `KEPT`; `parent_id` makes them a tree, and times are seconds since 1970, UTC.
    It comes piece by piece.
    """
    head = {"format": FORMAT, "version": VERSION, "title": chat.title}
    before, after = _dumped({**head, **more, "instructions": told.set, "messages": []}).rsplit("]", 1)
    yield before
    for number, message in enumerate(messages):
        kept = {name: value for name, value in asdict(message).items() if name in KEPT}
        yield f"{',' if number else ''}\n{_dumped([kept])[2:-2]}".replace("\n", "\n ")
    yield f"\n ]{after}\n"


def name(chat: Conversation) -> str:
    """The title as a file may be called anywhere, without an ending."""
    plain = "".join(character if character.isalnum() or character in "-_." else " " for character in chat.title)
    return " ".join(plain.split()).strip(". ")[:NAME_CHARACTERS].strip(". ") or "chat"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _in_markdown(message: Message, who: str, files: Sequence[str]) -> str:
    when = datetime.fromtimestamp(message.settled_at or message.created_at).astimezone()
    return "\n".join(
        [f"## {who}, {when:%Y-%m-%d %H:%M}\n", *(f"*(file: {name})*\n" for name in files), *_words(message)]
    )


def _words(message: Message) -> Iterator[str]:
    if message.text.strip():
        yield f"{message.text.strip()}\n"
    if message.status != "complete" or message.problem:
        yield f"*({message.status}{': ' if message.problem else ''}{message.problem})*\n"
