"""The product for gunicorn, in workers that `kill -9` themselves at a point that a test names.

The folder `KILLS` holds a file for each point that is armed. Who passes first takes the file away and dies.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webapp.chats import history, lease
from wsgi import app

__all__ = ["app"]

KILLS = Path(os.environ["KILLS"])
Work = Callable[..., Any]


def die_here(point: str) -> None:
    try:
        (KILLS / point).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def before(point: str, work: Work) -> Work:
    def wrapped(*args: Any, **options: Any) -> Any:
        die_here(point)
        return work(*args, **options)

    return wrapped


def after(point: str, work: Work) -> Work:
    def wrapped(*args: Any, **options: Any) -> Any:
        done = work(*args, **options)
        die_here(point)
        return done

    return wrapped


def after_success(point: str, work: Work) -> Work:
    def wrapped(*args: Any, **options: Any) -> Any:
        if done := work(*args, **options):
            die_here(point)
        return done

    return wrapped


# The last thing that happens in the transaction that stores a message is `_add_message_and_reply`.
for module, name, wrap, point in [
    (history, "_add_message_and_reply", after, "before the commit"),
    (history, "begin", after, "after the commit"),
    (history, "append", after, "after the commit"),
    (lease, "claim", after_success, "after the claim"),
    (lease, "settle", before, "before the last write"),
    (lease, "settle", after, "after the last write"),
]:
    setattr(module, name, wrap(point, getattr(module, name)))

# A lease of ten seconds is waited for elsewhere.
lease.LEASE_SECONDS = 2.0
lease.RENEW_SECONDS = 0.4
