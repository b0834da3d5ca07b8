"""Connections through a SOCKS proxy, the call's own like all others. Not an adapter; `http` uses it."""

import socket
from time import monotonic
from typing import Any

import socks

from .base import NotConnected
from .faults import PROXY, UPSTREAM, socks_failed, unreachable
from .lifeline import Lifeline, current
from .network import Connection, Pool, SecureConnection, SecurePool, connect, resolve


class SocksConnection(Connection):
    """With `socks5h` it is the proxy that looks the upstream's name up."""

    def __init__(self, *args: Any, _socks_options: dict[str, Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self._socks = _socks_options

    def _new_conn(self) -> socket.socket:
        self.call = current.get()
        seconds = self.timeout or 10.0
        host = self._upstream(self.call, seconds)
        sock = self._proxy(self.call, seconds)
        try:
            return _pass(sock, self._socks, host, self.port)
        except OSError as error:
            self.call.check()
            raise NotConnected.because(socks_failed(error)) from error

    def _upstream(self, call: Lifeline, seconds: float) -> str:
        host = self._dns_host.strip("[]")
        if self._socks["rdns"]:
            return host
        try:
            addresses = resolve(call, host, self.port, monotonic() + seconds)
        except OSError as error:
            raise NotConnected.because(unreachable(error, UPSTREAM)) from error
        return str(min(addresses, key=lambda address: bool(address[0] != socket.AF_INET))[4][0])

    def _proxy(self, call: Lifeline, seconds: float) -> socket.socket:
        try:
            return connect(call, self._socks["proxy_host"].strip("[]"), self._socks["proxy_port"] or 1080, seconds)
        except OSError as error:
            call.check()
            raise NotConnected.because(unreachable(error, PROXY)) from error


class SecureSocksConnection(SocksConnection, SecureConnection):
    pass


class SocksPool(Pool):
    ConnectionCls = SocksConnection


class SecureSocksPool(SecurePool):
    ConnectionCls = SecureSocksConnection


class _Connected(socket.socket):
    def connect(self, _: Any) -> None:
        """Nothing: this socket is connected to the proxy already."""


class _Passage(socks.socksocket, _Connected):
    """PySocks' handshake on a connected socket: it would open one of its own, which no call could end."""


def _pass(sock: socket.socket, options: dict[str, Any], host: str, port: int) -> socket.socket:
    """`sock`, which leads to the proxy, from now on leads to `host`. Raises `OSError`."""
    seconds = sock.gettimeout()
    with _Passage(sock.family, sock.type, sock.proto, fileno=sock.detach()) as passage:
        passage.set_proxy(options["socks_version"], "", 0, True, options["username"], options["password"])
        passage.settimeout(seconds)
        passage.connect((host, port))
        passed = socket.socket(fileno=passage.detach())
    passed.settimeout(seconds)
    return passed
