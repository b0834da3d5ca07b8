"""gunicorn's side of Voichat. Imported before the fork, so the workers share the code's memory."""

import signal
import sys
from typing import Any

from webapp.settings import Settings, SettingsError, load


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as error:
        sys.exit(f"Error: {error}")


settings = _settings()

wsgi_app = "wsgi:app"
bind = str(settings.bind)
workers = settings.workers
worker_class = "gthread"
threads = settings.threads
# A connection beyond the threads would wait behind open streams here while another worker has a thread free.
worker_connections = settings.threads + 8
max_requests = 0
graceful_timeout = 30
control_socket_disable = True
forwarded_allow_ips = ""  # webapp.web.security decides whose X-Forwarded-* counts
loglevel = "warning"


def on_starting(server: Any) -> None:
    if server.cfg.worker_class_str not in ("gthread", "gevent"):
        sys.exit("Error: Voichat streams, and a sync worker would serve one person at a time: use gthread.")


def when_ready(_server: Any) -> None:
    print(f"Voichat is ready: {settings.link}", flush=True)  # noqa: T201


def post_worker_init(worker: Any) -> None:
    worker.app.callable.extensions["voichat"].replies.open()


def worker_int(_worker: Any) -> None:
    _ignore_further_signals()


def worker_exit(_server: Any, worker: Any) -> None:
    _ignore_further_signals()
    if worker.app.callable:
        worker.app.callable.extensions["voichat"].replies.close()


def _ignore_further_signals() -> None:
    """Ctrl-C reaches a worker twice, from the terminal and from the master: once is enough to end in order."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
