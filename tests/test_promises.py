"""SECURITY.md keeps its word: each test that it names is there, and fails when the code is broken on purpose."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import BREAKS
from tests.support.servers import CLEAN, ROOT

NAMED = re.findall(r"`((?:\w+/)?test_\w+::\w+)`", (ROOT / "SECURITY.md").read_text())
PARTS = ("webapp", "templates", "static", "tests", "migrations", "deploy", "docs", "wsgi.py", "gunicorn.conf.py")
OTHER_FILES = ("pyproject.toml", "README.md", "SECURITY.md")
TESTS_FAILED = 1


def test_each_test_that_is_named_has_a_change_that_breaks_it() -> None:
    assert sorted(NAMED) == sorted(BREAKS)


@pytest.mark.parametrize("name", BREAKS)
def test_each_test_is_there_and_each_change_can_be_made(name: str) -> None:
    file, _, test = name.partition("::")
    assert f"def test_{test}(" in (ROOT / "tests" / f"{file}.py").read_text()
    assert (ROOT / BREAKS[name].path).read_text().count(BREAKS[name].old) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", BREAKS)
def test_each_test_fails_when_what_it_holds_is_broken(name: str, tmp_path: Path) -> None:
    broken = BREAKS[name]
    for part in (*PARTS, *OTHER_FILES):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    path = tmp_path / broken.path
    path.write_text(path.read_text().replace(broken.old, broken.new))
    file, _, test = name.partition("::")
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"tests/{file}.py::test_{test}"]
    ended = subprocess.run(command, cwd=tmp_path, env=CLEAN, capture_output=True, text=True)
    assert ended.returncode == TESTS_FAILED, ended.stdout
    assert re.search(r"^FAILED ", ended.stdout, re.MULTILINE), ended.stdout
