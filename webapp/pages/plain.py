"""A chat as plain text, for `curl` and programs: `Accept: text/plain`."""

from collections.abc import Iterable, Iterator

from ..chats.exports import Files
from ..chats.records import Message
from .live import Live
from .rendering import FLUSH, writer


def pieces(messages: Iterable[Message], live: Live | None, files: Files) -> Iterator[str]:
    """Message after message, without what models thought; a live reply word by word. Ends where the page would end."""
    for message in messages:
        yield f"{writer(message)}:\n"
        yield from (f"[file: {name}]\n" for name in files.get(message.id, ()))
        if message.is_settled or not live:
            yield f"{message.text}\n{_state(message)}\n"
            continue
        yield FLUSH
        for words in live.words(message):
            yield words + FLUSH
        yield f"\n{_state(live.now(message))}\n"


def _state(message: Message) -> str:
    """A line that says how a reply ended, if not well, or that it has not."""
    if message.status == "complete" and not message.problem:
        return ""
    why = message.problem if message.is_settled else "the reply goes on; ask for this page again to read on."
    return f"[{message.status}{': ' if why else ''}{why}]\n"
