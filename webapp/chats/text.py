"""Words on their way in: made fit for every database, and cut to a title."""

from textwrap import shorten

from ..characters import visible
from ..sentences import Sentence

TITLE_CHARACTERS = 60


def cleaned(text: str) -> str:
    """Line ends as LF; what PostgreSQL or UTF-8 cannot hold (NUL, lone surrogates) as U+FFFD. A sentence stays one."""
    if isinstance(text, Sentence):
        return _cleaned_sentence(text)
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return unified.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Cleaner:
    """`cleaned` for a text that comes in pieces, which may part a line end or a surrogate pair."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be said of the text so far; its last character may be held back."""
        text = self._held + piece
        self._held = text[-1] if text and (text[-1] == "\r" or "\ud800" <= text[-1] <= "\udbff") else ""
        return cleaned(text.removesuffix(self._held))

    def rest(self) -> str:
        held, self._held = self._held, ""
        return cleaned(held)


def title(words: str) -> str:
    """The first words of the first line that has any, without what is invisible or would turn a page's words round."""
    lines = (visible(line.expandtabs(1)).strip() for line in words.splitlines())
    line = next(filter(None, lines), "")
    return (
        shorten(line, TITLE_CHARACTERS, placeholder="…") if " " in line[:TITLE_CHARACTERS] else line[:TITLE_CHARACTERS]
    )


def _cleaned_sentence(dirty: Sentence) -> Sentence:
    values = {name: cleaned(value) if isinstance(value, str) else value for name, value in dirty.values.items()}
    return Sentence.made(cleaned(dirty.text), cleaned(dirty.many), dirty.number, values)
