"""What the Guide shows of a section of the manual, which may be long."""

import re
from collections.abc import Sequence

from .manual import Section, Term, words

MOST_CHARACTERS = 1500


def passage(section: Section, asked: Sequence[Term]) -> str:
    """What to show of a section: all of it, or of a long one its beginning, and of a table the rows that fit."""
    if len(section.body) <= MOST_CHARACTERS:
        return section.body
    shown: list[str] = []
    for block in BLOCK_END.split(section.body):
        is_long_table = block.startswith("|") and len(block) > MOST_CHARACTERS
        short = _rows(block, asked) if is_long_table else block
        if shown and len("\n\n".join([*shown, short])) > MOST_CHARACTERS:
            return "\n\n".join([*shown, "…"])
        shown.append(short)
    return "\n\n".join(shown)


def _rows(table: str, asked: Sequence[Term]) -> str:
    """The head of a table and the rows that share most with the question; all of them where none does."""
    lines = table.splitlines()
    stems = {stem for term in asked for stem in term.stems}
    shared = [len(stems & set(words(row))) for row in lines[2:]]
    most = max(shared, default=0)
    return "\n".join(lines[:2] + [row for row, count in zip(lines[2:], shared, strict=True) if count == most])


# An empty line, unless it stands in a block of code.
BLOCK_END = re.compile(r"\n\n(?=(?:[^`]|`(?!``))*(?:```(?:[^`]|`(?!``))*```(?:[^`]|`(?!``))*)*\Z)")
