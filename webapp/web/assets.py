"""Static files that browsers may keep for ever: their address changes when they do."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Flask, Response, abort, request

from ..settings import ROOT
from .signin import public

STATIC = ROOT / "static"
FOR_EVER = "public, max-age=31536000, immutable"

STYLES = (
    *("tokens", "base", "bar", "sidebar", "forms", "composer", "beginning", "welcome", "menu", "chat", "message"),
    *("text", "reasoning", "live", "tools", "lists", "shares", "search", "code", "odd", "phone", "print"),
)
"""The files of `static/css` in the order of the cascade: `style.css` is all of them."""

TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
TEXTS = {".css", ".js", ".svg"}


@dataclass(frozen=True)
class Asset:
    mimetype: str
    body: bytes
    packed: bytes | None

    @property
    def version(self) -> str:
        return sha256(self.body).hexdigest()[:8]


def init_app(app: Flask) -> None:
    """Gives `url_for("static", filename="js/some.js")` the version of the file, and answers from memory."""
    assets = dict(_read())
    versions = {name: asset.version for name, asset in assets.items()}

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and values.get("filename") in versions:
            values["v"] = versions[values["filename"]]

    @public
    def static(filename: str) -> Response:
        if filename not in assets:
            abort(404)
        response = answer(assets[filename])
        is_newest = request.args.get("v") == versions[filename]
        response.headers["Cache-Control"] = FOR_EVER if is_newest else "no-cache"
        return response

    app.add_url_rule(f"{app.static_url_path}/<path:filename>", view_func=static)


def answer(asset: Asset) -> Response:
    """Packed for whoever takes it so; each form with an ETag of its own."""
    packed = asset.packed if request.accept_encodings["gzip"] else None
    response = Response(packed or asset.body, mimetype=asset.mimetype)
    response.set_etag(f"{asset.version}-gzip" if packed else asset.version)
    if asset.packed:
        response.vary.add("Accept-Encoding")
    if packed:
        response.content_encoding = "gzip"
    response.make_conditional(request)
    return response


def style() -> str:
    """All that is in `static/css`, without comments and indentation."""
    joined = "".join((STATIC / "css" / f"{name}.css").read_text() for name in STYLES)
    return re.sub(r"\n\s*", "\n", re.sub(r"/\*.*?\*/", "", joined, flags=re.DOTALL)).lstrip()


def _read() -> Iterator[tuple[str, Asset]]:
    yield "style.css", _asset(".css", style().encode())
    for path in STATIC.rglob("*"):
        if path.suffix in TYPES and path.suffix != ".css":
            yield path.relative_to(STATIC).as_posix(), _asset(path.suffix, path.read_bytes())


def _asset(suffix: str, body: bytes) -> Asset:
    packed = gzip.compress(body, 9, mtime=0) if suffix in TEXTS else None
    return Asset(TYPES[suffix], body, packed)
