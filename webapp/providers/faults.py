"""What a person is told when an exchange with an upstream fails: what is wrong, and what to do.

Where the same request cannot succeed later, the sentence says who has to change what. Not an adapter; `http` uses it.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead

import socks
from urllib3 import exceptions

from .base import ProviderError

AGAIN = "try again"
LATER = "try again later"
REPORT = "try again, and tell the admin if it stays so"
CORRECT = "the admin has to correct its address"
SEE_TO_IT = "the admin has to see to it"
LOOK = "the admin has to look at its log"

BROKE_OFF = f"The connection to the upstream broke off before the answer was complete; {AGAIN}."
NOT_SET_UP = "The upstream's address, key or proxy is not set up correctly; the admin has to correct them."
NO_ENTRY = "The proxy asks for a name and a password, or does not take those that are set"
OTHER_NAME = "the admin has to set others"
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

# OpenSSL's reasons when the other end speaks something else than TLS, such as plain HTTP.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}

_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str, bool], ...] = (
    ((TimeoutError, exceptions.TimeoutError), f"The upstream fell silent, so the wait was given up; {AGAIN}.", True),
    ((exceptions.DecodeError,), f"The upstream's answer cannot be unpacked; {REPORT}.", True),
    ((ConnectionError, IncompleteRead, exceptions.InvalidChunkLength), BROKE_OFF, True),
    ((HTTPException, exceptions.InvalidHeader), f"The upstream does not answer in HTTP; {CORRECT}.", False),
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
            return ProviderError(f"{NO_ENTRY}; {OTHER_NAME}.", again=False)
        case socks.SOCKS5Error() if reply and reply[1] == "02":
            return ProviderError(f"{NO_WAY}; {SEE_TO_IT}.", again=False)
        case socks.SOCKS5Error() if reply:
            return ProviderError(f"{NO_ROUTE}: {reply[2].lower()}; {REPORT}.")
        case socks.GeneralProxyError() if "invalid data" in str(error):
            return ProviderError(f"The proxy does not speak SOCKS; {CORRECT}.", again=False)
        case _:
            return _broken_proxy(error)


def unreachable(error: OSError, who: str) -> ProviderError:
    """What to raise when `who` could not be connected to."""
    match error:
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return ProviderError(f"{who} was not found: the name service does not answer; {LATER}.")
        case socket.gaierror():
            return ProviderError(f"{who} was not found: its name is not known; {CORRECT}.", again=False)
        case ConnectionRefusedError():
            return ProviderError(f"{who} is not running: it refused the connection; {REPORT}.")
        case TimeoutError():
            return ProviderError(f"{who} did not take the connection in time; {LATER}.")
        case _:
            reason = error.strerror or "the network failed"
            return ProviderError(f"{who} cannot be reached: {reason}; {REPORT}.")


def _insecure(error: ssl.SSLError, who: str) -> ProviderError:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = error.verify_message.partition(",")[0]  # what follows is the host's name
        reason = _DISTRUST.get(error.verify_code, known)
        return ProviderError(f"The certificate of {who} is not trusted: {reason}; {SEE_TO_IT}.", again=False)
    reason = (error.reason or "it broke off").replace("_", " ").lower()
    if error.reason in _NO_TLS:
        return ProviderError(f"The secure connection to {who} failed: {reason}; {CORRECT}.", again=False)
    return ProviderError(f"The secure connection to {who} failed: {reason}; {REPORT}.")


def _closed_tunnel(status: int) -> ProviderError:
    if status in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.UNAUTHORIZED):  # tinyproxy says the latter
        return ProviderError(f"{NO_ENTRY} ({status}); {OTHER_NAME}.", again=False)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderError(f"{NO_ROUTE} ({status}); {REPORT}.")
    return ProviderError(f"{NO_WAY} ({status}); {SEE_TO_IT}.", again=False)


def _broken_proxy(*causes: BaseException) -> ProviderError:
    if any(isinstance(cause, TimeoutError | exceptions.TimeoutError) for cause in causes):
        return ProviderError(f"The proxy fell silent, so the wait was given up; {AGAIN}.")
    return ProviderError(f"The connection to the proxy broke off; {REPORT}.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
