"""Real servers for tests: started on free loopback ports, stopped when the test is over."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
CLEAN = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONWARNINGS": "error"}


def missing(what: str) -> None:
    """Leave a test out for want of a server or browser; with `CI=true` that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not installed, and CI=true leaves nothing out")
    pytest.skip(f"{what} is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_true: Callable[[], object], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)


def migrate(url: str, data: Path, to: str = "head") -> None:
    environment = CLEAN | {"DATABASE_URL": url, "VOICHAT_DATA": str(data)}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", to], cwd=ROOT, env=environment, check=True)


def postgresql_program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A throw-away cluster; yields the URL without a database's name."""
    initdb, postgres = postgresql_program("initdb"), postgresql_program("postgres")
    if initdb is None or postgres is None:
        missing("PostgreSQL")
    assert initdb
    assert postgres
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data, port = folder / "cluster", free_port()
    options = ["--auth=trust", "--username=voichat", "--encoding=UTF8", "--no-locale", "--no-sync"]
    subprocess.run([initdb, *options, data], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "max_connections=200",
    ]
    arguments = [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([postgres, "-D", data, *arguments], user=user, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_listening(port))
        yield f"postgresql+psycopg://voichat@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Voichat:
    """The product as an admin runs it: gunicorn and its workers, with the environment given."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.environment = CLEAN | {"VOICHAT_BIND": f"127.0.0.1:{free_port()}", **environment}
        self.port = int(self.environment["VOICHAT_BIND"].rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "serve"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._is_up)

    def stop(self) -> None:
        """As `kill -INT` does; whatever is left after that is killed."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                raise

    def kill(self) -> None:
        """kill -9 for all of it."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def press_ctrl_c(self) -> None:
        """A terminal interrupts the master and the workers alike."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """As `systemctl stop` does, without waiting."""
        assert self._process
        self._process.terminate()

    def wait(self, seconds: float = 20.0) -> None:
        assert self._process
        self._process.wait(seconds)

    def restart(self) -> None:
        self.stop()
        self.start()

    def workers(self) -> list[int]:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill_workers(self) -> None:
        """kill -9: none of them gets to do anything more. The master starts new ones."""
        killed = self.workers()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(killed) & set(self.workers()) and self._is_up())

    def output(self) -> str:
        return self.log.read_text()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _is_up(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.output()
        return self.is_ready() and self._has_all_workers()

    def _has_all_workers(self) -> bool:
        """A worker that has booted has threads; before that, gunicorn may miss a signal."""
        booted = [pid for pid in self.workers() if len(list(Path(f"/proc/{pid}/task").iterdir())) > 1]
        return len(booted) == int(self.environment.get("WEB_CONCURRENCY", "2"))
