"""What a model thinks, told from its answer where both come as one text. Not an adapter; `openai` uses it."""

from collections.abc import Iterator

from .base import Chunk, Finish, ProviderError, Reasoning

BEGIN, END = "<think>", "</think>"


def told_apart(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """What stands between `<think>` and `</think>` at the very beginning of the text becomes `Reasoning`.

    That is how it comes from a server that has no parser for its model, in pieces that may part the tags.
    """
    text = _Text()
    try:
        for chunk in chunks:
            if isinstance(chunk, Finish):
                yield from text.rest()
            yield from text.add(chunk) if isinstance(chunk, str) else (chunk,)
    except ProviderError:
        yield from text.rest()
        raise
    yield from text.rest()


class _Text:
    """Holds back no more than what may become a tag, and white space before the answer."""

    def __init__(self) -> None:
        self._held = ""
        self._read = self._begin

    def add(self, piece: str) -> Iterator[Chunk]:
        self._held += piece
        return self._read()

    def rest(self) -> Iterator[Chunk]:
        """What was held back: nothing follows that could make a tag of it."""
        held, self._held = self._held, ""
        if held:
            yield Reasoning(held) if self._read == self._think else held

    def _begin(self) -> Iterator[Chunk]:
        start = self._held.lstrip()
        if start.startswith(BEGIN):
            self._held, self._read = start.removeprefix(BEGIN), self._think
            yield from self._think()
        elif not BEGIN.startswith(start):
            self._read = self._answer
            yield from self._answer()

    def _think(self) -> Iterator[Chunk]:
        thought, end, rest = self._held.partition(END)
        if end:
            self._read = self._pause
        else:
            thought, rest = _before_tag(thought)
        self._held = rest
        if thought:
            yield Reasoning(thought)
        if end:
            yield from self._pause()

    def _pause(self) -> Iterator[Chunk]:
        self._held = self._held.lstrip()
        if self._held:
            self._read = self._answer
            yield from self._answer()

    def _answer(self) -> Iterator[Chunk]:
        words, self._held = self._held, ""
        if words:
            yield words


def _before_tag(text: str) -> tuple[str, str]:
    """The text up to what may be the beginning of `END`, and that."""
    start = len(text) - next(size for size in range(len(END) - 1, -1, -1) if text.endswith(END[:size]))
    return text[:start], text[start:]
