"""Event streams as in the HTML standard; its own examples among them."""

from collections.abc import Iterator
from itertools import islice

import pytest

from webapp.providers import sse
from webapp.providers.base import ProviderError

EXAMPLE = (
    "\ufeff: hello\r\ndata: one\r\n\r\nid: 1\rdata:two\r\ndata: zwei\r\revent: x\ndata:  три 🙂\n\n\n\ndata\n\n"
).encode()
SAID = ["one", "two\nzwei", " три 🙂", ""]


def data(*pieces: bytes) -> list[str]:
    return [said.decode() for said in sse.data(pieces)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("data: This is the first message.\n\ndata: This is the second\ndata: one.\n\n", 2),
        (": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", 3),
        ("data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        ("data:test\n\ndata: test\n\n", ["test", "test"]),
        ("data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        ("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", ["73857293", "2153"]),
    ],
)
def test_the_examples_of_the_standard_are_read_as_it_says(stream: str, expected: int | list[str]) -> None:
    said = data(stream.encode())
    assert said == expected or len(said) == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("", []),
        ("\n\n\n", []),
        (": a comment\n:\n::\n\n", []),
        ("data: cut off", []),
        ("data: cut off\n", []),
        ("data:\n\n", [""]),
        ("data:a:b\n\n", ["a:b"]),
        ("data: a\n: comment\ndata: b\n\n", ["a\nb"]),
        ("retry: 10\nid: 7\nevent: x\n\n", []),
        ("datum: a\n data: b\nDATA: c\n\n", []),
        ("data: a\x0b\x0c\x1c\x85\u2028b\n\n", ["a\x0b\x0c\x1c\x85\u2028b"]),
        ("\ufeffdata: a\n\n", ["a"]),
        ("\ufeff\ufeffdata: a\n\n", []),
        ("data: a\n\n\ufeffdata: b\n\n", ["a"]),
    ],
)
def test_odd_streams_are_read_as_the_standard_says(stream: str, expected: list[str]) -> None:
    assert data(stream.encode()) == expected


def test_it_does_not_matter_where_the_network_cuts() -> None:
    assert data(EXAMPLE) == SAID
    for first in range(len(EXAMPLE) + 1):
        for second in range(first, len(EXAMPLE) + 1):
            assert data(EXAMPLE[:first], EXAMPLE[first:second], EXAMPLE[second:]) == SAID, (first, second)
    assert data(*(bytes([byte]) for byte in EXAMPLE)) == SAID


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_is_there_as_soon_as_its_empty_line_is(end: bytes) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"data: a" + end + end
        raise AssertionError("waited for more")

    assert list(islice(sse.data(pieces()), 1)) == [b"a"]


def test_a_line_may_not_be_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LINE_BYTES", 2**20)
    whole = b"data: " + b"x" * (2**20 - 7) + b"\n"
    assert len(data(whole, b"\n")[0]) == 2**20 - 7
    with pytest.raises(
        ProviderError,
        match=r"^The upstream's answer has a line that is longer than 1 MB; the admin has to look at its log\.$",
    ):
        data(*[b"x" * 1000] * 2000)


def test_a_long_line_in_many_pieces_takes_no_longer_than_it_must() -> None:
    assert len(data(b"data: ", *[b"x"] * 300_000, b"\n\n")[0]) == 300_000
