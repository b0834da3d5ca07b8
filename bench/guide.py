"""How many newcomers' questions lead to a page of the manual that answers them.

    .venv/bin/python -m bench.guide [--all] [questions]

`--all` shows what came first for each question, not only for the wrong ones.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from webapp.providers.guide import Guide
from webapp.providers.manual import Section

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ROOT / "tests/data/questions.txt"


class Question(NamedTuple):
    """`pages` are the files that answer it; `heading` is how the best section begins, if only one will do."""

    words: str
    pages: list[str]
    heading: str

    def is_answered_by(self, section: Section) -> bool:
        return section.file in self.pages

    def is_met_by(self, section: Section) -> bool:
        return self.is_answered_by(section) and section.title.startswith(self.heading)


class Found(NamedTuple):
    question: Question
    section: Section | None

    @property
    def has_page(self) -> bool:
        return self.section is not None and self.question.is_answered_by(self.section)

    @property
    def has_section(self) -> bool:
        return self.section is not None and self.question.is_met_by(self.section)


def questions(path: Path = QUESTIONS) -> list[Question]:
    rows = [line.split("|") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [Question(w.strip(), [f"{page.strip()}.md" for page in p.split(",")], h.strip()) for w, p, h in rows]


def ask(asked: list[Question]) -> list[Found]:
    guide = Guide(ROOT / "docs")
    return [Found(question, next(iter(guide.find([question.words])), None)) for question in asked]


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:] if argument != "--all"]
    found = ask(questions(*paths))
    for each in found:
        if "--all" in sys.argv or not each.has_section:
            came = f"{each.section.file}: {each.section.title}" if each.section else "nothing"
            mark = "page" if each.has_page else "WRONG"
            print(f"{'section' if each.has_section else mark:8}{each.question.words}\n        {came}")  # noqa: T201
    pages, parts = sum(each.has_page for each in found), sum(each.has_section for each in found)
    print(f"{pages} of {len(found)} questions lead to the right page, {parts} to the right section of it.")  # noqa: T201


if __name__ == "__main__":
    main()
