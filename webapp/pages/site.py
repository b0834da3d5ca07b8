"""What this place is called, and what browsers and robots ask of it before anybody does."""

import json
from urllib.parse import quote

from flask import Blueprint, Flask, url_for

from ..settings import Settings
from ..web import assets
from ..web.security import File
from ..web.signin import public
from .house import house

PAPER = "#fdfcf9"
ICON = "data:image/svg+xml," + quote((assets.STATIC / "icon.svg").read_text().strip(), safe="/:=")
"""As an address that takes no request, in pages and in the manifest."""
A_DAY = "public, max-age=86400"

ROBOTS = assets.asset(".txt", b"User-agent: *\nDisallow: /\n")

blueprint = Blueprint("site", __name__)


def init_app(app: Flask, settings: Settings) -> None:
    told = {"site_notice": settings.notice, "site_notice_url": settings.notice_url}
    app.jinja_env.globals.update(site_name=settings.name, site_icon=ICON, **told)
    app.register_blueprint(blueprint)


@blueprint.get("/favicon.ico")
@public
def favicon() -> File:
    """For feed readers and old browsers: pages name their icon themselves."""
    return assets.answer(assets.find("favicon.ico"), A_DAY)


@blueprint.get("/apple-touch-icon.png")
@public
def apple_touch_icon() -> File:
    return assets.answer(assets.find("apple-touch-icon.png"), A_DAY)


@blueprint.get("/robots.txt")
@public
def robots() -> File:
    return assets.answer(ROBOTS, A_DAY)


@blueprint.get("/manifest.webmanifest")
@public
def manifest() -> File:
    """Makes an app of it on phones and desktops."""
    home, name = url_for("chat.new"), house().settings.name
    described = {
        "id": home,
        "name": name,
        "short_name": name,
        "start_url": home,
        "scope": home,
        "display": "minimal-ui",
        "theme_color": PAPER,
        "background_color": PAPER,
        "icons": [
            {"src": ICON, "sizes": "any", "type": "image/svg+xml"},
            _icon("icon-192.png", 192),
            _icon("icon-512.png", 512),
            _icon("icon-maskable.png", 512) | {"purpose": "maskable"},
        ],
    }
    return assets.answer(assets.asset(".webmanifest", json.dumps(described).encode()), A_DAY)


def _icon(name: str, size: int) -> dict[str, str]:
    return {"src": url_for("static", filename=name), "sizes": f"{size}x{size}", "type": "image/png"}
