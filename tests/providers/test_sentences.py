"""The manual's tables of what a failed reply says begin as the sentences do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from webapp.providers import faults

ROOT = Path(__file__).resolve().parents[2]
FILES = ["faults", "http", "lifeline", "network", "openai", "sse", "tunnel", "voigpt"]
SUBJECTS = ("The upstream", "The proxy", "The connection", "The secure connection", "The chat")
DISTRUST = "The certificate of … is not trusted: "
WHO = ["The upstream", "The proxy"]


def texts(name: str) -> Iterator[str]:
    """The texts of a file up to the first thing that a call fills in; `who` is filled in."""
    tree = ast.parse((ROOT / "webapp" / "providers" / f"{name}.py").read_text())
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inner = {id(part) for node in formatted for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value
    for node in formatted:
        yield from begun(node)


def begun(node: ast.JoinedStr) -> Iterator[str]:
    match node.values:
        case [ast.Constant(value=str() as start), *_]:
            yield start
        case [ast.FormattedValue(value=ast.Name(id="who")), ast.Constant(value=str() as rest), *_]:
            yield from (who + rest for who in WHO)


def sentences() -> list[str]:
    found = {text for name in FILES for text in texts(name) if text.startswith(SUBJECTS) and text not in WHO}
    return sorted(found - {"The upstream "})


def documented() -> list[str]:
    page = (ROOT / "docs" / "connecting.md").read_text()
    return [start for row in re.findall(r"^\| (“.*?) \|", page, re.MULTILINE) for start in re.findall("“(.*?) …”", row)]


def belongs(sentence: str, start: str) -> bool:
    return sentence.startswith(start) or start.startswith(sentence)


def test_every_sentence_is_in_the_manual() -> None:
    starts = documented()
    assert [text for text in sentences() if not any(belongs(text, start) for start in starts)] == []


def test_the_manual_has_no_sentence_that_nobody_says() -> None:
    said = sentences()
    starts = [start for start in documented() if not start.startswith(DISTRUST)]
    assert starts
    assert [start for start in starts if not any(belongs(text, start) for text in said)] == []


def test_the_manual_has_every_reason_to_distrust_a_certificate() -> None:
    reasons = {start.removeprefix(DISTRUST) for start in documented() if start.startswith(DISTRUST)}
    assert reasons == set(faults._DISTRUST.values())
