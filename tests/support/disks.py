"""A disk that a test can fill up or make read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.servers import missing, wait_until

SIZE = 4 * 1024 * 1024
BLOCK = bytes(4096)


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """To the last block."""
        with self._filler.open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(BLOCK)

    def free(self) -> None:
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Once nobody has a file open there to write: before, the system refuses."""
        wait_until(lambda: _mounts("-o", "remount,ro", str(self.folder)))

    def make_writable(self) -> None:
        assert _mounts("-o", "remount,rw", str(self.folder))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    folder.mkdir()
    if not _mounts("-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "voichat", str(folder)):
        missing("The right to mount a small disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def _mounts(*how: str) -> bool:
    return subprocess.run(["mount", *how], check=False, stderr=subprocess.DEVNULL).returncode == 0
