"""Requests as bytes, for what no client library would send."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

SECONDS = 20.0


@dataclass(frozen=True)
class Said:
    """One answer as it came; `status` is 0 where the server closed without a word."""

    status: int
    headers: Message
    body: bytes


def exchange(port: int, *sent: bytes) -> bytes:
    """All that the server says until it closes. Raises `TimeoutError` where it never does."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection, suppress(ConnectionError):
        for part in sent:
            connection.sendall(part)
        while part := connection.recv(65536):
            came += part
    return came


def ask(port: int, *sent: bytes) -> Said:
    """The first answer."""
    head, _, body = exchange(port, *sent).partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    return Said(int(line.split()[1]) if line else 0, BytesParser().parsebytes(fields), body)
