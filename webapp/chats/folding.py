"""Text as search compares it: without case, accents and white space, and so that any 3 characters of it are a term.

A mark stands twice before each run of letters and digits: words of one or two letters are found where words begin.
Signs that are a word each, as Chinese ones and emoji, have a filler on both sides: one is a term by itself, and so are
two side by side.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from unicodedata import category, normalize

from ..characters import visible

TERM = 3
BEGINNING, FILLER = "\x01\x01", "\x02"  # control characters are in no folded text otherwise

# Han, kana, symbols and emoji.
_SIGNS = (
    r"\u2190-\u2bff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_SIGN = re.compile(f"[{_SIGNS}]")
# Accents of Latin, Greek and Cyrillic letters, and the points of Hebrew and Arabic, which are mostly left out.
_POINTS = re.compile(
    r"[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
)
_STROKES = str.maketrans("łøđħŧı", "lodhti")
_NOTHING = {"Cc", "Cf", "Co", "Cs", "Zs"}
_BEGINS_HERE = rf"(?<![^\W_{_SIGNS}])"
_WORD = re.compile(rf"{_BEGINS_HERE}(?=[^\W_{_SIGNS}])")


def plain(text: str) -> str:
    """The text that is folded: composed, and without what nobody sees or what turns a page's words round."""
    return visible(normalize("NFC", text))


def fold(text: str) -> str:
    marked = _WORD.sub(BEGINNING, plain(text).translate(_compared))
    return "".join(_SIGN.sub(rf"{FILLER}\g<0>{FILLER}", marked).split()).replace(FILLER * 2, FILLER)


def sought(text: str) -> str:
    """As `fold`, but what is as long as a term may also begin inside a word."""
    folded = fold(text)
    inner = folded.removeprefix(BEGINNING)
    return inner if len(inner) >= TERM else folded


def terms(folded: str) -> set[str]:
    return {folded[start : start + TERM] for start in range(len(folded) - TERM + 1)}


def spans(text: str, words: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where in a `plain` text these `sought` words are, one after the other, their last letters with their points."""
    ends = list(accumulate(map(len, map(_compared.__getitem__, map(ord, text)))))
    longest_first = sorted(words, key=len, reverse=True)
    for match in re.finditer("|".join(map(_pattern, longest_first)), text.translate(_compared)):
        last = bisect_right(ends, match.end() - 1)
        yield bisect_right(ends, match.start()), max(last + 1, bisect_right(ends, match.end()))


def _pattern(folded: str) -> str:
    """What matches a text as it is before white space goes, and marks and fillers come."""
    parts = re.split(f"({BEGINNING}|{FILLER})", folded.strip(FILLER))
    return "".join(_OF_MARKS.get(part) or _spaced(part) for part in parts).removeprefix(r"\s*")


_OF_MARKS = {BEGINNING: rf"\s*{_BEGINS_HERE}", FILLER: r"\s*"}


def _spaced(part: str) -> str:
    """White space may stand before all that is no letter or digit, and is in no word."""
    return "".join(re.escape(each) if each.isalnum() else rf"\s*{re.escape(each)}" for each in part)


class _Compared(dict[int, str]):
    """What each character is compared as, filled as they come; white space stays."""

    def __missing__(self, code: int) -> str:
        self[code] = compared = _compare(chr(code))
        return compared


def _compare(character: str) -> str:
    if character.isspace():
        return " "
    if _SIGN.match(character):
        return normalize("NFKC", character).casefold()
    letters = normalize("NFKD", normalize("NFKD", character.casefold()).casefold())
    letters = _POINTS.sub("", letters).translate(_STROKES)
    return "".join(letter for letter in letters if category(letter) not in _NOTHING)


_compared = _Compared()
