"""What every response carries and which requests are let in: all of it in one place."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

from ..parsers import Network
from ..sentences import Sentence
from ..settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-src": "'self'",
    "manifest-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in CONTENT_SECURITY_POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

READING = {"GET", "HEAD", "OPTIONS"}
FORWARDED = "HTTP_X_FORWARDED_"
PREFIX = re.compile(r"(/[\w.~-]+)*/?", re.ASCII)


class File(Response):
    """What is the same for everybody and part of no page's words: what protects a document would only weigh."""


def init_app(app: Flask, settings: Settings) -> None:
    """Headers on every response, and the three questions that each request is asked first."""
    user = f"HTTP_{settings.auth_header.upper().replace('-', '_')}"
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies, user)  # type: ignore[method-assign]
    hosts = settings.trusted_hosts
    app.before_request(lambda: _refuse_foreign_host(hosts))
    app.before_request(_refuse_cross_site)
    app.after_request(_add_headers)


class TrustedProxies:
    """`X-Forwarded-*` and the header `user` count only from `networks`; from anybody else they are taken away."""

    def __init__(self, app: "WSGIApplication", networks: Iterable[Network], user: str) -> None:
        self.app = app
        self.forwarded = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
        self.networks = tuple(networks)
        self.user = user

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if self._trusts(environ.get("REMOTE_ADDR", "")):
            _take_away_odd_prefix(environ)
            return self.forwarded(environ, start_response)
        for name in [name for name in environ if name.startswith(FORWARDED) or name == self.user]:
            del environ[name]
        return self.app(environ, start_response)

    def _trusts(self, address: str) -> bool:
        if not self.networks:
            return False
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer  # what an IPv6 socket says of an IPv4 client
        return any(peer in network for network in self.networks)


def _take_away_odd_prefix(environ: "WSGIEnvironment") -> None:
    """Every link begins with the prefix, and `//evil.example` would lead elsewhere: a proxy may pass on a client's."""
    last = environ.get("HTTP_X_FORWARDED_PREFIX", "").rpartition(",")[2].strip()
    if not PREFIX.fullmatch(last):
        del environ["HTTP_X_FORWARDED_PREFIX"]


def is_host_trusted(host: str, names: Iterable[str]) -> bool:
    """Whether `host`, a valid `name[:port]`, is one of `names`; `.name` is that name and its subdomains.

    Flask's `TRUSTED_HOSTS` would do, if it could name an IPv6 address or ignore case.
    """
    hostname = re.sub(r":\d+$", "", host).lower()
    return any(
        hostname == name.removeprefix(".") or (name.startswith(".") and hostname.endswith(name))
        for name in map(str.lower, names)
    )


def is_cross_site(request: Request) -> bool:
    """The rule of Go's `net/http.CrossOriginProtection`, and Referer for browsers that send neither of its two."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in {"same-origin", "none"}
    if origin := request.headers.get("Origin") or request.headers.get("Referer"):
        return not (netloc := _netloc(origin)) or netloc != request.host.lower()
    return False


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _refuse_foreign_host(names: list[str]) -> None:
    given = request.headers.get("Host", "")  # HTTP/1.0 has none, and is no browser's
    if given and not is_host_trusted(request.host, names):
        abort(400, Sentence("This server does not answer to the name “{name}”.", name=given[:100]))


def _refuse_cross_site() -> None:
    if request.method not in READING and is_cross_site(request):
        abort(403, Sentence("This request came from another site, so it was not carried out."))


def _add_headers(response: Response) -> Response:
    there = {name.lower() for name, _ in response.headers}
    for name, value in (FILE_HEADERS if isinstance(response, File) else HEADERS).items():
        if name.lower() not in there:
            response.headers.add(name, value)
    return response
