"""gunicorn's side of Voichat. Imported before the fork, so the workers share the code's memory."""

import gc
import os
import signal
import sys
from functools import partial
from threading import Thread
from time import sleep
from typing import Any

from gunicorn import glogging

from webapp import create_app, log, providers_file
from webapp.providers_file import ProvidersFile
from webapp.settings import Settings, SettingsError, load


def _settings() -> tuple[Settings, ProvidersFile]:
    try:
        settings = load()
        return settings, providers_file.load(settings)
    except SettingsError as error:
        sys.exit(f"Error: {error}")


class Logger(glogging.Logger):
    """gunicorn's own lines, as all others are."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = settings.log == "requests"
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())
        log.configure()

    def access(self, resp: Any, _req: Any, environ: Any, request_time: Any) -> None:
        if self._access_log_enabled:
            log.request(environ, resp.status, request_time.total_seconds(), resp.sent)


settings, written = _settings()

wsgi_app = "wsgi:app"
bind = str(settings.bind)
workers = settings.workers
worker_class = "gthread"
threads = settings.threads
# A connection beyond the threads would wait behind open streams here while another worker has a thread free.
worker_connections = settings.threads + 8
limit_request_line = 8190  # `/?q=` carries words
umask = 0o077
max_requests = 0
graceful_timeout = 30
control_socket_disable = True
forwarded_allow_ips = ""  # webapp.web.security decides whose X-Forwarded-* counts
loglevel = "warning"
logger_class = Logger

OPEN_TO_ALL = "whoever can reach this machine can chat: set VOICHAT_AUTH to ask for a password or to trust a proxy."
QUICK = {signal.SIGINT, signal.SIGQUIT}
CUTTING_SECONDS = 10.0  # of the graceful time-out: to cut what is still live and give open pages their end
LAST_SECONDS = 3.0


def on_starting(server: Any) -> None:
    if server.cfg.worker_class_str != "gthread":
        sys.exit("Error: Voichat streams, and a sync worker would serve one person at a time: use gthread.")
    server.handle_hup = partial(_reload, server)


def _reload(server: Any) -> None:
    """A mistake that was made in providers.toml meanwhile must not end what runs."""
    try:
        create_app(load())
    except SettingsError as error:
        print(f"Error: {error} Nothing was reloaded.", file=sys.stderr, flush=True)  # noqa: T201
    else:
        type(server).handle_hup(server)


def when_ready(_server: Any) -> None:
    _keep_for_good()
    print(f"Voichat is ready: {settings.link}", flush=True)  # noqa: T201
    if settings.is_open_to_all:
        _warn(OPEN_TO_ALL)
    for warning in providers_file.warnings(settings, written):
        _warn(warning)


def _keep_for_good() -> None:
    """The collector need not look through what is there until the end: a stop took most of its time for that."""
    gc.freeze()


def _warn(sentence: str) -> None:
    print(f"Warning: {sentence}", file=sys.stderr, flush=True)  # noqa: T201


def post_worker_init(worker: Any) -> None:
    # Before any other thread exists, so that none of them takes these signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, QUICK | {signal.SIGTERM})
    Thread(target=_end_when_told, args=[worker], name="end", daemon=True).start()
    worker.app.callable.extensions["providers"].refresh()
    _house(worker).replies.open()
    _house(worker).housekeeping.open()
    _house(worker).indexer.open()
    _keep_for_good()


def worker_exit(_server: Any, worker: Any) -> None:
    if worker.app.callable:
        _house(worker).housekeeping.close()
        _house(worker).indexer.close()
        _house(worker).replies.close(_grace(worker))


def _end_when_told(worker: Any) -> None:
    """TERM lets replies finish within the graceful time-out; INT and QUIT, also after it, cut them at once.

    A thread waits for the signals, because gunicorn's handlers take locks that the interrupted code may hold.
    Ctrl-C reaches a worker twice, from the terminal and from the master.
    """
    try:
        if signal.sigwait(QUICK | {signal.SIGTERM}) == signal.SIGTERM:
            worker.handle_exit(signal.SIGTERM, None)
            _house(worker).replies.drain()
            signal.sigtimedwait(QUICK, _grace(worker))
        _house(worker).replies.close()
        worker.handle_exit(signal.SIGTERM, None)
        sleep(LAST_SECONDS)
    finally:
        os._exit(0)


def _grace(worker: Any) -> float:
    return max(worker.cfg.graceful_timeout - CUTTING_SECONDS, 0.0)


def _house(worker: Any) -> Any:
    return worker.app.callable.extensions["voichat"]
