"""Log lines: one JSON object each on stderr, with nothing in them of what people said or of what opens a door.

Of an exception there is its kind, a code that its library gave it, and where it came from, never its text: that may
quote what somebody sent. A template is shown, for it stands in the source. What goes into it is shown if it is a number
or a well-known word; a string is shown only if a module of ours chose to log it.
"""

import errno
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from logging.config import dictConfig
from pathlib import Path
from signal import Signals
from traceback import walk_tb
from types import TracebackType
from typing import Any

ROUTE = "voichat.route"
"""Where in the WSGI environment a request's route stands, such as `/chats/<id>`: an address without its ids."""

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
WORDS = METHODS | set(Signals.__members__)
HIDDEN = "…"
CHARACTERS = 300
LINE_CHARACTERS = 4000  # a pipe takes 4096 bytes in one piece, so that no other process's line comes between
CAUSES = 3
FRAMES = 10

log = logging.getLogger(__name__)
requests = logging.getLogger("webapp.requests")


class JsonFormatter(logging.Formatter):
    """Makes one line of ASCII of any record; never raises."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _head(record)
        try:
            fields |= {"message": _message(record), **getattr(record, "fields", {}), **_what_failed(record)}
        except Exception:  # an argument may fail in ways of its own
            fields["message"] = "a message that cannot be shown"
        line = json.dumps(fields)
        return line if len(line) <= LINE_CHARACTERS else json.dumps(fields | {"errors": HIDDEN})


CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {requests.name: {"level": "INFO"}},
}


def configure() -> None:
    """Send all that this process logs, warns of or fails with through the formatter."""
    dictConfig(CONFIG)
    logging.raiseExceptions = False  # else logging prints what it could not log
    warnings.showwarning = _log_warning
    sys.excepthook = _log_end
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_end_of_thread


def request(environ: Mapping[str, Any], status: str | int, seconds: float, sent: int) -> None:
    """Log a request that has been answered, without its address."""
    method = environ.get("REQUEST_METHOD")
    fields = {
        "method": method if method in METHODS else HIDDEN,
        "route": environ.get(ROUTE, ""),
        "status": int(str(status)[:3]),
        "ms": round(seconds * 1000),
        "bytes": sent,
    }
    requests.info("request", extra={"fields": fields})


def _head(record: logging.LogRecord) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "process": record.process,
    }


# The message


def _message(record: logging.LogRecord) -> str:
    is_ours = record.name.startswith("webapp.")
    if not isinstance(record.msg, str):
        return _kind(record.msg)
    if not record.args:
        return _cut(record.msg if is_ours else _beginning(record.msg))
    return _cut(_filled(record.msg, record.args, is_ours))


def _filled(template: str, args: Any, is_ours: bool) -> str:
    if isinstance(args, Mapping):
        return template % {name: _shown(value, is_ours) for name, value in args.items()}
    return template % tuple(_shown(value, is_ours) for value in args)


def _shown(value: object, is_ours: bool) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return " ".join(filter(None, (_kind(value), _code(value))))
    return value if isinstance(value, str) and (is_ours or value in WORDS) else HIDDEN


def _beginning(text: str) -> str:
    """Of a ready-made text of somebody else's: what it says before it begins to quote."""
    return re.split(r"[^\w ,.=()-]", text, maxsplit=1)[0].strip()


def _cut(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + HIDDEN


# What failed


def _what_failed(record: logging.LogRecord) -> dict[str, Any]:
    """The exception that is logged, or in whose handling a fault is logged; with frames if it is an error."""
    given = record.exc_info or (sys.exc_info() if record.levelno >= logging.WARNING else None)
    error = given[1] if isinstance(given, tuple) else None
    if error is None:
        return {}
    return {"errors": [_described(each, record.levelno >= logging.ERROR) for each in _causes(error)]}


def _described(error: BaseException, has_frames: bool) -> dict[str, Any]:
    code = _code(error)
    frames = {"frames": _frames(error.__traceback__)} if has_frames else {}
    return {"type": _kind(error), **({"code": code} if code else {}), **frames}


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    for _ in range(CAUSES):
        if following is None:
            return
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _code(error: BaseException) -> str:
    """The system's or the database's short name for it."""
    number = getattr(error, "errno", None)
    system = errno.errorcode.get(number, "") if isinstance(number, int) else ""
    cause = getattr(error, "orig", error)  # SQLAlchemy wraps the driver's
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or system


def _frames(trace: TracebackType | None) -> list[str]:
    found = [
        f"{'/'.join(Path(frame.f_code.co_filename).parts[-3:])}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(trace)
    ]
    return found[-FRAMES:]


# What Python itself would print


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    del message, file, line  # a warning's text may quote a value
    log.warning("%s at %s:%d", category.__name__, "/".join(Path(filename).parts[-3:]), lineno)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the process ends", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value or ended.exc_type()
    log.error("a thread has ended", exc_info=(ended.exc_type, error, ended.exc_traceback))


def _log_unraisable(failed: "sys.UnraisableHookArgs") -> None:
    error = failed.exc_value or failed.exc_type()
    log.error("an exception that nobody could catch", exc_info=(failed.exc_type, error, failed.exc_traceback))
