"""Words on their way in: made fit for every database, and cut to a title."""

from textwrap import shorten

from ..characters import visible

TITLE_CHARACTERS = 60


def cleaned(text: str) -> str:
    """Line ends as LF; what PostgreSQL or UTF-8 cannot hold (NUL, lone surrogates) as U+FFFD."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return unified.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def title(words: str) -> str:
    """The first words of the first line that has any, without what is invisible or would turn a page's words round."""
    lines = (visible(line.expandtabs(1)).strip() for line in words.splitlines())
    line = next(filter(None, lines), "")
    return (
        shorten(line, TITLE_CHARACTERS, placeholder="…") if " " in line[:TITLE_CHARACTERS] else line[:TITLE_CHARACTERS]
    )
