"""From what an admin writes to what a setting holds. Each parser raises `ValueError` with what it should look like."""

import re
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

EMBEDDED = "embedded:"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
PASSWORD_CHARACTERS = 8
SCRYPT = re.compile(r"scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]{128}")
LOCAL_PATH = re.compile(r"/(?![/\\])[!-~]*")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
HOST = re.compile(r"[a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\]", re.IGNORECASE)
UNITS = {"/minute": "minute", "/day": "day", " replies": "replies", " reply": "replies"}
LIMIT = re.compile(rf"([1-9][0-9]{{0,5}})({'|'.join(UNITS)})")

T = TypeVar("T")

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Quota:
    """What one sender may ask for; None is no limit. `replies` may be waiting or live at once."""

    minute: int | None = None
    day: int | None = None
    replies: int | None = None


def address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    host = host or "0.0.0.0"  # noqa: S104 - ":8000" asks for every interface
    if not (colon and HOST.fullmatch(host) and port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
        raise ValueError("must be an address and a port such as 127.0.0.1:8000")
    return Address(host.strip("[]"), int(port))


def hosts(text: str) -> tuple[str, ...]:
    if not all(HOST.fullmatch(word.removeprefix(".")) for word in words(text)):
        raise ValueError("must be names such as chat.example.lan or addresses, without http:// and without a port")
    return words(text)


def line(low: int, high: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.isprintable() or not low <= len(text.strip()) <= high:
            raise ValueError(f"must be one line of {low} to {high} characters")
        return text.strip()

    return parse


def folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def existing_file(text: str) -> Path | None:
    path = folder(text) if text else None
    if path and not path.is_file():
        raise ValueError("must be a file that is there")
    return path


def is_loopback(host: str) -> bool:
    """Whether this name or address, without brackets, is this machine's own."""
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split() if word)


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(word, strict=False) for word in words(text))
    except ValueError as error:
        raise ValueError("must be addresses or networks such as 127.0.0.1 or 10.0.0.0/8") from error


def number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Nothing is None."""
    return lambda text: parse(text) if text else None


def database(text: str) -> str:
    """An SQLAlchemy URL with our driver; `postgres://` is taken for what it means."""
    try:
        url = make_url(text) if text else None
    except (ArgumentError, ValueError):
        raise ValueError("must be sqlite:////path/to/file or postgresql://user:password@host/name") from None
    if url is None:
        return ""
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(drivername="sqlite").render_as_string(hide_password=False)
    if url.get_backend_name() in ("postgres", "postgresql") and url.database:
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    raise ValueError("must be sqlite:////path/to/file or postgresql://user:password@host/name")


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return text

    return parse


def switch(text: str) -> bool | None:
    """None where nothing is said."""
    return one_of("on", "off")(text) == "on" if text else None


def web_url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and not _has_host(text, schemes):
            raise ValueError(f"must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        if text and not _has_possible_port(text):
            raise ValueError("must be an address whose port, if it has one, is from 1 to 65535")
        return text.rstrip("/")

    return parse


def link(text: str) -> str:
    """An address on the web as it stands, a slash at its end included."""
    web_url("http", "https")(text)
    return text


def _has_host(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def _has_possible_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def certificates(text: str) -> str:
    """The path of a PEM file that holds at least one certificate."""
    path = str(folder(text)) if text else ""
    if path and not _has_certificate(path):
        raise ValueError("must be a PEM file with certificates, and holds none")
    return path


def _has_certificate(path: str) -> bool:
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        store.load_verify_locations(path)
    except ssl.SSLError:
        return False
    except OSError as error:
        raise ValueError(f"must be a file that can be read, and gives: {error.strerror}") from error
    return store.cert_store_stats()["x509"] > 0


def upstream_url(text: str) -> str:
    return text if text == EMBEDDED else web_url("http", "https")(text)


def team_password(text: str) -> str:
    """As it is typed at the sign-in, or the line that `./run hash-password` printed for it."""
    if text.startswith("scrypt:") and not SCRYPT.fullmatch(text):
        raise ValueError("begins like a hash and is none: ./run hash-password makes one")
    if text and len(text) < PASSWORD_CHARACTERS:
        raise ValueError(f"is too short: it needs at least {PASSWORD_CHARACTERS} characters")
    return text


def header(text: str) -> str:
    if not HEADER.fullmatch(text):
        raise ValueError("must be the name of a header such as X-Forwarded-User")
    return text


def sign_out_url(text: str) -> str:
    return text if LOCAL_PATH.fullmatch(text) else web_url("http", "https")(text)


def quota(text: str) -> Quota:
    """Reads `60/minute 1000/day 8 replies`, each of the three at most once, or `none`."""
    given = " ".join(words(text))
    if given == "none":
        return Quota()
    limits = LIMIT.findall(given)
    found = {UNITS[unit]: int(count) for count, unit in limits}
    if not limits or " ".join(map("".join, limits)) != given or len(found) < len(limits):
        raise ValueError("must look like 60/minute 1000/day 8 replies, or be none")
    return Quota(**found)
