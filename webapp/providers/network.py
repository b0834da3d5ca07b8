"""Pools of connections whose sockets belong to the call that uses them. Not an adapter; `http` uses it."""

import contextlib
import io
import math
import os
import socket
import threading
from concurrent import futures
from functools import partial
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any, TypeAlias

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_write

from .base import NotConnected
from .faults import PROXY, UPSTREAM, failed, proxy_failed, unreachable
from .lifeline import Lifeline, current

IDLE_SECONDS = 1.0
BUFFER = 65_536

_Address: TypeAlias = tuple[Any, Any, int, str, Any]


class Connection(HTTPConnection):
    """Its socket is the current call's from before `connect()` until the answer has been read."""

    call: Lifeline | None = None
    idle_since = math.inf
    _reader: Any = None

    def _new_conn(self) -> socket.socket:
        self.call = current.get()
        try:
            return connect(self.call, self._dns_host.strip("[]"), self.port, self.timeout or 10.0)
        except OSError as error:
            self.call.check()
            raise NotConnected.because(unreachable(error, PROXY if self.proxy else UPSTREAM)) from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        call = current.get()
        if self.call is not call:
            self.call = call
            call.hold(self.sock)
        self.timeout = call.silence  # it was the limit for connecting
        self._reader = self.sock
        self.response_class = partial(_Answer, call)  # type: ignore[assignment]  # no more than called
        super().request(*args, **kwargs)

    def limit_silence(self, seconds: float) -> None:
        """From now on no read waits longer, also after `Connection: close`, where http.client drops the socket."""
        self._reader.settimeout(seconds)

    def rest(self) -> None:
        """No call's any more, but open for the next."""
        if self.call:
            self.call.let_go()
        self.call, self.idle_since = None, monotonic()

    def is_stale(self) -> bool:
        """Idle for so long that the upstream may be about to close it (gunicorn does so after 2 s).

        A POST sent just then is lost, and must not be sent again: it may have arrived.
        """
        return monotonic() - self.idle_since > IDLE_SECONDS


class _Answer(HTTPResponse):
    """Read at the pace of its call."""

    def __init__(self, call: Lifeline, sock: socket.socket, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp = io.BufferedReader(_Paced(self.fp.detach(), call), BUFFER)


class _Paced(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, call: Lifeline) -> None:
        self._raw = raw
        self._call = call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._call.breathe()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class SecureConnection(Connection, HTTPSConnection):
    """What breaks on the way through a proxy is the proxy's fault; what breaks behind it is not."""

    is_through = False

    def connect(self) -> None:
        self.is_through = self.proxy is None
        try:
            super().connect()
        except (OSError, HTTPException) as error:
            current.get().check()
            raise NotConnected.because(failed(error) if self.is_through else proxy_failed(error)) from error

    def _tunnel(self) -> None:
        super()._tunnel()
        self.is_through = True


class Pool(HTTPConnectionPool):
    ConnectionCls: type[Connection] = Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn: Any = super()._get_conn(timeout)
        if conn.is_stale():
            conn.close()
            self._close_idle()
        return conn

    def _close_idle(self) -> None:
        """The last one to rest is the first taken: under a stale one all are stale."""
        if self.pool:
            with self.pool.mutex:
                for conn in filter(None, self.pool.queue):
                    conn.close()

    def _put_conn(self, conn: Any) -> None:
        if conn:
            conn.rest()
            if self.proxy and self.scheme == "http":  # some proxies close it after each answer, and do not say so
                conn.close()
        super()._put_conn(conn)


class SecurePool(Pool, HTTPSConnectionPool):
    ConnectionCls: type[SecureConnection] = SecureConnection


def connect(call: Lifeline, host: str, port: int, seconds: float) -> socket.socket:
    """Try the addresses of `host` in turn, each for its share of the time that is left. Raises `OSError`."""
    until = monotonic() + seconds
    error = OSError()
    addresses = resolve(call, host, port, until)
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return _connect_to(call, address, (until - monotonic()) / left)
        except OSError as failed:
            call.check()
            error = failed
    raise error


def resolve(call: Lifeline, host: str, port: int, until: float) -> list[_Address]:
    """The addresses of `host`; the wait for them ends with the call. Raises `OSError`."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answer: futures.Future[list[_Address]] = futures.Future()
    threading.Thread(target=_look_up, args=(host, port, answer), name="name look-up", daemon=True).start()
    while not answer.done():
        call.check()
        if monotonic() >= until:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer in time")
        futures.wait([answer], 0.05)
    return answer.result()


def _look_up(host: str, port: int, answer: futures.Future[list[_Address]]) -> None:
    try:
        answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        answer.set_exception(error)


def _connect_to(call: Lifeline, address: _Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, place = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        call.hold(sock)
        sock.connect_ex(place)
        call.check()  # ending the call just before connect_ex() did not reach the socket
        _await_connected(sock, max(seconds, 0.0))
        sock.settimeout(seconds)
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connected(sock: socket.socket, seconds: float) -> None:
    if not wait_for_write(sock, seconds):
        raise TimeoutError
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))
