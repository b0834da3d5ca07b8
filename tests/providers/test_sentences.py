"""The manual's tables of what a failed reply says hold the very sentences."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from webapp.providers import faults, refusals
from webapp.providers.refusals import Refusal

ROOT = Path(__file__).resolve().parents[2]
FILES = ["faults", "http", "lifeline", "network", "openai", "sse", "tunnel", "voigpt"]
SUBJECTS = ("The upstream", "The proxy", "The connection", "The secure connection", "The certificate", "The chat")
WHO = ("The upstream", "The proxy")


def texts(name: str) -> Iterator[str]:
    """The texts of a file, “…” for what a call fills in."""
    tree = ast.parse((ROOT / "webapp" / "providers" / f"{name}.py").read_text())
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inner = {id(part) for node in formatted for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value
    for node in formatted:
        said = "".join(filled_in(name, part) for part in node.values)
        yield from (said.replace("{who}", who) for who in (WHO if said.startswith("{who}") else ["…"]))


def filled_in(name: str, part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str() as text):
            return text
        case ast.FormattedValue(value=ast.Name(id="who")):
            return "{who}"
        case ast.FormattedValue(value=ast.Name(id=constant)) if constant.isupper():
            return str(getattr(import_module(f"webapp.providers.{name}"), constant))
    return "…"


def refused() -> Iterator[str]:
    found = [*refusals._BY_STATUS.values(), *vars(refusals).values()]
    for refusal in found:
        if isinstance(refusal, Refusal):
            yield f"{refusal.fault} (…); {refusal.to_do}."


def core(sentence: str) -> str:
    """Without the reasons and statuses in brackets that not each of its forms has, and without its end."""
    return re.sub(r" \(…\)|: …(?=;)|[ ….]+$", "", sentence)


def sentences() -> set[str]:
    found = [*refused(), *(text for name in FILES for text in texts(name))]
    whole = {core(text) for text in found if text.startswith(SUBJECTS) and text.endswith(".")}
    [untrusted] = [text for text in whole if text.startswith("The certificate")]
    reasons = {untrusted.replace(";", f": {reason};") for reason in faults._DISTRUST.values()}
    return whole - {untrusted} | reasons


def documented() -> set[str]:
    page = (ROOT / "docs" / "upstream-faults.md").read_text()
    return {core(sentence) for sentence in re.findall(r"^\| “(.*?)” \| \S.* \| \S.* \|$", page, re.MULTILINE)}


def test_the_manual_has_every_sentence_and_no_other() -> None:
    assert documented() == sentences()
