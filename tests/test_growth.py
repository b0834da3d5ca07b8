"""Twice the text takes twice as long, not four times, whatever a message is made of."""

from collections.abc import Callable
from time import process_time

import pytest
from pygments.lexers import get_lexer_by_name

from tests.support.messages import read
from webapp import markdown
from webapp.markdown import MAX_CODE, MAX_CODE_LINE, MAX_HIGHLIGHTING, render

LIMIT = 2.6
ROUNDS = 4  # of which the fastest counts, for the text and for twice the text
NOISE = 0.01  # seconds, below which a ratio says nothing

SHAPES: dict[str, Callable[[int], str]] = {
    "nested quotes": lambda n: "".join(">" * (i % 90) + " a\n\n" for i in range(n // 50)),
    "nested lists": lambda n: "".join("  " * (i % 30) + "- a\n" for i in range(n // 30)),
    "lists in a line": lambda n: ("- " * 90 + "a\n\n") * (n // 200),
    "deep quotes": lambda n: ">" * n,
    "brackets": lambda n: "[" * n,
    "closed brackets": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "emphasis": lambda n: "*a _b " * (n // 6),
    "mixed emphasis": lambda n: "a**b_c*d__" * (n // 10),
    "backticks": lambda n: "".join("`" * (i % 300 + 1) + " " for i in range(n // 150)),
    "backticks and words": lambda n: "`a``b" * (n // 5),
    "tables": lambda n: "|a|b|\n|-|-|\n" + "|*c*|d|\n" * (n // 8),
    "wide tables": lambda n: "|a" * (n // 8) + "|\n" + "|-" * (n // 8) + "|\n" + "|b" * (n // 8) + "|\n",
    "links": lambda n: "[a](http://b.example) " * (n // 22),
    "open links": lambda n: "[a](" * (n // 4),
    "images": lambda n: "![a" * (n // 3) + "](http://b)" * (n // 30),
    "bare addresses": lambda n: "http://a.example/))) " * (n // 21),
    "one bare address": lambda n: "http://a.example/" + "(" * (n // 2) + ")" * (n // 2),
    "references": lambda n: "".join(f"[a{i}]: http://b.example\n" for i in range(n // 40)) + "[a1] " * (n // 10),
    "footnotes": lambda n: "".join(f"[^{i}] \n\n[^{i}]: a\n\n" for i in range(n // 20)),
    "entities": lambda n: "&amp;&#1;&x" * (n // 11),
    "raw html": lambda n: "<a b='c'><!-- " * (n // 14),
    "formulas": lambda n: "$x_1$ " * (n // 6),
    "open dollars": lambda n: "$x " * (n // 3),
    "open parentheses": lambda n: r"\(x " * (n // 4),
    "open displays": lambda n: "\\[x\n" * (n // 4),
    "formulas on many lines": lambda n: "\\[x\n=y\\]\n" * (n // 9),
    "formulas with errors": lambda n: r"$\x$ " * (n // 5),
    "invisible characters": lambda n: "`" + "a\u202e" * (n // 2) + "`",
    "headings": lambda n: "# a\n###### b\n" * (n // 13),
}  # fmt: skip


def ratio(shape: str, size: int) -> float:
    once, twice = SHAPES[shape](size), SHAPES[shape](2 * size)
    pairs = [(seconds(once), seconds(twice)) for _ in range(ROUNDS)]
    shorter, longer = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    return longer / max(shorter, NOISE / LIMIT)


def seconds(text: str) -> float:
    start = process_time()
    render(text)
    return process_time() - start


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_takes_twice_as_long(shape: str) -> None:
    assert any(ratio(shape, 12_000) < LIMIT for _ in range(4))


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_a_long_text_takes_twice_as_long(shape: str) -> None:
    assert any(ratio(shape, 90_000) < LIMIT for _ in range(4))


LINES = [
    "=",
    "<",
    "(",
    '"',
    "'",
    "\\",
    "/*",
    "//",
    "#",
    "{",
    "[",
    "${",
    "`",
    "a",
    "1",
    " ",
    "- ",
    "<a ",
    "@",
    "%",
    "|",
    "x =",
]

LANGUAGES = sorted({get_lexer_by_name(alias).name: alias for alias in sorted(markdown._LANGUAGES)}.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_code_within_the_limits_keeps_to_its_time_and_is_whole(language: str) -> None:
    for fragment in LINES[sum(map(ord, language)) % 11 :: 11]:
        assert_bounded(language, fragment)


@pytest.mark.long
@pytest.mark.parametrize("fragment", LINES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_hostile_code_keeps_to_its_time_and_is_whole(language: str, fragment: str) -> None:
    assert_bounded(language, fragment)


def assert_bounded(language: str, fragment: str) -> None:
    line = (fragment * MAX_CODE_LINE)[: MAX_CODE_LINE - 1]
    code = "\n".join([f"x{line}"] * (MAX_CODE // (MAX_CODE_LINE + 1)))
    start = process_time()
    html = render(f"~~~{language}\n{code}\n~~~")
    assert process_time() - start < 4 * MAX_HIGHLIGHTING
    assert read(html).text.strip() == code.strip()


def test_a_message_of_many_hostile_blocks_takes_no_longer_than_one() -> None:
    block = "~~~ini\n" + ("=" * 499 + "\n") * 30 + "~~~\n\n"
    assert seconds(block * 12) < 6 * MAX_HIGHLIGHTING


def test_a_huge_table_is_bounded() -> None:
    text = "|" + "a|" * 60 + "\n|" + "-|" * 60 + "\n" + ("|" + "*b*|" * 60 + "\n") * 120
    assert seconds(text) < 2
    read(render(text))


@pytest.mark.parametrize("opener", ["> ", "- ", "1. ", "*a **b ", "[", "> - ", "- > 1. ", "~~a *b "])
def test_nesting_without_end_gives_sound_html(opener: str) -> None:
    read(render(opener * 20_000 + "x"))
