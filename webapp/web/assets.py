"""Static files that browsers may keep for ever: their address changes when they do."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, abort, current_app, request

from ..settings import ROOT
from .security import File
from .signin import public

STATIC = ROOT / "static"
FOR_EVER = "public, max-age=31536000, immutable"

STYLES = (
    *("tokens", "base", "bar", "sidebar", "notice", "forms", "composer", "beginning", "welcome", "menu", "chat"),
    *(
        "message",
        "text",
        "reasoning",
        "live",
        "tools",
        "comfort",
        "lists",
        "shares",
        "search",
        "code",
        "transitions",
        "odd",
        "phone",
        "print",
    ),
)
"""The files of `static/css` in the order of the cascade: `style.css` is all of them."""

TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
}
SCRIPT_COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
COMMENT, SPACE = re.compile(r"/\*.*?\*/", re.DOTALL), re.compile(r"\s*([{};,])\s*")
TEXTS = {".css", ".js", ".svg", ".txt", ".webmanifest"}


@dataclass(frozen=True)
class Asset:
    mimetype: str
    version: str
    body: bytes
    packed: bytes | None


def init_app(app: Flask) -> None:
    """Gives `url_for("static", filename="js/some.js")` the version of the file, and answers from memory."""
    app.extensions["assets"] = assets = dict(_read())
    versions = {name: each.version for name, each in assets.items()}

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and values.get("filename") in versions:
            values["v"] = versions[values["filename"]]

    app.add_url_rule("/static/<path:filename>", "static", file)


@public
def file(filename: str) -> File:
    asset = find(filename)
    return answer(asset, FOR_EVER if request.args.get("v") == asset.version else "no-cache")


def find(filename: str) -> Asset:
    """Aborts with 404."""
    assets: dict[str, Asset] = current_app.extensions["assets"]
    return assets[filename] if filename in assets else abort(404)


def answer(asset: Asset, kept: str) -> File:
    """Packed for whoever takes it so; each form with an ETag of its own."""
    packed = asset.packed if request.accept_encodings["gzip"] else None
    response = File(packed or asset.body, mimetype=asset.mimetype, headers={"Cache-Control": kept})
    response.set_etag(f"{asset.version}-gzip" if packed else asset.version)
    if asset.packed:
        response.vary.add("Accept-Encoding")
    if packed:
        response.content_encoding = "gzip"
    response.make_conditional(request)
    return response


def style() -> str:
    """All that is in `static/css`, without comments and without space where it means nothing."""
    joined = "".join((STATIC / "css" / f"{name}.css").read_text() for name in STYLES)
    return SPACE.sub(r"\1", COMMENT.sub("", joined)).strip()


def script(path: Path) -> str:
    """Without the comments that have a line of their own."""
    return SCRIPT_COMMENT.sub("", path.read_text())


def _read() -> Iterator[tuple[str, Asset]]:
    yield "style.css", asset(".css", style().encode())
    for path in STATIC.rglob("*"):
        if path.suffix in TYPES and path.suffix != ".css":
            body = script(path).encode() if path.suffix == ".js" else path.read_bytes()
            yield path.relative_to(STATIC).as_posix(), asset(path.suffix, body)


def asset(suffix: str, body: bytes) -> Asset:
    packed = gzip.compress(body, 9, mtime=0) if suffix in TEXTS else None
    return Asset(TYPES[suffix], sha256(body).hexdigest()[:8], body, packed)
