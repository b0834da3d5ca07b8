"""What a person is told when an exchange with an upstream fails. Not an adapter; `http` uses it."""

import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.client import BadStatusLine, LineTooLong, UnknownProtocol

import socks
from urllib3 import exceptions

from .base import ProviderError

BROKE_OFF = "The connection to the upstream broke off before the answer was complete."
NOT_SET_UP = "The upstream's address, key or proxy is not set up correctly."
NO_ENTRY = "The proxy asks for a name and a password, or does not take those that are set"
NO_WAY = "The proxy does not let the request through"
NO_ROUTE = "The proxy cannot reach the upstream"

# OpenSSL's codes of X509_verify_cert_error_string(3).
_UNKNOWN_AUTHORITY = "the authority that signed it is not known here"
_OTHER_NAME = "it is for another name"
_DISTRUST = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}

_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str, bool], ...] = (
    ((TimeoutError, exceptions.TimeoutError), "The upstream fell silent, so the wait was given up.", True),
    ((exceptions.DecodeError,), "The upstream's answer cannot be unpacked.", True),
    ((ConnectionError, exceptions.IncompleteRead, exceptions.InvalidChunkLength), BROKE_OFF, True),
    (
        (BadStatusLine, LineTooLong, UnknownProtocol, exceptions.InvalidHeader),
        "The upstream does not answer in HTTP.",
        False,
    ),
    ((UnicodeError, exceptions.LocationValueError, FileNotFoundError, PermissionError), NOT_SET_UP, False),
)


def failed(error: Exception) -> ProviderError:
    """What to raise for an exception of requests, urllib3, http.client or the system."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _insecure(cause, "the upstream")
    for kinds, sentence, again in _SENTENCES:
        if any(isinstance(cause, kinds) for cause in causes):
            return ProviderError(sentence, again=again)
    return ProviderError(BROKE_OFF)


def proxy_failed(error: Exception) -> ProviderError:
    """What to raise when an HTTP proxy did not open the way to the upstream."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _insecure(cause, "the proxy")
        if refusal := re.match(r"Tunnel connection failed: (\d{3})", str(cause)):
            return _closed_tunnel(int(refusal[1]))
    return _broken_proxy(*causes)


def socks_failed(error: OSError) -> ProviderError:
    """What to raise when a SOCKS proxy did not open the way to the upstream."""
    while isinstance(error, socks.ProxyError) and error.socket_err:
        error = error.socket_err
    reply = re.match(r"0x([0-9a-f]{2}): (.*)", str(error))
    match error:
        case socks.SOCKS5AuthError():
            return ProviderError(f"{NO_ENTRY}.", again=False)
        case socks.SOCKS5Error() if reply and reply[1] == "02":
            return ProviderError(f"{NO_WAY}.", again=False)
        case socks.SOCKS5Error() if reply:
            return ProviderError(f"{NO_ROUTE}: {reply[2].lower()}.")
        case socks.GeneralProxyError() if "invalid data" in str(error):
            return ProviderError("The proxy does not speak SOCKS.", again=False)
        case _:
            return _broken_proxy(error)


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


def _insecure(error: ssl.SSLError, who: str) -> ProviderError:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = error.verify_message.partition(",")[0]  # what follows is the host's name
        reason = _DISTRUST.get(error.verify_code, known)
        return ProviderError(f"The certificate of {who} is not trusted: {reason}.", again=False)
    reason = (error.reason or "it broke off").replace("_", " ").lower()
    return ProviderError(f"The secure connection to {who} failed: {reason}.")


def _closed_tunnel(status: int) -> ProviderError:
    if status in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.UNAUTHORIZED):  # tinyproxy says the latter
        return ProviderError(f"{NO_ENTRY} ({status}).", again=False)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderError(f"{NO_ROUTE} ({status}).")
    return ProviderError(f"{NO_WAY} ({status}).", again=False)


def _broken_proxy(*causes: BaseException) -> ProviderError:
    if any(isinstance(cause, TimeoutError | exceptions.TimeoutError) for cause in causes):
        return ProviderError("The proxy fell silent, so the wait was given up.")
    return ProviderError("The connection to the proxy broke off.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
