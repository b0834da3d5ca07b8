"""Static files that browsers may keep for ever: their address changes when they do."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

FOR_EVER = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    versions = {path.name: _version(path) for path in Path(app.static_folder or "").iterdir()}

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and values.get("filename") in versions:
            values["v"] = versions[values["filename"]]

    @app.after_request
    def keep(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code in (200, 304):
            name = (request.view_args or {}).get("filename")
            is_newest = name in versions and request.args.get("v") == versions[name]
            response.headers["Cache-Control"] = FOR_EVER if is_newest else "no-cache"
        return response


def _version(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:8]
