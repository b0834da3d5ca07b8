"""The manual's blocks of commands, and what it says that they print."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.servers import ROOT

DOCS = ROOT / "docs"
HEADING = r"^## (?P<heading>[^\n]*)$"
COMMANDS = r"^```sh\n(?P<commands>.*?)^```\n"
OUTPUT = r"(?:\n```text\n(?P<output>.*?)^```$)?"
PART = re.compile(f"{HEADING}|{COMMANDS}{OUTPUT}", re.MULTILINE | re.DOTALL)
MARK = "-- the next block --"
SHELL = ("bash", "-eu", "-o", "pipefail", "-c")


@dataclass(frozen=True)
class Block:
    """`output` is what the page shows under the commands, `…` for what differs each time; None if it shows nothing."""

    heading: str
    commands: str
    output: str | None

    def at(self, published: str, server: str) -> "Block":
        """The same for another server than the manual's."""
        output = self.output and self.output.replace(published, server)
        return replace(self, commands=self.commands.replace(published, server), output=output)

    def shows(self, printed: str) -> bool:
        if self.output is None:
            return True
        pattern = ".*".join(map(re.escape, self.output.rstrip().split("…")))
        return re.fullmatch(pattern, printed.rstrip(), re.DOTALL) is not None


def blocks(page: str) -> list[Block]:
    """The `sh` blocks of a page, in order."""
    found, heading = [], ""
    for part in PART.finditer((DOCS / page).read_text()):
        heading = part["heading"] or heading
        if part["commands"]:
            found.append(Block(heading, part["commands"], part["output"]))
    return found


def follow(told: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> None:
    """Type the blocks into one shell: it ends at the first failure, and each prints what the page shows."""
    command = [*SHELL, f"echo '{MARK}'\n".join(block.commands for block in told)]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for block, printed in zip(told, ended.stdout.split(f"{MARK}\n"), strict=True):
        assert block.shows(printed), f"{block.commands}\nprinted\n{printed}"


class Typed(AbstractContextManager["Typed"]):
    """The blocks in a shell that may still be at work; read what they print as it comes."""

    def __init__(self, told: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> None:
        command = [*SHELL, "".join(block.commands for block in told)]
        self._shell = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, bufsize=0)
        self._printed = b""

    @property
    def is_at_work(self) -> bool:
        return self._shell.poll() is None

    def read_until(self, words: str) -> None:
        while words.encode() not in self._printed:
            assert self._read(), self._printed.decode()

    def read_to_its_end(self) -> str:
        while self._read():
            pass
        assert self._shell.wait(10) == 0
        return self._printed.decode()

    def _read(self) -> bytes:
        assert self._shell.stdout
        came = os.read(self._shell.stdout.fileno(), 65536)
        self._printed += came
        return came

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.communicate()
