"""Files by random names in one folder: whole and on the disk before anybody is told of them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage
from time import time
from typing import BinaryIO

from ..sentences import Sentence

RESERVE_BYTES = 200_000_000  # for the database, which needs the room more


class Unwritable(Exception):
    """A file cannot be stored now; `str(error)` is why, in a word or two."""


class Files:
    """The folder is made when the first file comes, for nobody but the server's user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Raises `Unwritable`."""
        try:
            self._make_folder()
            if disk_usage(self._folder).free < RESERVE_BYTES + len(content):
                raise Unwritable(Sentence("its disk is nearly full"))
            self._write(name, content)
        except OSError as error:
            raise Unwritable(Sentence("its disk says “{words}”", words=str(error.strerror))) from error

    def link(self, name: str, other: str) -> None:
        """The same content under another name too. Raises `FileNotFoundError` and `Unwritable`."""
        try:
            os.link(self._folder / name, self._folder / other)
        except FileNotFoundError:
            raise
        except OSError:  # not every file system has links
            self.put(other, (self._folder / name).read_bytes())
        else:
            _keep_names(self._folder)

    def open(self, name: str) -> BinaryIO:
        """Raises `FileNotFoundError`."""
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

    def _write(self, name: str, content: bytes) -> None:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _keep_names(self._folder)


def _keep_names(folder: Path) -> None:
    """What is in a folder outlives a power cut only if the folder itself was written."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
