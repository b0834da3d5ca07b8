"""The tables of the documentation, from what a run has written.

python -m bench.load.tables bench/results/….json
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .report import say

NEVER = "never"
ADDED = (
    "added to the first word, p50",
    "added to the first word, p99",
    "added to the last word, p50",
    "added to the last word, p99",
)
BESIDES = ("processor, each", "memory, each", "/ meanwhile, p99", "/healthz meanwhile, p99")


@dataclass(frozen=True)
class Run:
    """Figures by what they are of."""

    figures: dict[str, dict[str, Any]]

    def __call__(self, what: str) -> str:
        return number(self.figures[what]["value"]) if what in self.figures else ""

    def both(self, what: str) -> str:
        """With its floor, if it has one."""
        figure = self.figures.get(what)
        if figure is None:
            return ""
        floor = figure["floor"]
        return number(figure["value"]) + (f" / {number(floor)}" if floor is not None else "")

    def pair(self, what: str) -> tuple[str, str, str]:
        """The value with its unit, the floor with it, and the ratio."""
        figure = self.figures[what]
        unit = f" {figure['unit']}".removesuffix(" /s")
        floor = "" if figure["floor"] is None else number(figure["floor"]) + unit
        return number(figure["value"]) + unit, floor, "" if figure["ratio"] is None else number(figure["ratio"])

    def those(self, end: str) -> list[str]:
        """What stands before this end, in the order in which it was measured."""
        return [what.removesuffix(end) for what in self.figures if what.endswith(end)]


def number(value: float | None) -> str:
    """At most three digits that count, thousands set apart."""
    if value is None:
        return NEVER
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.3g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |".replace("|  ", "| ") for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]]) + "\n"


def replies(run: Run) -> str:
    head = ("replies, words a second", "first word, p50", "p99", "last word, p50", "p99", "lost")
    crowds = run.those(f": {ADDED[0]}")
    return table(head, [(who, *(run.both(f"{who}: {what}") for what in (*ADDED, "lost"))) for who in crowds])


def besides(run: Run) -> str:
    head = ("replies, words a second", "processor of each, ms", "memory of each, KB", "`/`, p99", "`/healthz`, p99")
    crowds = run.those(f": {BESIDES[-1]}")
    return table(head, [(who, *(run.both(f"{who}: {what}") for what in BESIDES)) for who in crowds])


def pairs(run: Run) -> str:
    """All that has neither a crowd nor a database in its name."""
    named = [what for what in run.figures if "at once" not in what and "a burst" not in what and "a time" not in what]
    plain = [what for what in named if not what.startswith(("SQLite", "PostgreSQL"))]
    return table(("", "Voichat", "floor", "ratio"), [(what, *run.pair(what)) for what in plain])


def growth(run: Run) -> str:
    """A row for all that differs in nothing but how many there are."""
    rows: dict[tuple[str, str], list[str]] = {}
    for what in run.figures:
        kind, _, page = what.partition(": ")
        if kind in ("SQLite", "PostgreSQL") and " of " in page:
            page, _, many = page.partition(" of ")
            rows.setdefault((f"{kind}: {page}", many.split()[-1]), []).append(run(what))
    return table(
        ("ms", "10", "50 or 100", "1 000", "10 000"),
        [(f"{page} of … {of}", *each) for (page, of), each in rows.items()],
    )


def fuller(run: Run) -> str:
    return _by_what(run, [what for what in run.figures if re.match(r"\w+, [\d,]+ messages: ", what)])


def workers(run: Run) -> str:
    return _by_what(run, [what for what in run.figures if re.match(r"\w+, \d workers?\b", what)])


def _by_what(run: Run, named: Iterable[str]) -> str:
    """A row for each that they are figures of, a column for each thing that was measured."""
    rows: dict[str, list[str]] = {}
    columns: dict[str, None] = {}
    for what in named:
        of, _, column = what.partition(": ")
        rows.setdefault(re.sub(r", \d+ at once$", "", of), []).append(run(what))
        columns[f"{column}, {run.figures[what]['unit']}"] = None
    return table(("", *columns), [(of, *values) for of, values in rows.items()])


def read(path: Path) -> Run:
    return Run({figure["what"]: figure for figure in json.loads(path.read_text())["figures"]})


def main() -> None:
    run = read(Path(sys.argv[1]))
    for made in (replies, besides, pairs, growth, fuller, workers):
        say(made(run))


if __name__ == "__main__":
    main()
