"""A zip that somebody sent, held against what is harmless before anything of it is read."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from ...sentences import Sentence
from .found import Refused

DIRECTORY_BYTES = 16_000_000  # a zip's list of files, which is held in memory
BEGINNINGS = {b"PK\x03\x04", b"PK\x05\x06"}  # of one with files, and of one without
END, END_BYTES, COMMENT_BYTES, LARGE = b"PK\x05\x06", 22, 65_535, b"PK\x06\x07"
BROKEN = Sentence("The zip is broken")


class Packed:
    """Its files, each by its whole name. Nothing is ever unpacked to the disk."""

    def __init__(self, source: IO[bytes]) -> None:
        """Raises `Refused`."""
        _check_directory(source)
        try:
            self._archive = ZipFile(source)
        except (BadZipFile, ValueError, NotImplementedError, struct.error, OSError):
            raise Refused(BROKEN) from None
        infos = self._archive.infolist()
        if len({info.filename for info in infos}) < len(infos):
            raise Refused(Sentence("The zip holds two files of one name"))
        for info in infos:
            _check(info)

    def names(self, ending: str) -> list[str]:
        return sorted(name for name in self._archive.namelist() if name.endswith(ending))

    def size(self, name: str) -> int | None:
        """As the zip says, and no more is read; None if there is no such file."""
        try:
            return self._archive.getinfo(name).file_size
        except KeyError:
            return None

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Raises `Refused`, also while it is read."""
        try:
            with self._archive.open(name) as file:
                yield file
        except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, OSError):
            raise Refused(BROKEN) from None


def _check(info: ZipInfo) -> None:
    path = PurePosixPath(info.orig_filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in info.orig_filename:
        raise Refused(Sentence("The zip holds a file whose name leads out of its folder"))
    if info.flag_bits & 1:
        raise Refused(Sentence("The zip is encrypted: unpack it, and pack it again without a password"))
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refused(
            Sentence("The zip is packed in a way that Voichat does not read: pack it again as an ordinary zip")
        )


def _check_directory(source: IO[bytes]) -> None:
    """Before Python's own reader takes all of it into memory."""
    size = source.seek(0, 2)
    tail = source.seek(max(0, size - END_BYTES - COMMENT_BYTES))
    end = (last := source.read(size - tail)).rfind(END)
    if end < 0 or len(last) - end < END_BYTES:
        raise Refused(BROKEN)
    if LARGE in last[max(0, end - 20) : end] or struct.unpack_from("<I", last, end + 12)[0] > DIRECTORY_BYTES:
        raise Refused(Sentence("The zip holds too many files"))
    source.seek(0)
