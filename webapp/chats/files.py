"""Files by random names in one folder: whole and on the disk before anybody is told of them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import time
from typing import BinaryIO


class Files:
    """The folder is made when the first file comes, for nobody but the server's user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Raises `OSError`."""
        self._make_folder()
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _keep_names(self._folder)

    def link(self, name: str, other: str) -> None:
        """The same content under another name, whatever becomes of the first. Raises `OSError`."""
        try:
            os.link(self._folder / name, self._folder / other)
        except FileNotFoundError:
            raise
        except OSError:  # not every file system has links
            self.put(other, (self._folder / name).read_bytes())
        else:
            _keep_names(self._folder)

    def open(self, name: str) -> BinaryIO:
        """Raises `OSError`."""
        return (self._folder / name).open("rb")

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()

    def older_than(self, seconds: float) -> Iterator[str]:
        """Those whose content and names have not changed for so long."""
        if not self._folder.exists():
            return
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):
                if entry.stat().st_ctime < time() - seconds:  # a link leaves the time of the content
                    yield entry.name

    def _make_folder(self) -> None:
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _keep_names(self._folder.parent)


def _keep_names(folder: Path) -> None:
    """What is in a folder outlives a power cut only if the folder itself was written."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
