"""A real nginx in front of the product, with the configuration that an admin copies."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

from tests.support.servers import ROOT, Voichat, free_port, is_listening, missing, wait_until
from tests.support.visitors import PATIENCE, Visitor

CERTIFICATE = ROOT / "tests" / "providers" / "localhost.pem"

# Everything that may be cached is cached, and for long.
MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=all:1m;
    proxy_cache all;
    proxy_cache_valid any 10m;
    add_header X-Cached $upstream_cache_status always;
    {servers}
}}
"""
SERVER = """
server {{
    listen 127.0.0.1:443 ssl;
    ssl_certificate /etc/ssl/chat.example.com.pem;
    ssl_certificate_key /etc/ssl/chat.example.com.key;
    {locations}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """Where it listens, and the prefix under which Voichat is there."""

    port: int
    prefix: str
    voichat: Voichat

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


class ProxiedVisitor(Visitor):
    """Comes over https; paths are the whole ones that the browser sees."""

    def __init__(self, nginx: Nginx) -> None:
        super().__init__(nginx.voichat)
        self.nginx = nginx

    def _ask(
        self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]
    ) -> tuple[HTTPConnection, HTTPResponse]:
        trust = ssl.create_default_context(cafile=str(CERTIFICATE))
        trust.check_hostname = False
        connection = HTTPSConnection("127.0.0.1", self.nginx.port, timeout=PATIENCE, context=trust)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent | ({"Cookie": self.cookie} if self.cookie else {}))
        return connection, connection.getresponse()


@contextmanager
def nginx(voichat: Voichat, prefix: str, folder: Path) -> Iterator[Nginx]:
    """Serves `deploy/nginx.conf`, or under a prefix `deploy/nginx-subpath.conf`, with the addresses of this test."""
    with _running(_example(prefix), voichat, folder) as port:
        yield Nginx(port, prefix, voichat)


@contextmanager
def nginx_that_asks(voichat: Voichat, sign_in: str, folder: Path) -> Iterator[Nginx]:
    """Serves `deploy/nginx-oauth2-proxy.conf`, which asks `sign_in`, a host and port, who everybody is."""
    example = (ROOT / "deploy" / "nginx-oauth2-proxy.conf").read_text().replace("127.0.0.1:4180", sign_in)
    with _running(example, voichat, folder) as port:
        yield Nginx(port, "", voichat)


@contextmanager
def _running(example: str, voichat: Voichat, folder: Path) -> Iterator[int]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin")
    if program is None:
        missing("nginx")
    assert program
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(MAIN.format(folder=folder, servers=_placed(example, voichat.port, port)))
    with (folder / "error.log").open("wb") as log:
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_listening(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _example(prefix: str) -> str:
    if not prefix:
        return (ROOT / "deploy" / "nginx.conf").read_text()
    return SERVER.format(locations=(ROOT / "deploy" / "nginx-subpath.conf").read_text())


def _placed(example: str, voichat: int, port: int) -> str:
    return (
        example.replace("127.0.0.1:8000", f"127.0.0.1:{voichat}")
        .replace("127.0.0.1:443 ssl", f"127.0.0.1:{port} ssl")
        .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        .replace("/etc/ssl/chat.example.com.pem", str(CERTIFICATE))
        .replace("/etc/ssl/chat.example.com.key", str(CERTIFICATE))
    )
