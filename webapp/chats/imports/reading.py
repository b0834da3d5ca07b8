"""The records of a file of any size, one at a time: a JSON list, one JSON object, or a zip that holds such files."""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

import ijson

from ...sentences import Sentence
from .found import Refused

RECORD_BYTES = 32_000_000  # of memory, roughly; a chat that is larger is left out
TEXT_BYTES = 32_000_000  # of one text, all of which the parser holds
OBJECT_BYTES = 64  # what a value costs besides its characters
MOST_LEVELS = 20_000  # LibreChat writes each message two levels inside the one before
DIRECTORY_BYTES = 16_000_000  # a zip's list of files, which is held in memory
CHUNK_BYTES = 1 << 16

MARK = b"\xef\xbb\xbf"  # that a text is UTF-8, as some editors write it
ZIP, NO_FILES = b"PK\x03\x04", b"PK\x05\x06"
END, END_BYTES, COMMENT_BYTES, LARGE = b"PK\x05\x06", 22, 65_535, b"PK\x06\x07"

NO_JSON = Sentence("This is no file that Voichat can read: it is neither JSON nor a zip with JSON in it")
BROKEN_ZIP = Sentence("The zip is broken")


def records(source: IO[bytes], most: int) -> Iterator[Any]:
    """Each value of a list, or the one that a file is; None in place of one that is too large.

    At most `most` bytes are read, unpacked. Raises `Refused`.
    """
    begins = source.read(4)
    source.seek(0)
    budget = _Budget(most)
    if begins not in (ZIP, NO_FILES):
        yield from _in_json(_Bounded(source, budget))
        return
    for archive, info in _files(source):
        yield from _in_file(archive, info, budget)


def _in_file(archive: ZipFile, info: ZipInfo, budget: "_Budget") -> Iterator[Any]:
    try:
        with archive.open(info) as opened:
            yield from _in_json(_Bounded(opened, budget))
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, OSError):
        raise Refused(BROKEN_ZIP) from None


class _Budget:
    """Bytes that may still be read of all files together."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most


class _Bounded:
    def __init__(self, source: IO[bytes], budget: _Budget) -> None:
        self._source = source
        self._budget = budget
        self._is_first = True
        self.without_event = 0
        """Bytes in which nothing has begun or ended: a word or number, all of which the parser holds."""

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        data = self._source.read(size)
        self._budget.left -= len(data)
        if self._budget.left < 0:
            megabytes = self._budget.most // 1_000_000
            raise Refused(Sentence("It holds more than {most} MB, which is the most that is read", most=megabytes))
        self.without_event += len(data)
        if self.without_event > TEXT_BYTES:
            raise Refused(Sentence("It holds a text of more than {most} MB", most=TEXT_BYTES // 1_000_000))
        if size and self._is_first:
            self._is_first = False
            return data.removeprefix(MARK)
        return data


def _files(source: IO[bytes]) -> Iterator[tuple[ZipFile, ZipInfo]]:
    """Those that end in .json, by name. Nothing is ever unpacked to the disk."""
    _check_directory(source)
    try:
        archive = ZipFile(source)
    except (BadZipFile, ValueError, NotImplementedError, struct.error, OSError):
        raise Refused(BROKEN_ZIP) from None
    infos = sorted(archive.infolist(), key=lambda info: info.filename)
    if len({info.filename for info in infos}) < len(infos):
        raise Refused(Sentence("The zip holds two files of one name"))
    for info in infos:
        _check(info)
    for info in infos:
        if info.filename.endswith(".json"):
            yield archive, info


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
        raise Refused(BROKEN_ZIP)
    if LARGE in last[max(0, end - 20) : end] or struct.unpack_from("<I", last, end + 12)[0] > DIRECTORY_BYTES:
        raise Refused(Sentence("The zip holds too many files"))
    source.seek(0)


def _in_json(source: _Bounded) -> Iterator[Any]:
    try:
        events = iter(ijson.basic_parse(source, use_float=True, buf_size=CHUNK_BYTES))
        first = next(events)
        if first[0] == "start_array":
            yield from _Values(source).built(events)
        elif first[0] == "start_map":
            yield from _Values(source).built(chain([first], events))
        else:
            raise Refused(NO_JSON)
    except (ijson.JSONError, UnicodeDecodeError, StopIteration):
        raise Refused(NO_JSON) from None


class _Values:
    """Each value that the events build, up to the end of the list that they stand in."""

    def __init__(self, source: _Bounded) -> None:
        self._source = source
        self._open: list[Any] = []
        self._keys: list[str] = []
        self._size = 0
        self._whole: Any = None

    def built(self, events: Iterable[tuple[str, Any]]) -> Iterator[Any]:
        for event, value in events:
            self._source.without_event = 0
            if event in _ENDS and not self._open:
                return
            self._size += OBJECT_BYTES + (len(value) if isinstance(value, str) else 0)
            if event == "map_key":
                self._name(value)
            elif event in _ENDS:
                self._open.pop()
                self._keys.pop()
            else:
                self._put(event, value)
            if not self._open:
                yield self._whole if self._size <= RECORD_BYTES else None
                self._size = 0

    def _name(self, key: str) -> None:
        if self._size <= RECORD_BYTES:
            if key in self._open[-1]:
                raise Refused(Sentence("It says “{name}” twice in one place", name=key[:50]))
            self._keys[-1] = key
            self._open[-1][key] = None

    def _put(self, event: str, value: Any) -> None:
        made: Any = {} if event == "start_map" else [] if event == "start_array" else value
        if not self._open:
            self._whole = made
        elif self._size <= RECORD_BYTES:
            self._put_into(self._open[-1], made)
        if event in _STARTS:
            self._open.append(made)
            self._keys.append("")
            if len(self._open) > MOST_LEVELS:
                raise Refused(Sentence("It is nested too deeply"))

    def _put_into(self, above: Any, made: Any) -> None:
        if isinstance(above, dict):
            above[self._keys[-1]] = made
        else:
            above.append(made)


_STARTS = {"start_map", "start_array"}
_ENDS = {"end_map", "end_array"}
