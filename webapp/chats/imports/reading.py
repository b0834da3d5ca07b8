"""The records of a file of any size, one at a time: a JSON list, one JSON object, or a zip that holds such files."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any

import ijson

from ...sentences import Sentence
from .found import Refused
from .packed import BEGINNINGS, Packed

RECORD_BYTES = 32_000_000  # of memory, roughly; a chat that is larger is left out
TEXT_BYTES = 32_000_000  # of one text, all of which the parser holds
OBJECT_BYTES = 64  # what a value costs besides its characters
MOST_LEVELS = 20_000  # LibreChat writes each message two levels inside the one before
CHUNK_BYTES = 1 << 16

MARK = b"\xef\xbb\xbf"  # that a text is UTF-8, as some editors write it

NO_JSON = Sentence("This is no file that Voichat can read: it is neither JSON nor a zip with JSON in it")


class File:
    """It is open for as long as its source is. At most `most` bytes of it are read, unpacked."""

    def __init__(self, source: IO[bytes], most: int) -> None:
        """Raises `Refused`."""
        begins = source.read(4)
        source.seek(0)
        self._source = source
        self._budget = _Budget(most)
        self.packed = Packed(source) if begins in BEGINNINGS else None
        """The zip, if it is one."""

    def records(self) -> Iterator[Any]:
        """Each value of a list, or the one that a file is; None in place of one that is too large. Raises `Refused`."""
        if self.packed is None:
            yield from _in_json(_Bounded(self._source, self._budget))
            return
        for name in self.packed.names(".json"):
            with self.packed.opened(name) as opened:
                yield from _in_json(_Bounded(opened, self._budget))

    def spend(self, count: int) -> None:
        """So many bytes are going to be read besides. Raises `Refused`."""
        self._budget.spend(count)


class _Budget:
    """Bytes that may still be read of all files together."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            megabytes = self._most // 1_000_000
            raise Refused(Sentence("It holds more than {most} MB, which is the most that is read", most=megabytes))


class _Bounded:
    def __init__(self, source: IO[bytes], budget: _Budget) -> None:
        self._source = source
        self._budget = budget
        self._is_first = True
        self.without_event = 0
        """Bytes in which nothing has begun or ended: a word or number, all of which the parser holds."""

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        data = self._source.read(size)
        self._budget.spend(len(data))
        self.without_event += len(data)
        if self.without_event > TEXT_BYTES:
            raise Refused(Sentence("It holds a text of more than {most} MB", most=TEXT_BYTES // 1_000_000))
        if size and self._is_first:
            self._is_first = False
            return data.removeprefix(MARK)
        return data


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
