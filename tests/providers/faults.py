"""The fault table: what an upstream can do wrong, what the person then reads, and what is left of the reply.

`docs/upstream-faults.md` is the same for people.
"""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import Any, TypeAlias

from tests.providers.upstream import (
    DONE,
    END,
    STREAM,
    Answer,
    Asked,
    Peer,
    chunked,
    cut,
    delta,
    drip,
    raw,
    reply,
    reply_json,
    reset,
    silence,
)

KEY = "sk-0123456789"
SECONDS = 1.0
"""The time limit of a call in the table's own tests; `{seconds}` in a sentence."""

AGAIN = "try again"
REPORT = "try again, and tell the admin if it stays so"
CORRECT = "the admin has to correct its address"
SHORTEN = "start a new chat or shorten the message"

BROKE_OFF = "The connection to the upstream broke off before the answer was complete; try again."
TOO_LATE = "The upstream had not finished after {seconds} seconds; try again, or ask for less."
TOO_LONG = "The upstream's answer is longer than 16 MB; the admin has to look at its log."
NO_HTTP = "The upstream does not answer in HTTP; the admin has to correct its address."
BROKEN_DATA = "The upstream answered with broken data; try again: “{quote}”."
STRANGE = "The upstream answered with something else than an answer; try again, and tell the admin if it stays so: “"
TOO_MANY = "The upstream had too many requests and asks to wait (429 Too Many Requests)"
CLOCK = "try again after {clock}"
OWN_FAULT = "The upstream has a fault of its own"


@dataclass(frozen=True)
class Way:
    """How an adapter is asked. `kept` is what the person keeps of an answer that ended after `begun`."""

    name: str
    head: bytes
    begun: bytes
    kept: str
    frame: Callable[[bytes], bytes]

    def body(self, *values: bytes) -> bytes:
        """All of a body that says these JSON values."""
        return b"".join(map(self.frame, values)) + (DONE if self.kept else b"")

    def saying(self, *values: bytes) -> Answer:
        return raw(self.head, chunked(self.body(*values)), END)

    def answer(self, fault: "Fault") -> Answer:
        """An `Answer` of its own for each request: some are made of the moment."""
        return lambda asked, peer: fault.script(self)(asked, peer)


JSON = STREAM.replace(b"text/event-stream", b"application/json")
WAYS = [
    Way("voigpt", JSON, b'{"response": "Hi', "", b'{"response": %b}'.__mod__),
    Way(
        "whole",
        JSON,
        b'{"choices": [{"message": {"content": "Hi',
        "",
        b'{"choices": [{"message": {"content": %b}}]}'.__mod__,
    ),
    Way("streamed", STREAM, delta("Hi"), "Hi", b'data: {"choices": [{"delta": {"content": %b}}]}\n\n'.__mod__),
]
VOIGPT, WHOLE, STREAMED = WAYS

Script: TypeAlias = Callable[[Way], Answer]


@dataclass(frozen=True)
class Fault:
    """`sentence` is all that the person reads, empty where the reply is complete; `kept` is for a streamed reply."""

    name: str
    script: Script
    sentence: str = ""
    again: bool = True
    retry_after: float | None = None
    kept: str = ""

    def kept_by(self, way: Way) -> str:
        return self.kept if way.kept or not self.sentence else ""

    def is_said_by(self, sentence: str, seconds: float) -> bool:
        """Whether this is the sentence as it is at some moment, with this time limit."""
        filled = re.escape(self.sentence).replace(r"\{seconds\}", f"{seconds:g}")
        filled = filled.replace(r"\{clock\}", r"\d\d:\d\d:\d\d").replace(r"\{quote\}", "[^”]{1,200}")
        return bool(re.fullmatch(filled, sentence))

    def times_asked(self, way: Way) -> int:
        """Once, whatever goes wrong; but a token of VoiGpt's that is refused is renewed once."""
        return 2 if self.name == "403" and way.name == "voigpt" else 1


def always(answer: Answer) -> Script:
    return lambda _: answer


def refusal(name: str, sentence: str, said: Any = None, again: bool = False, **headers: str) -> Fault:
    """An answer with the status that the name begins with."""
    status = int(name[:3])
    answer = reply("", status, **headers) if said is None else reply_json(said, status, **headers)
    return Fault(name, always(answer), sentence, again)


