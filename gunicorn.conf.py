"""gunicorn's side of Voichat. Imported before the fork, so the workers share the code's memory."""

import os
import signal
import sys
from threading import Thread
from time import sleep
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

QUICK = {signal.SIGINT, signal.SIGQUIT}
LAST_SECONDS = 3.0  # for open pages to get their end


def on_starting(server: Any) -> None:
    if server.cfg.worker_class_str not in ("gthread", "gevent"):
        sys.exit("Error: Voichat streams, and a sync worker would serve one person at a time: use gthread.")


def when_ready(_server: Any) -> None:
    print(f"Voichat is ready: {settings.link}", flush=True)  # noqa: T201


def post_worker_init(worker: Any) -> None:
    # Before any other thread exists, so that none of them takes these signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, QUICK)
    Thread(target=_quit_when_told, args=[worker], name="quit", daemon=True).start()
    _replies(worker).open()


def worker_exit(_server: Any, worker: Any) -> None:
    if worker.app.callable:
        _replies(worker).close()


def _quit_when_told(worker: Any) -> None:
    """Ctrl-C reaches a worker twice, from the terminal and from the master.

    gunicorn's handler takes locks that the interrupted code may hold, so here a thread waits for the signals instead.
    """
    signal.sigwait(QUICK)
    _replies(worker).close()
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(LAST_SECONDS)
    os._exit(0)


def _replies(worker: Any) -> Any:
    return worker.app.callable.extensions["voichat"].replies
