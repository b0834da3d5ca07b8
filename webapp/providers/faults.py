"""What a person is told when an exchange with an upstream fails: what is wrong, and what to do.

Where the same request cannot succeed later, the sentence says who has to change what. Not an adapter; `http` uses it.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from typing import NamedTuple

import socks
from urllib3 import exceptions

from ..sentences import Sentence
from .base import ProviderError

AGAIN = Sentence("try again")
LATER = Sentence("try again later")
REPORT = Sentence("try again, and tell the admin if it stays so")
CORRECT = Sentence("the admin has to correct its address")
SEE_TO_IT = Sentence("the admin has to see to it")

BROKE_OFF = Sentence("The connection to the upstream broke off before the answer was complete"), AGAIN
NOT_SET_UP = (
    Sentence("The upstream's address, key or proxy is not set up correctly"),
    Sentence("the admin has to correct them"),
)
NO_ENTRY = Sentence("The proxy asks for a name and a password, or does not take those that are set")
OTHER_NAME = Sentence("the admin has to set others")
NO_WAY = Sentence("The proxy does not let the request through")
NO_ROUTE = Sentence("The proxy cannot reach the upstream")
FELL_SILENT = Sentence("The upstream fell silent, so the wait was given up")


class Place(NamedTuple):
    """One of those on the way, its certificate and the secure connection to it, each the subject of a clause."""

    name: Sentence
    certificate: Sentence
    connection: Sentence


UPSTREAM = Place(
    # Translators: {who} of a clause.
    Sentence("The upstream"),
    # Translators: {certificate} of a clause.
    Sentence("The certificate of the upstream"),
    # Translators: {connection} of a clause.
    Sentence("The secure connection to the upstream"),
)
PROXY = Place(
    Sentence("The proxy"), Sentence("The certificate of the proxy"), Sentence("The secure connection to the proxy")
)

# OpenSSL's codes of X509_verify_cert_error_string(3).
_UNKNOWN_AUTHORITY = Sentence("the authority that signed it is not known here")
_OTHER_NAME = Sentence("it is for another name")
_DISTRUST = {
    9: Sentence("it is not valid yet"),
    10: Sentence("it has expired"),
    18: Sentence("it is self-signed"),
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}

# OpenSSL's reasons when the other end speaks something else than TLS, such as plain HTTP.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}

_SENTENCES: tuple[tuple[tuple[type[Exception], ...], Sentence, Sentence, bool], ...] = (
    ((TimeoutError, exceptions.TimeoutError), FELL_SILENT, AGAIN, True),
    ((exceptions.DecodeError,), Sentence("The upstream's answer cannot be unpacked"), REPORT, True),
    ((ConnectionError, IncompleteRead, exceptions.InvalidChunkLength), *BROKE_OFF, True),
    ((HTTPException, exceptions.InvalidHeader), Sentence("The upstream does not answer in HTTP"), CORRECT, False),
    ((UnicodeError, exceptions.LocationValueError, FileNotFoundError, PermissionError), *NOT_SET_UP, False),
)


def failed(error: Exception) -> ProviderError:
    """What to raise for an exception of requests, urllib3, http.client or the system."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _insecure(cause, UPSTREAM)
    for kinds, fault, advice, again in _SENTENCES:
        if any(isinstance(cause, kinds) for cause in causes):
            return ProviderError(fault, advice, again=again)
    return ProviderError(*BROKE_OFF)


def proxy_failed(error: Exception) -> ProviderError:
    """What to raise when an HTTP proxy did not open the way to the upstream."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _insecure(cause, PROXY)
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
            return ProviderError(NO_ENTRY, OTHER_NAME, again=False)
        case socks.SOCKS5Error() if reply and reply[1] == "02":
            return ProviderError(NO_WAY, SEE_TO_IT, again=False)
        case socks.SOCKS5Error() if reply:
            reason = reply[2].lower()
            return ProviderError(Sentence("The proxy cannot reach the upstream: {reason}", reason=reason), REPORT)
        case socks.GeneralProxyError() if "invalid data" in str(error):
            return ProviderError(Sentence("The proxy does not speak SOCKS"), CORRECT, again=False)
        case _:
            return _broken_proxy(error)


def unreachable(error: OSError, place: Place) -> ProviderError:
    """What to raise when `place` could not be connected to."""
    who = place.name
    match error:
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return ProviderError(Sentence("{who} was not found: the name service does not answer", who=who), LATER)
        case socket.gaierror():
            return ProviderError(Sentence("{who} was not found: its name is not known", who=who), CORRECT, again=False)
        case ConnectionRefusedError():
            return ProviderError(Sentence("{who} is not running: it refused the connection", who=who), REPORT)
        case TimeoutError():
            return ProviderError(Sentence("{who} did not take the connection in time", who=who), LATER)
        case _:
            reason = error.strerror or Sentence("the network failed")
            return ProviderError(Sentence("{who} cannot be reached: {reason}", who=who, reason=reason), REPORT)


def with_status(fault: Sentence, status: str) -> Sentence:
    # Translators: what is wrong, and the status of the answer: The upstream did not answer (400 Bad Request).
    return Sentence("{fault} ({status})", fault=fault, status=status)


def _insecure(error: ssl.SSLError, place: Place) -> ProviderError:
    certificate, connection = place.certificate, place.connection
    if isinstance(error, ssl.SSLCertVerificationError):
        known = error.verify_message.partition(",")[0]  # what follows is the host's name
        reason = _DISTRUST.get(error.verify_code, known)
        return ProviderError(
            Sentence("{certificate} is not trusted: {reason}", certificate=certificate, reason=reason),
            SEE_TO_IT,
            again=False,
        )
    reason = error.reason.replace("_", " ").lower() if error.reason else Sentence("it broke off")
    fault = Sentence("{connection} failed: {reason}", connection=connection, reason=reason)
    return ProviderError(fault, CORRECT, again=False) if error.reason in _NO_TLS else ProviderError(fault, REPORT)


def _closed_tunnel(status: int) -> ProviderError:
    if status in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.UNAUTHORIZED):  # tinyproxy says the latter
        return ProviderError(with_status(NO_ENTRY, str(status)), OTHER_NAME, again=False)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderError(with_status(NO_ROUTE, str(status)), REPORT)
    return ProviderError(with_status(NO_WAY, str(status)), SEE_TO_IT, again=False)


def _broken_proxy(*causes: BaseException) -> ProviderError:
    if any(isinstance(cause, TimeoutError | exceptions.TimeoutError) for cause in causes):
        return ProviderError(Sentence("The proxy fell silent, so the wait was given up"), AGAIN)
    return ProviderError(Sentence("The connection to the proxy broke off"), REPORT)


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
