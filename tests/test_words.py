"""A message as plain words: what a person copies into a mail."""

import pytest

from webapp.words import words

CASES = {
    "emphasis": ("**Bold** and *soft* and ~~gone~~.", "Bold and soft and gone."),
    "code in a line": ("Run `ls -l` now.", "Run ls -l now."),
    "a code block": ("Look:\n\n```python\ndef f():\n\n    return 1\n```", "Look:\n\ndef f():\n\n    return 1"),
    "a heading": ("# Title\nText", "Title\n\nText"),
    "a list": ("- one\n- two\n  more", "- one\n- two\n  more"),
    "a numbered list": ("3. three\n4. four", "3. three\n4. four"),
    "lists in each other": ("1. a\n   - b\n   - c\n2. d", "1. a\n   - b\n   - c\n2. d"),
    "tasks": ("- [x] done\n- [ ] open", "- [x] done\n- [ ] open"),
    "a quote": ("> said\n> twice\n\nI", "> said\n> twice\n\nI"),
    "a link": ("See [the manual](https://example.org/a).", "See the manual (https://example.org/a)."),
    "an address": ("<https://example.org/>", "https://example.org/"),
    "an image": ("![a cat](https://example.org/cat.png)", "a cat (https://example.org/cat.png)"),
    "a table": ("| a | b |\n|---|---|\n| 1 | 2 |", "a\tb\n1\t2"),
    "a footnote": ("So[^1]\n\n[^1]: Because.", "So[1]\n\n[1] Because."),
    "HTML": ("a <b>x</b>\n\n<div>\ny\n</div>", "a <b>x</b>\n\n<div>\ny\n</div>"),
    "a formula": (r"So $a_1 \\ b_1$ and $$\frac{*1*}{2}$$", r"So $a_1 \\ b_1$ and $$\frac{*1*}{2}$$"),
    "escapes": (r"2 \* 3 &amp; 4", "2 * 3 & 4"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_markup_goes_and_the_words_stay(case: str) -> None:
    text, expected = CASES[case]
    assert words(text) == f"{expected}\n"


@pytest.mark.parametrize("text", [">" * 1000, "|a" * 20_000 + "\n" + "|-" * 20_000 + "\n|1" * 100, "x" * 200_001])
def test_what_would_take_too_long_comes_back_as_it_is(text: str) -> None:
    assert words(text) == text
