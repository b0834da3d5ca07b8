"""A chat as plain text, for `curl` and programs: `Accept: text/plain`."""

from collections.abc import Iterable, Iterator

from ..chats.exports import Files
from ..chats.records import Message
from ..sentences import Sentence
from ..web import i18n
from .live import Live
from .rendering import FLUSH, writer

GOES_ON = Sentence("the reply goes on; ask for this page again to read on.")


def pieces(messages: Iterable[Message], live: Live | None, files: Files) -> Iterator[str]:
    """Message after message, without what models thought; a live reply word by word. Ends where the page would end."""
    for message in messages:
        yield f"{i18n.say(writer(message))}:\n"
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
    why = message.problem if message.is_settled else GOES_ON
    return f"[{message.status}{': ' if why else ''}{i18n.say(why)}]\n"
