"""The manual's blocks of commands, and what it says that they print."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.servers import ROOT

DOCS = ROOT / "docs"
HEADING = r"^## (?P<heading>[^\n]*)$"
COMMANDS = r"^```sh\n(?P<commands>.*?)^```\n"
OUTPUT = r"(?:\n```text\n(?P<output>.*?)^```$)?"
PART = re.compile(f"{HEADING}|{COMMANDS}{OUTPUT}", re.MULTILINE | re.DOTALL)
MARK = "-- the next block --"


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
    script = f"echo '{MARK}'\n".join(block.commands for block in told)
    command = ["bash", "-eu", "-o", "pipefail", "-c", script]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for block, printed in zip(told, ended.stdout.split(f"{MARK}\n"), strict=True):
        assert block.shows(printed), f"{block.commands}\nprinted\n{printed}"
