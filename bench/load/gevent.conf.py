"""Voichat's gunicorn.conf.py with gevent's workers in the place of threads: an experiment, which ends without grace."""

from gevent import monkey

monkey.patch_all()

from pathlib import Path  # noqa: E402
from runpy import run_path  # noqa: E402
from typing import Any  # noqa: E402

HOUSE = run_path(str(Path(__file__).resolve().parents[2] / "gunicorn.conf.py"))

wsgi_app = HOUSE["wsgi_app"]
bind = HOUSE["bind"]
workers = HOUSE["workers"]
worker_class = "gevent"
worker_connections = HOUSE["threads"]
control_socket_disable = True
loglevel = HOUSE["loglevel"]


def post_worker_init(worker: Any) -> None:
    """As there, but for the thread that waits for signals: here it would stop all others."""
    worker.app.callable.extensions["providers"].refresh()
    house = worker.app.callable.extensions["voichat"]
    house.replies.open()
    house.housekeeping.open()
    house.indexer.open()