def too_many(name: str, to_do: str, after: float | None, **headers: str) -> Fault:
    return Fault(f"429, {name}", always(reply("", 429, **headers)), f"{TOO_MANY}; {to_do}.", True, after)


def in_half_a_minute(_: Way) -> Answer:
    return reply("", 429, retry_after=formatdate(time() + 30, usegmt=True))


def error(message: str, code: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, **more}}


def flood(head: bytes, piece: bytes) -> Answer:
    """This piece again and again, until the client has had enough."""

    def answer(_: Asked, peer: Peer) -> None:
        peer.send(head)
        while True:
            peer.send(piece)

    return answer


def saying(*values: bytes) -> Script:
    return lambda way: way.saying(*values)


def too_long_chat(name: str, said: Any) -> Fault:
    reason = {"400": "Bad Request", "413": "Request Entity Too Large", "500": "Internal Server Error"}[name[:3]]
    message = said["error"]["message"] if "error" in said else said["message"]
    sentence = f"The chat is too long for the upstream ({name[:3]} {reason}); {SHORTEN}: “{message}”."
    return refusal(name, sentence, said)


SILENT = [
    Fault("silence before the first byte", always(silence()), TOO_LATE),
    Fault("silence after the header", lambda way: silence(way.head), TOO_LATE),
    Fault("a stall in the middle", lambda way: silence(way.head, chunked(way.begun)), TOO_LATE, kept="Hi"),
    Fault("a drip in the header", always(drip(b"HTTP/1.1 200 OK\r\nX: ")), TOO_LATE),
    Fault("a drip in the body", lambda way: drip(way.head, data=chunked(b" ")), TOO_LATE),
    Fault(
        "a drip after the first words",
        lambda way: drip(way.head, chunked(way.begun), data=chunked(b" ")),
        TOO_LATE,
        kept="Hi",
    ),
]

