"""The product for gunicorn, whose pages show `TIMES` as often that they are alive."""

import os

from webapp.chats import live as followers
from webapp.pages import live as pages
from wsgi import app

__all__ = ["app"]

TIMES = float(os.environ["TIMES"])

followers.HEARTBEAT_SECONDS /= TIMES
pages.BEAT_SECONDS /= TIMES
