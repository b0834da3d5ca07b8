"""People with lynx and with edbrowse, which know no style sheets: each key and each command as they type it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import Voichat, missing

TABLE, GREETING = "Show me a table", "I am the built-in Guide"
CODE, A_LINE_OF_CODE = "Show me code", "def greatest_common_divisor(a: int, b: int) -> int:"

TAB, ENTER, CLEAR = "<tab>", "^J", "^U"


@pytest.fixture(scope="module")
def guide(stand: Callable[..., Voichat]) -> Voichat:
    """Where the built-in Guide answers, in a stream."""
    return stand(OPENAI_BASE_URL="embedded:", VOIGPT_URL="embedded:")


def started(program: str, *arguments: str, home: Path, typed: str = "") -> str:
    if not shutil.which(program):
        missing(program)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "vt100", "LANG": "C.UTF-8"}
    command = [program, *arguments]
    ended = subprocess.run(
        command, cwd=home, env=environment, input=typed, capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def stand_in_this_order(said: list[str], page: list[str]) -> bool:
    places = [max((place for place, line in enumerate(page) if line.startswith(each)), default=-1) for each in said]
    return -1 not in places and places == sorted(places)


# lynx: the first link of a page with a composer leads to it; from there it is a few steps to Send


def keys(words: str) -> list[str]:
    return ["<space>" if key == " " else key for key in words]


def send_in_lynx(words: str, steps: int) -> list[str]:
    return [ENTER, *keys(words), *[TAB] * steps, ENTER]


def save_in_lynx(file: str) -> list[str]:
    return ["p", ENTER, CLEAR, *keys(file), ENTER]


def test_alice_has_a_conversation_with_lynx(guide: Voichat, tmp_path: Path) -> None:
    first = [*send_in_lynx(TABLE, steps=2), *save_in_lynx("first")]
    second = [*send_in_lynx(CODE, steps=2), *save_in_lynx("second")]
    (tmp_path / "keys").write_text("".join(f"key {key}\n" for key in [*first, *second]) + "exit\n")

    started("lynx", "-nopause", "-accept_all_cookies", "-cmd_script=keys", guide.url, home=tmp_path)

    page = lines((tmp_path / "first").read_text())
    assert stand_in_this_order([TABLE, GREETING, "planet", "Jupiter 95    4 333", "(BUTTON) Regenerate"], page)
    page = lines((tmp_path / "second").read_text())
    assert stand_in_this_order(["Jupiter 95    4 333", CODE, A_LINE_OF_CODE, "(BUTTON) Regenerate"], page)


# edbrowse: a text area is written in a buffer of its own; the page is in the first


EDBROWSE = """jar = {home}/cookies
cachedir = {home}/cache
"""


def send_in_edbrowse(words: str) -> list[str]:
    return ["/^Message/", "ib", "e2", "a", words, ".", "e1", "/<Send>/", "i$*"]


def printed_by_edbrowse(home: Path, *commands: str) -> list[str]:
    """Each start keeps its cookies for the next."""
    (home / ".ebrc").write_text(EDBROWSE.format(home=home))
    return lines(started("edbrowse", home=home, typed="\n".join([*commands, ",p", "qt", ""])))


def test_alice_has_a_conversation_with_edbrowse_and_goes_on_another_day(guide: Voichat, tmp_path: Path) -> None:
    page = printed_by_edbrowse(tmp_path, f"b {guide.url}/", *send_in_edbrowse(TABLE))
    assert stand_in_this_order([TABLE, GREETING, "planet|moons", "Jupiter|95|4 333", "<Regenerate>"], page)

    to_the_chat = [f"b {guide.url}/chats", f"/{TABLE}/", "g"]
    page = printed_by_edbrowse(tmp_path, *to_the_chat, *send_in_edbrowse(CODE))
    assert stand_in_this_order(["Jupiter|95|4 333", CODE, A_LINE_OF_CODE, "<Regenerate>"], page)


# What stands beside each other


def test_no_two_labels_run_together(guide: Voichat, tmp_path: Path) -> None:
    shown = lines(started("lynx", "-dump", "-nolist", guide.url, home=tmp_path))
    assert shown[:2] == ["Skip to the message form", "Voichat New chat Chats Settings"]
    assert {"Attach files", "Instructions"} <= set(shown)

    page = printed_by_edbrowse(tmp_path, f"b {guide.url}/")
    assert {"{Skip to the message form}", "Files <>", "Instructions"} <= set(page)
    assert next(line for line in page if line.startswith("System prompt"))
