"""An upstream that says as many words as the last message asks for, at the speed that it asks for.

    .venv/bin/python -m bench.load.upstream PORT

“300 words at 30 a second” is such a message; at 0 a second all come at once. It speaks OpenAI's protocol.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count

FIRST, LAST = "Aardvark", "Zymurgy"
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "goes", "on", "its", "way"]
PARAGRAPH = 60  # words
AT_ONCE = 50  # words
MODEL = "bench"
TICK_SECONDS = 0.002
ASKED = re.compile(rb"(\d+) words at (\d+) a second")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def script(words: int, rate: int) -> str:
    """The message that asks for such a reply."""
    return f"{words} words at {rate} a second"


def word(number: int, words: int) -> str:
    said = LAST if number == words - 1 else WORDS[number % len(WORDS)] if number else FIRST
    return said + ("\n\n" if number % PARAGRAPH == PARAGRAPH - 1 else " ")


@lru_cache
def frames(words: int, each: int = 1) -> list[bytes]:
    """Each with so many words, and the last with the end too."""
    said = [word(number, words) for number in range(words)]
    told = ["".join(said[begin : begin + each]) for begin in range(0, words, each)]
    events = [_chunk(_event({"content": text})) for text in told]
    return [*events[:-1], events[-1] + _chunk(_event({}, "stop")) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    event = {"id": "bench", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(event)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Speakers:
    """All that is being said, by one clock: a timer for each word would cost more than the word."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, asyncio.Transport, Iterator[bytes], float]] = []
        self._numbers = count()

    def begin(self, transport: asyncio.Transport, words: int, rate: int) -> None:
        if not rate:
            transport.write(STREAM + b"".join(frames(words, AT_ONCE)))
            return
        transport.write(STREAM + frames(words)[0])
        now = asyncio.get_running_loop().time()
        self._wait(now + 1 / rate, transport, iter(frames(words)[1:]), 1 / rate)

    async def speak(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            while self._due and self._due[0][0] <= clock():
                due, _, transport, rest, pause = heappop(self._due)
                if (frame := next(rest, None)) and not transport.is_closing():
                    transport.write(frame)
                    self._wait(due + pause, transport, rest, pause)
            await asyncio.sleep(TICK_SECONDS)

    def _wait(self, due: float, transport: asyncio.Transport, rest: Iterator[bytes], pause: float) -> None:
        heappush(self._due, (due, next(self._numbers), transport, rest, pause))


class Peer(asyncio.Protocol):
    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._came = b""
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if asked := ASKED.findall(body):
            self._speakers.begin(self._transport, int(asked[-1][0]), int(asked[-1][1]))
            return
        models = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(models)
        self._transport.write(head + models)


async def serve(port: int) -> None:
    speakers = Speakers()
    server = await asyncio.get_running_loop().create_server(lambda: Peer(speakers), "127.0.0.1", port, backlog=2048)
    async with server:
        await speakers.speak()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
