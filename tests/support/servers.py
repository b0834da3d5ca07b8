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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
CLEAN = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "PYTHONWARNINGS": "error",
    "VOICHAT_DISCOVER": "off",  # this machine may run an Ollama
}
SERVE = [sys.executable, "-m", "flask", "--app", "wsgi", "serve"]


def missing(what: str) -> NoReturn:
    """Leave a test out for want of a server or browser; with `CI=true` that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true leaves nothing out")
    pytest.skip(f"{what} is missing")


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


class PostgreSQL:
    """A throw-away cluster on a port of its own, which it keeps when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        options = ["--auth=trust", "--username=voichat", "--encoding=UTF8", "--no-locale", "--no-sync"]
        command = [_postgresql_program("initdb"), *options, str(folder / "cluster")]
        subprocess.run(command, user=self._user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        """Without a database's name."""
        return f"postgresql+psycopg://voichat@127.0.0.1:{self._port}"

    def start(self) -> None:
        settings = [
            f"port={self._port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "max_connections=200",
        ]
        arguments = [part for setting in settings for part in ("-c", setting)]
        command = [_postgresql_program("postgres"), "-D", str(self._folder / "cluster"), *arguments]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, user=self._user, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._lets_in)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """INT ends every session at once, QUIT leaves recovery to the next start, KILL hits all its processes."""
        assert self._server
        if how == signal.SIGKILL:
            os.killpg(self._server.pid, how)
        else:
            self._server.send_signal(how)
        self._server.wait(30)

    def _lets_in(self) -> bool:
        assert self._server
        assert self._server.poll() is None, (self._folder / "log").read_text()
        try:
            psycopg.connect(f"postgresql://voichat@127.0.0.1:{self._port}/postgres").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgresql(folder: Path) -> Iterator[PostgreSQL]:
    server = PostgreSQL(folder)
    server.start()
    yield server
    server.stop()


def _postgresql_program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    return path or missing("PostgreSQL")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Voichat:
    """The product as an admin runs it: gunicorn and its workers, with the environment given.

    Started by `./run`, unless gunicorn is to serve `app` at once.
    """

    def __init__(self, environment: Mapping[str, str], log: Path, app: str = "") -> None:
        self.log = log
        self.command = [sys.executable, "-m", "gunicorn", app] if app else SERVE
        self.environment = CLEAN | {"VOICHAT_BIND": f"127.0.0.1:{free_port()}", **environment}
        self.port = int(self.environment["VOICHAT_BIND"].rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
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

    def hang_up(self) -> None:
        """As `systemctl reload` does, without waiting."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    def reload(self) -> None:
        """`hang_up`; returns when new workers have taken over from all old ones."""
        old = set(self.workers())
        self.hang_up()
        wait_until(lambda: not old & set(self.workers()) and self._has_all_workers())

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

    def kill_worker(self, pid: int) -> None:
        """kill -9 for one; the others may still be starting."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.workers())

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


def refusal(environment: Mapping[str, str], command: Sequence[str] = SERVE) -> str:
    """The one sentence with which the start ends."""
    given = CLEAN | {"VOICHAT_BIND": f"127.0.0.1:{free_port()}", **environment}
    return one_sentence(subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=30))


def one_sentence(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode not in (0, None)
    [line] = (ended.stdout + ended.stderr).splitlines()
    assert line.startswith("Error: ")
    assert line.endswith((".", "?"))
    return line
