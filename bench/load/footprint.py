"""What Voichat needs before anybody has come: time to start, memory, disk; and what a first visit fetches."""

import shutil
import socket
import subprocess
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from re import MULTILINE, findall
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from packaging.requirements import Requirement
from playwright.sync_api import sync_playwright

from bench.weight import newcomer
from bench.weight import server as fresh
from tests.support.servers import CLEAN, ROOT, SERVE, free_port, migrate

from . import servers
from .report import Report, progress
from .servers import BARE, GUNICORN

SETTLED_SECONDS = 3.0
STARTS = 5


def run(report: Report, starts: int = STARTS) -> None:
    _starts(report, starts)
    _idle(report)
    _installed(report)
    _first_visit(report)


def _starts(report: Report, times: int) -> None:
    bare = [*BARE, "--worker-class=gthread", "--workers=2", "bench.load.floor:app"]
    progress(f"{times} starts of each")
    with TemporaryDirectory() as data:
        migrate(f"sqlite:///{data}/voichat.sqlite3", Path(data))
        environment = {"VOICHAT_DATA": data}
        asked = {"./run": SERVE, "gunicorn": [*GUNICORN, "wsgi:app"]}
        took = {name: [start(command, environment) for _ in range(times)] for name, command in asked.items()}
    floor = median(start(bare, {}) for _ in range(times))
    for name, seconds in took.items():
        report.add(f"from {name} to the first answer, median", median(seconds), "s", floor)


def start(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds from the command to the first 200."""
    port = free_port()
    where = {"VOICHAT_BIND": f"127.0.0.1:{port}", "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{port}"}
    began = perf_counter()
    process = subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env={**CLEAN, **environment, **where}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            sleep(0.005)
        return perf_counter() - began
    finally:
        process.terminate()
        process.wait(40)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def _idle(report: Report) -> None:
    progress("memory of idle servers")
    with servers.voichat(VOICHAT_THREADS="", VOICHAT_REPLIES="") as ours, servers.floor() as floor:
        for server in (ours, floor):
            _answers(server.port)
        sleep(SETTLED_SECONDS)
        report.add("memory of two idle workers and their master (PSS)", ours.pss(), "MB", floor.pss())


def _installed(report: Report) -> None:
    """By the lock, as far as it holds for this machine."""
    ours, flask = _locked(), _needed("flask") | _needed("gunicorn")
    report.add("packages installed", len(ours), "packages", len(flask))
    report.add("installed, without Python's own caches", _megabytes(ours), "MB", _megabytes(flask))


def _locked() -> set[str]:
    lines = findall(r"^([a-z][^ ;]*)==\S+(?: ; (.*?))? *\\?$", (ROOT / "requirements.txt").read_text(), MULTILINE)
    return {name.partition("[")[0] for name, marker in lines if _holds(marker)}


def _holds(marker: str) -> bool:
    needed = Requirement(f"any ; {marker}").marker if marker else None
    return needed is None or needed.evaluate()


def _needed(name: str) -> set[str]:
    """It and what it needs."""
    needs = [Requirement(line) for line in distribution(name).requires or ()]
    plain = [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return {name.lower()}.union(*map(_needed, plain))


def _megabytes(names: set[str]) -> float:
    return sum(_bytes(distribution(name)) for name in names) / 1e6


def _bytes(installed: Distribution) -> int:
    paths = [Path(str(installed.locate_file(file))) for file in installed.files or () if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _first_visit(report: Report) -> None:
    if not shutil.which("chromium"):
        report.note("A first visit was not weighed: there is no chromium here.")
        return
    progress("a first visit")
    with fresh() as voichat, sync_playwright() as playwright, newcomer(playwright.chromium) as wire:
        wire.open(voichat.url)
    report.add("bytes of a first visit", wire.total, "bytes")
    report.add("requests of a first visit", len(wire.weights), "requests")
