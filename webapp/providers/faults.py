"""What a person is told when an exchange with an upstream fails. Not an adapter; `http` uses it."""

import re
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, LineTooLong, UnknownProtocol

from urllib3 import exceptions

from .base import ProviderError

BROKE_OFF = "The connection to the upstream broke off before the answer was complete."
NOT_SET_UP = "The upstream's address, key or proxy is not set up correctly."

_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str, bool], ...] = (
    ((TimeoutError, exceptions.TimeoutError), "The upstream fell silent, so the wait was given up.", True),
    ((exceptions.DecodeError,), "The upstream's answer cannot be unpacked.", True),
    ((ConnectionError, exceptions.IncompleteRead, exceptions.InvalidChunkLength), BROKE_OFF, True),
    (
        (BadStatusLine, LineTooLong, UnknownProtocol, exceptions.InvalidHeader),
        "The upstream does not answer in HTTP.",
        False,
    ),
    ((UnicodeError, exceptions.LocationValueError), NOT_SET_UP, False),
)


def failed(error: Exception) -> ProviderError:
    """What to raise for an exception of requests, urllib3, http.client or the system."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _insecure(cause)
        if isinstance(cause, exceptions.ProxyError):
            return _refused_by_proxy(cause)
    for kinds, sentence, again in _SENTENCES:
        if any(isinstance(cause, kinds) for cause in causes):
            return ProviderError(sentence, again=again)
    return ProviderError(BROKE_OFF)


def unreachable(error: OSError, who: str) -> ProviderError:
    """What to raise when `who` could not be connected to."""
    match error:
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return ProviderError(f"{who} was not found: the name service does not answer.")
        case socket.gaierror():
            return ProviderError(f"{who} was not found: its name is not known.", again=False)
        case ConnectionRefusedError():
            return ProviderError(f"{who} is not running: it refused the connection.")
        case TimeoutError():
            return ProviderError(f"{who} did not take the connection in time.")
        case _:
            return ProviderError(f"{who} cannot be reached: {error.strerror or 'the network failed'}.")


def _insecure(error: ssl.SSLError) -> ProviderError:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.partition(",")[0]  # what follows is the host's name
        return ProviderError(f"The upstream's certificate is not trusted: {reason}.", again=False)
    reason = (error.reason or "it broke off").replace("_", " ").lower()
    return ProviderError(f"The secure connection to the upstream failed: {reason}.")


def _refused_by_proxy(error: exceptions.ProxyError) -> ProviderError:
    status = re.search(r"Tunnel connection failed: (\d{3})", str(error.original_error))
    return ProviderError(f"The proxy does not let the request through{f' ({status[1]})' if status else ''}.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
