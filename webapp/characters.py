"""Characters that nobody sees, or that turn round the text after them."""

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb"
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_EMPTY = (
    r"\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164"
    r"\ufe00-\ufe0e\ufeff\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

INVISIBLE = re.compile(
    rf"[{_CONTROLS}{_BIDI}{_EMPTY}]"
    r"|(?<![\u203c-\u3299\U0001f000-\U0001faff\ufe0f*#0-9])\ufe0f"  # belongs to an emoji
    r"|(?<![\u203c-\u3299\U0001f000-\U0001faff\ufe0f\u0600-\u0dff])\u200d"  # joins emoji, and letters of India
    r"|(?<![\u0600-\u0dff])\u200c"  # parts letters of Persian and of India
)
"""One such character. Tab and line end are none, nor are joiners where writing needs them."""


def visible(words: str) -> str:
    """The words without such characters: what a name of one line may hold."""
    return INVISIBLE.sub("", words)
