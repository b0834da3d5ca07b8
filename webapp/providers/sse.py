"""Server-sent events, as the HTML standard has them parsed (9.2.6). Not an adapter; `openai` uses it."""

from collections.abc import Iterable, Iterator

from ..sentences import Sentence
from .base import ProviderError

LINE_BYTES = 4 * 2**20
BOM = b"\xef\xbb\xbf"


def data(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event as soon as the event is whole; one that the end cuts off is dropped.

    Raises `ProviderError` at a line that is longer than `LINE_BYTES`.
    """
    said: list[bytes] = []
    for line in lines(pieces):
        field, _, value = line.partition(b":")
        if field == b"data":
            said.append(value.removeprefix(b" "))
        elif not line and said:
            yield b"\n".join(said)
            said.clear()


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each line, without its end (LF, CR or CRLF), as soon as that came. A byte order mark at the start is dropped."""
    begun = bytearray()
    mark, is_after_cr = BOM, False
    for piece in filter(None, pieces):
        rest = piece.removeprefix(b"\n") if is_after_cr else piece
        is_after_cr = rest.endswith(b"\r")
        for line in rest.splitlines(keepends=True):
            begun += line
            _refuse_longer(begun)
            if line.endswith((b"\n", b"\r")):
                yield bytes(begun).rstrip(b"\r\n").removeprefix(mark)
                begun.clear()
                mark = b""


def _refuse_longer(line: bytearray) -> None:
    if len(line) > LINE_BYTES:
        limit = f"{LINE_BYTES / 2**20:.3g}"
        sentence = Sentence(
            "The upstream's answer has a line that is longer than {limit} MB; the admin has to look at its log.",
            limit=limit,
        )
        raise ProviderError(sentence, again=False)