CUT = [
    Fault("cut before the header", always(cut()), BROKE_OFF),
    Fault("RST before the header", always(reset()), BROKE_OFF),
    Fault("cut before the first word", lambda way: cut(way.head), BROKE_OFF),
    Fault("RST before the first word", lambda way: reset(way.head), BROKE_OFF),
    Fault("cut after the first words", lambda way: cut(way.head, chunked(way.begun)), BROKE_OFF, kept="Hi"),
    Fault("RST after the first words", lambda way: reset(way.head, chunked(way.begun)), BROKE_OFF, kept="Hi"),
    Fault("a broken chunk", lambda way: cut(way.head, chunked(way.begun), b"zz\r\n"), BROKE_OFF, kept="Hi"),
    Fault(
        "a short Content-Length",
        lambda way: cut(way.head.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9999"), way.begun),
        BROKE_OFF,
        kept="Hi",
    ),
]

REFUSED = [
    refusal(
        "400",
        "The upstream did not answer (400 Bad Request); the admin has to look into it: “No top_k here”.",
        error("No top_k here"),
    ),
    refusal(
        "401",
        "The upstream does not accept the key or account (401 Unauthorized); the admin has to set another: “No …”.",
        error(f"No {KEY}"),
    ),
    refusal(
        "403",
        "The upstream refused the request (403 Forbidden); the admin has to see what its key or account may do.",
    ),
    refusal("404", f"The upstream has no such service at its address (404 Not Found); {CORRECT}."),
    refusal("408", f"The upstream did not get the request in time (408 Request Timeout); {AGAIN}.", again=True),
    refusal("413", f"The chat is too long for the upstream (413 Request Entity Too Large); {SHORTEN}."),
    too_many("with seconds", CLOCK, 30, retry_after="30"),
    Fault("429, with a date", in_half_a_minute, f"{TOO_MANY}; {CLOCK}.", True, 30),
    too_many("with nonsense", "try again later", None, retry_after="soon"),
    too_many("with nothing", "try again later", None),
    refusal(
        "429, the quota is used up",
        "The upstream's quota is used up (429 Too Many Requests); the admin has to see to it: “Check your plan”.",
        error("Check your plan", "insufficient_quota"),
    ),
    refusal(
        "500", f"{OWN_FAULT} (500 Internal Server Error); {REPORT}: “Out of memory”.", error("Out of memory"), True
    ),
    refusal("502", f"{OWN_FAULT} (502 Bad Gateway); {REPORT}.", again=True),
    Fault(
        "503, with seconds",
        always(reply_json(error("Loading model"), 503, retry_after="30")),
        f"{OWN_FAULT} (503 Service Unavailable); {CLOCK}: “Loading model”.",
        True,
        30,
    ),
    refusal("504", f"{OWN_FAULT} (504 Gateway Timeout); {REPORT}.", again=True),
]

TOO_LONG_CHATS = [
    too_long_chat(
        "400 of OpenAI, too long",
        error("Your input exceeds the context window of this model.", "context_length_exceeded"),
    ),
    too_long_chat(
        "400 of OpenAI, too long by its code alone",
        error("Please reduce the length of the messages.", "context_length_exceeded"),
    ),
    too_long_chat(
        "400 of llama.cpp, too long",
        error(
            "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
            400,
            type="exceed_context_size_error",
        ),
    ),
    too_long_chat("500 of llama.cpp, too long", error("Context size has been exceeded.", 500, type="server_error")),
    too_long_chat(
        "400 of vLLM, too long",
        error("The decoder prompt (length 9000) is longer than the maximum model length of 8192.", 400),
    ),
    too_long_chat(
        "400 of older vLLMs, too long",
        {
            "object": "error",
            "message": "This model's maximum context length is 6048 tokens. However, you requested 6616 tokens.",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    too_long_chat(
        "400 of Ollama, too long",
        error("the input length exceeds the context length", type="invalid_request_error"),
    ),
    too_long_chat("413 with a message", error("Too large")),
]

NO_MODEL = "The upstream does not have this model"
MODELS = [
    refusal(
        f"404 of {who}, no model",
        f"{NO_MODEL} (404 Not Found); choose another, or tell the admin: “{message}”.",
        error(message),
    )
    for who, message in {
        "Ollama": "model 'llama3' not found",
        "older Ollamas": 'model "llama3" not found, try pulling it first',
        "vLLM": "The model `llama3` does not exist.",
    }.items()
]

PAGE = "The upstream answered with a web page instead of data; the admin has to correct its address"
DIGITS = b"9" * 5000
DEPTH = b"[" * 100_000
NO_WORDS = [
    Fault(
        "HTML for JSON",
        always(reply("<!doctype html><title>Sign in</title>", content_type="text/html")),
        f"{PAGE}: “Sign in”.",
        again=False,
    ),
    Fault("broken JSON", saying(b'"Hi", '), BROKEN_DATA),
    Fault("broken JSON after the first words", saying(b'"Hi"', b'"Hi'), BROKEN_DATA, kept="Hi"),
    Fault("NaN", saying(b"NaN"), BROKEN_DATA),
    Fault("5 000 digits", saying(DIGITS), BROKEN_DATA),
    Fault("deep nesting", saying(DEPTH), BROKEN_DATA),
    Fault("deep nesting that ends", saying(DEPTH + b"]" * 100_000), BROKEN_DATA),
    Fault("a number for words", saying(b"7"), f"{STRANGE}{{quote}}”."),
]

ODD = [
    Fault("a lone surrogate", saying(rb'"Hi \ud800!"'), kept="Hi \ufffd!"),
    Fault("half a pair, and a pair", saying(rb'"\ude00\uD83D\uDE00"'), kept="\ufffd😀"),
    Fault("an encoded surrogate", saying(b'"Hi \xed\xa0\x80"'), kept="Hi \ufffd\ufffd\ufffd"),
    Fault("bytes that are no UTF-8", saying(b'"Hi \xff!"'), kept="Hi \ufffd!"),
    Fault(
        "a letter that the network cuts in two",
        lambda way: raw(way.head, *(chunked(bytes([byte])) for byte in way.body('"Grüße 🙂"'.encode())), END),
        kept="Grüße 🙂",
    ),
    Fault("control characters in the words", saying(rb'"a\u0000b\u001b[31mc\u202ed"'), kept="a\0b\x1b[31mc\u202ed"),
    Fault(
        "60 KB in a header",
        lambda way: raw(
            way.head.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 60_000 + b"\r\n\r\n"), chunked(way.body(b'"Hi"')), END
        ),
        kept="Hi",
    ),
    Fault("70 KB in a header", always(cut(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000)), NO_HTTP, again=False),
    Fault("200 headers", always(cut(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n")), NO_HTTP, again=False),
    Fault("no HTTP", always(cut(b"220 mail.example ESMTP\r\n")), NO_HTTP, again=False),
    Fault(
        "control characters in the error's message",
        always(reply_json(error("a\0b\x1b[31mc\u202ed\r\ne"), 500)),
        f"{OWN_FAULT} (500 Internal Server Error); {REPORT}: “a b [31mc d e”.",
    ),
    Fault(
        "no packing",
        always(reply("no gzip", content_encoding="gzip")),
        f"The upstream's answer cannot be unpacked; {REPORT}.",
    ),
]

ELSEWHERE = [
    Fault(
        "a redirect to itself",
        always(lambda asked, peer: reply("", 307, location=asked.path)(asked, peer)),
        "The upstream redirects to itself (307); the admin has to let it answer without a sign-in.",
        again=False,
    ),
    Fault(
        "a redirect to another host",
        always(reply("", 302, location="https://login.example/?key=secret")),
        f"The upstream redirects to another place (302); {CORRECT}.",
        again=False,
    ),
]

HUGE = [
    Fault(
        "a bomb",
        always(reply(gzip.compress(bytes(2**26)), content_type="application/json", content_encoding="gzip")),
        TOO_LONG,
        again=False,
    ),
    Fault("a swarm of values", saying(b"[" + b"{}," * 1_000_000 + b"{}]"), BROKEN_DATA),
    Fault("an endless body", lambda way: flood(way.head, chunked(b" " * 65535 + b"\n")), TOO_LONG, again=False),
]
"""Their tests measure the memory too."""

OPENAI_ONLY = [
    Fault(
        "an error in the place of an answer",
        always(reply_json(error("Out of memory"))),
        "The upstream broke off with an error; try again: “Out of memory”.",
    ),
    Fault(
        "200 of LM Studio, no such path",
        always(reply_json({"error": "Unexpected endpoint or method. (POST /chat/completions)"})),
        f"The upstream has no such service at its address; {CORRECT}: "
        "“Unexpected endpoint or method. (POST /chat/completions)”.",
        again=False,
    ),
    Fault(
        "200 of LM Studio, too long",
        always(reply_json({"error": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"})),
        f"The chat is too long for the upstream; {SHORTEN}: "
        "“Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)”.",
        again=False,
    ),
]

STREAMS_ONLY = [
    Fault(
        "a giant line",
        lambda way: flood(way.head + chunked(way.begun), chunked(b"x" * 65536)),
        "The upstream's answer has a line that is longer than 4 MB; the admin has to look at its log.",
        again=False,
        kept="Hi",
    ),
    Fault(
        "an end without any event",
        lambda way: raw(way.head, END),
        "The upstream ended its answer before it began; start a new chat or shorten the message, or try again.",
    ),
    Fault(
        "an end without the last event",
        lambda way: raw(way.head, chunked(way.begun), END),
        "The upstream's answer was cut off; try again.",
        kept="Hi",
    ),
    Fault(
        "an error after the first words",
        lambda way: raw(way.head, chunked(way.begun, b"data: " + json.dumps(error(f"Busy; {KEY}")).encode() + b"\n\n")),
        "The upstream broke off with an error; try again: “Busy; …”.",
        kept="Hi",
    ),
    Fault(
        "too long a chat after the first words",
        lambda way: raw(
            way.head,
            chunked(way.begun, b"data: " + json.dumps(error("Context size has been exceeded.")).encode() + b"\n\n"),
        ),
        f"The chat is too long for the upstream; {SHORTEN}: “Context size has been exceeded.”.",
        again=False,
        kept="Hi",
    ),
]

FAULTS = [*SILENT, *CUT, *REFUSED, *TOO_LONG_CHATS, *MODELS, *NO_WORDS, *ODD, *ELSEWHERE, *HUGE]
