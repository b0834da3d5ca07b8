"""The manual's tables of what a failed reply says hold the very sentences."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from webapp.providers import faults, refusals
from webapp.providers.refusals import Refusal

ROOT = Path(__file__).resolve().parents[2]
FILES = ["faults", "http", "lifeline", "network", "openai", "sse", "tunnel", "voigpt"]
SUBJECTS = ("The upstream", "The proxy", "The connection", "The secure connection", "The certificate", "The chat")
PLACES = {
    "{who}": (str(faults.UPSTREAM.name), str(faults.PROXY.name)),
    "{certificate}": ("The certificate of …",),
    "{connection}": ("The secure connection to …",),
}


class Texts(ast.NodeVisitor):
    """The texts of a file, “…” for what a call fills in: its whole sentences, and what is raised in two clauses."""

    def __init__(self, name: str) -> None:
        self.found: list[str] = []
        self._module: Any = import_module(f"webapp.providers.{name}")
        self._local: dict[str, ast.expr] = {}
        self.visit(ast.parse((ROOT / "webapp" / "providers" / f"{name}.py").read_text()))

    def visit_Assign(self, node: ast.Assign) -> None:
        match node.targets:
            case [ast.Name(id=name)]:
                self._local[name] = node.value
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node:
            case ast.Call(func=ast.Name(id="Sentence")):
                self.found += self._forms(node)
            case ast.Call(func=ast.Name(id="ProviderError"), args=[ast.Starred(value=pair)]):
                self.found.append("{}; {}.".format(*self._value(pair)))
            case ast.Call(func=ast.Name(id="ProviderError"), args=[fault, advice]):
                to_do = self._value(advice)
                self.found += [f"{form}; {to_do}." for form in self._forms(fault) if to_do]
        self.generic_visit(node)

    def _forms(self, node: ast.expr) -> list[str]:
        match node:
            case ast.Call(func=ast.Name(id="Sentence"), args=[ast.Constant(value=str() as text)]):
                names = next((names for place, names in PLACES.items() if text.startswith(place)), ("",))
                return [
                    re.sub(r"\{\w+\}", "…", re.sub(r"^\{(who|certificate|connection)\}", name, text)) for name in names
                ]
            case ast.Call(func=ast.Name(id="with_status"), args=[fault, _]):
                return [f"{form} (…)" for form in self._forms(fault)]
            case ast.Name(id=name) if name in self._local and not hasattr(self._module, name):
                return self._forms(self._local[name])
        said = self._value(node)
        return [said] if said else []

    def _value(self, node: ast.expr) -> Any:
        return getattr(self._module, node.id, None) if isinstance(node, ast.Name) else None


def refused() -> Iterator[str]:
    found = [*refusals._BY_STATUS.values(), *vars(refusals).values()]
    for refusal in found:
        if isinstance(refusal, Refusal):
            yield f"{refusal.fault} (…); {refusal.advice}."


def broken() -> Iterator[str]:
    for _kinds, fault, advice, _again in faults._SENTENCES:
        yield f"{fault}; {advice}."


def core(sentence: str) -> str:
    """Without the reasons and statuses in brackets that not each of its forms has, and without its end."""
    return re.sub(r" \(…\)|: …(?=;)|[ ….]+$", "", sentence)


def sentences() -> set[str]:
    found = [*refused(), *broken(), *(text for name in FILES for text in Texts(name).found)]
    whole = {core(text) for text in found if text.startswith(SUBJECTS) and text.endswith(".")}
    [untrusted] = [text for text in whole if text.startswith("The certificate")]
    reasons = {untrusted.replace(";", f": {reason};") for reason in faults._DISTRUST.values()}
    return whole - {untrusted} | reasons


def documented() -> set[str]:
    page = (ROOT / "docs" / "upstream-faults.md").read_text()
    return {core(sentence) for sentence in re.findall(r"^\| “(.*?)” \| \S.* \| \S.* \|$", page, re.MULTILINE)}


def test_the_manual_has_every_sentence_and_no_other() -> None:
    assert documented() == sentences()
