"""What Voichat costs, beside the least that could do the same.

    ./run bench [--only part] [--quick | --long] [--results folder]

replies    many at once: what is added to their first and last word, what they cost, what others wait meanwhile
pages      how many a second
footprint  what it needs before anybody has come
growth     what becomes slower as there is more

Everything runs on this machine, over loopback. `--quick` takes seconds and shows that it works: its figures mean
nothing. `--long` goes up to a million messages.
"""

import argparse
import resource
from pathlib import Path
from time import process_time

import pytest

from tests.support.servers import ROOT

from . import footprint, growth, pages, picture, replies
from .report import Report, machine, say
from .servers import SETTINGS, WORKERS

PARTS = ("replies", "pages", "footprint", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; several times for several")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="tiny numbers, to see that it works")
    size.add_argument("--long", action="store_true", help="up to a million messages")
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results", help="where the JSON goes")
    asked = parser.parse_args()
    _allow_many_files()
    report = Report(SETTINGS | {"WEB_CONCURRENCY": f"{WORKERS}"})
    say(f"{machine()}\nVoichat with {report.settings}")
    for part in asked.only or PARTS:
        try:
            _measure(part, report, asked.quick, asked.long)
        except pytest.skip.Exception as error:
            report.note(f"{part} ended early: {error}.")
    report.note(f"The clients, all of them in one process, took {process_time():.0f} s of processor.")
    report.show()
    _write(report, asked.results)


def _measure(part: str, report: Report, is_quick: bool, is_long: bool) -> None:
    match part:
        case "replies":
            replies.run(report, replies.QUICK if is_quick else replies.Size())
        case "pages":
            pages.run(report, pages.QUICK if is_quick else pages.Size())
        case "footprint":
            footprint.run(report, 1 if is_quick else footprint.STARTS)
        case "growth":
            growth.run(report, growth.QUICK if is_quick else growth.LONG if is_long else growth.Size())


def _allow_many_files() -> None:
    """For this process and those that it starts: each reply has a connection on either side."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _write(report: Report, folder: Path) -> None:
    path = report.write(folder)
    say(f"\n{path}")
    fast = {name: curve for name, curve in report.curves.items() if ", 30/s" in name}
    if fast:
        drawn = path.with_suffix(".svg")
        title = "What is added to the first word of a reply, at 30 words a second"
        drawn.write_text(picture.lines(title, "replies at once", "ms", fast))
        say(f"{drawn}")


if __name__ == "__main__":
    main()
