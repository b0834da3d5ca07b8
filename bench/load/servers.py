"""What is measured, each in processes of its own: Voichat, the floor that it is compared with, and the upstream."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from tests.support.servers import CLEAN, ROOT, free_port, is_listening, migrate, wait_until

from .upstream import MODEL

# High enough for what is measured; `VOICHAT_REPLIES` and the seats, three quarters of the threads, are each worker's.
SETTINGS = {
    "VOICHAT_DISCOVER": "off",
    "VOICHAT_LIMIT_OWNER": "none",
    "VOICHAT_LIMIT_ADDRESS": "none",
    "VOICHAT_LIMIT_EVERYBODY": "none",
    "VOICHAT_THREADS": "1000",
    "VOICHAT_REPLIES": "750",
    "VOICHAT_REPLIES_ALL": "5000",
}
WORKERS = 2
GUNICORN = [sys.executable, "-m", "gunicorn"]
BARE = [*GUNICORN, "--config=/dev/null", "--preload", "--no-control-socket"]  # not by Voichat's own file
LOOKS = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A process and its children, on a port."""

    port: int
    pid: int

    @property
    def pids(self) -> list[int]:
        return [self.pid, *map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]

    def cpu(self) -> float:
        """Seconds that they have computed so far."""
        return sum(map(_cpu, self.pids))

    def pss(self) -> float:
        """MB of memory; what they share counts once."""
        return sum(map(_pss, self.pids))

    def has_workers(self, workers: int) -> bool:
        return len(self.pids) > workers


def _cpu(pid: int) -> float:
    of = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(of[11]) + int(of[12])) / TICKS


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], port: int, workers: int = 0) -> Iterator[Server]:
    """From when it listens, and has so many workers, until it is told to end."""
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**CLEAN, **environment}, stdout=log, stderr=log)  # noqa: S603
        server = Server(port, process.pid)
        try:
            wait_until(lambda: process.poll() is not None or is_listening(port))
            if process.poll() is not None:
                sys.exit((Path(folder) / "log").read_text())
            wait_until(lambda: server.has_workers(workers))
            yield server
        finally:
            process.terminate()
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Gunicorn lets its workers finish: for as long as that takes."""
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def upstream() -> Iterator[Server]:
    port = free_port()
    with serving([sys.executable, "-m", "bench.load.upstream", str(port)], {}, port) as server:
        yield server


@contextmanager
def floor(upstream_port: int = 0, workers: int = WORKERS) -> Iterator[Server]:
    """Under Voichat's own gunicorn settings."""
    port, threads = free_port(), int(SETTINGS["VOICHAT_THREADS"])
    options = {
        "bind": f"127.0.0.1:{port}",
        "worker-class": "gthread",
        "workers": workers,
        "threads": threads,
        "worker-connections": threads + 8,
        "log-level": "warning",
    }
    command = [*BARE, *(f"--{name}={value}" for name, value in options.items()), "bench.load.floor:app"]
    environment = {"UPSTREAM": f"http://127.0.0.1:{upstream_port}/v1/chat/completions"}
    with serving(command, environment, port) as server:
        yield server


@contextmanager
def voichat(upstream_port: int = 0, database: str = "", workers: int = WORKERS, **more: str) -> Iterator[Server]:
    """A new one, on SQLite unless a database is given."""
    port = free_port()
    with TemporaryDirectory() as data:
        url = database or f"sqlite:///{data}/voichat.sqlite3"
        migrate(url, Path(data))
        environment = SETTINGS | {"VOICHAT_BIND": f"127.0.0.1:{port}", "VOICHAT_DATA": data, "DATABASE_URL": url}
        environment |= {"WEB_CONCURRENCY": str(workers)} | more
        if upstream_port:
            environment |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1"}
        with serving([*GUNICORN, "wsgi:app"], environment, port, workers) as server:
            wait_until(lambda: all(_offers_model(port) for _ in range(LOOKS)) or not upstream_port)
            yield server


def _offers_model(port: int) -> bool:
    """Whether the worker that answers knows the upstream's models: until then it offers the Guide."""
    with urlopen(f"http://127.0.0.1:{port}/") as page:
        return f"/{MODEL}" in page.read().decode()
