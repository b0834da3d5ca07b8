"""CommonMark's own examples come out as its authors mean them; `bench/commonmark.py` says which count."""

from bench.commonmark import agrees, examples

SHOWN_COMMENTS = {308, 309}
LINKED_ADDRESSES = {602, 608, 611}


def test_every_example_agrees_but_for_what_differs_on_purpose() -> None:
    comparable = [example for example in examples() if not example.differs_on_purpose]
    assert len(comparable) == 457
    assert {example.number for example in comparable if not agrees(example)} == SHOWN_COMMENTS | LINKED_ADDRESSES
