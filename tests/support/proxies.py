"""Real proxies for tests, on free loopback ports, stopped when the test is over."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import free_port, is_listening, missing, wait_until

USER, PASSWORD = "us", "secret"
LOGIN = f"{USER}:{PASSWORD}@"


@contextmanager
def tinyproxy(folder: Path) -> Iterator[int]:
    """An HTTP proxy that asks for `USER` and `PASSWORD`; yields its port."""
    port, configuration = free_port(), folder / "tinyproxy.conf"
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 100", f"BasicAuth {USER} {PASSWORD}", ""]
    configuration.write_text("\n".join(lines))
    with _running("tinyproxy", ["-d", "-c", str(configuration)], port, folder):
        yield port


@contextmanager
def microsocks(folder: Path) -> Iterator[int]:
    """A SOCKS5 proxy that asks for `USER` and `PASSWORD`; yields its port."""
    port = free_port()
    with _running("microsocks", ["-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD], port, folder):
        yield port


@contextmanager
def _running(name: str, arguments: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    program = shutil.which(name)
    if program is None:
        missing(name)
    with (folder / f"{name}.log").open("wb") as log:
        server = subprocess.Popen([str(program), *arguments], stdout=log, stderr=log)
    try:
        wait_until(lambda: is_listening(port))
        yield
    finally:
        server.terminate()
        server.wait(30)
