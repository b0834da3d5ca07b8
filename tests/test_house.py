"""The house stands: imports run downwards only, and each thing is done in one place."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "webapp"
FILES = sorted(HOUSE.rglob("*.py"))

DOOR, BASE, GUIDE, ADAPTERS = "providers", "providers.base", "providers.guide", "providers.*"
GROUND = {"markdown", "growing", "words", "db", "outages", "parsers", "settings", "providers_file", "log", "sentences"}

# What each room may import besides its own floor; the table of the design.
MAY_IMPORT = {
    "webapp": {"cli", "pages", "web", "chats", "users", DOOR, *GROUND},
    "cli": {"pages", "web", "chats", DOOR, *GROUND},
    "pages": {"pages", "web", "chats", "users", DOOR, BASE, *GROUND - {"log"}},
    "web": {"web", "users", "db", "parsers", "settings", "log", "sentences"},
    "chats": {"chats", "users", BASE, "markdown", "characters", "db", "outages", "sentences"},
    "users": {"users", "db", "parsers", "sentences"},
    DOOR: {ADAPTERS, "parsers", "settings", "providers_file", "sentences"},
    ADAPTERS: {ADAPTERS, "sentences"},
    "growing": {"blocks", "markdown"},
    "blocks": {"markdown", "mathml"},
    "markdown": {"mathml", "characters"},
    "words": {"markdown", "mathml"},
    "mathml": {"characters"},
    "characters": set(),
    "db": {"turns", "outages", "sentences"},
    "turns": {"outages"},
    "sentences": set(),
    "outages": {"sentences"},
    "parsers": set(),
    "settings": {"parsers"},
    "providers_file": {"parsers", "settings"},
    "log": set(),
}


def name(path: Path) -> str:
    """`webapp/chats/live.py` is `chats.live`; a package's own file bears the package's name."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "webapp"


def room(module: str) -> str:
    return ADAPTERS if module.startswith("providers.") else module.split(".", maxsplit=1)[0]


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Each import statement of the house's own modules, with the module that it takes."""
    modules = {name(file) for file in FILES}
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")][1:]).strip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                yield node, inner if inner in modules else base or "webapp"


def is_allowed(importer: str, imported: str) -> bool:
    allowed = MAY_IMPORT[room(importer)]
    return imported in allowed or room(imported) in allowed


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_downwards_only(path: Path) -> None:
    wrong = [imported for _, imported in imports(path) if not is_allowed(name(path), imported)]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_house_names_its_own_rooms_relatively(path: Path) -> None:
    assert not re.search(r"^\s*(from|import) webapp\b", path.read_text(), re.MULTILINE)


def test_no_imports_run_in_a_circle() -> None:
    graph = {name(path): {imported for _, imported in imports(path) if imported != name(path)} for path in FILES}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [
        node for function in functions for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("requests", {"providers.http"}),
        ("flask", {"webapp", "cli", "pages", "web", "providers"}),
        ("flask_session", {"web.sessions"}),
        ("sqlalchemy", {"db", "outages", "turns", "parsers", "chats", "users", "web.sessions"}),
        ("pyromark", {"markdown", "blocks", "mathml", "words"}),
        ("PIL", {"chats.pictures"}),
        ("math_core", {"mathml"}),
        ("nh3", {"markdown"}),
        ("pygments", {"markdown"}),
        ("ijson", {"chats.imports.reading"}),
        ("polib", {"web.i18n"}),
        ("gettext", {"web.i18n"}),
    ],
)
def test_a_library_is_used_in_its_place_alone(library: str, home: set[str]) -> None:
    users = {
        name(path) for path in FILES if re.search(rf"^\s*(import|from) {library}\b", path.read_text(), re.MULTILINE)
    }
    assert {user for user in users if user not in home and user.split(".")[0] not in home - {DOOR}} == set()


def test_only_one_file_says_that_html_is_safe() -> None:
    makers = {name(path) for path in FILES if re.search(r"\bMarkup\(", path.read_text())}
    assert makers == {"markdown"}


def test_no_template_says_that_html_is_safe() -> None:
    said = [
        path.name
        for path in (ROOT / "templates").rglob("*.html")
        if re.search(r"\|\s*safe|autoescape", path.read_text())
    ]
    assert said == []


def test_no_template_holds_a_script_or_a_style() -> None:
    inline = re.compile(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:", re.IGNORECASE)
    assert [path.name for path in (ROOT / "templates").rglob("*.html") if inline.search(path.read_text())] == []
