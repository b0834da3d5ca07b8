"""How many pages a second, and how long each takes, beside Flask's hello behind the same gunicorn."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import select

from tests.support import long
from webapp.db import Database, conversations

from . import servers
from .clients import FORM, browsing, closed_loop, get, post
from .report import Report, percentile, progress
from .servers import Server

CLIENTS = 16
MESSAGES, CHATS = 50, 10_000
TEXT = "Message {}: " + "the quick brown fox jumps over the lazy dog. " * 10


@dataclass(frozen=True)
class Size:
    rounds: int = 4
    seconds: float = 2.0
    chats: int = CHATS


QUICK = Size(rounds=1, seconds=0.5, chats=200)


@dataclass
class Loop:
    """Clients that ask one question over and over: seconds of each answer, and of the server's processor for all."""

    server: Server
    question: bytes
    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def go_on(self, seconds: float) -> None:
        cpu = self.server.cpu()
        self.seconds += asyncio.run(closed_loop(self.server.port, self.question, CLIENTS, seconds))
        self.cpu += self.server.cpu() - cpu

    @property
    def each(self) -> float:
        """Milliseconds of processor."""
        return self.cpu / len(self.seconds) * 1000


def run(report: Report, size: Size) -> None:
    with servers.upstream() as upstream, servers.floor() as floor, servers.voichat(upstream.port) as ours:
        hello, loops = Loop(floor, get(floor.port, "/")), questions(ours, size)
        for number in range(size.rounds):
            for what, loop in {"a hello": hello, **loops}.items():
                progress(f"round {number + 1} of {size.rounds}: {CLIENTS} clients ask for {what}")
                loop.go_on(size.seconds)
    lasted = size.rounds * size.seconds
    for what, loop in loops.items():
        report.add(f"{what}: pages a second", len(loop.seconds) / lasted, "/s", len(hello.seconds) / lasted)
        report.add(f"{what}: processor, each", loop.each, "ms", hello.each)
        report.add(f"{what}: p99", percentile(loop.seconds, 99) * 1000, "ms", percentile(hello.seconds, 99) * 1000)


def questions(server: Server, size: Size) -> dict[str, Loop]:
    database = Database(f"sqlite:///{data(server) / 'voichat.sqlite3'}")
    (hers, her_cookie), (his, his_cookie) = (asyncio.run(newcomer(server.port, database)) for _ in range(2))
    chat, _ = long.begin(database, hers, MESSAGES, TEXT)
    long.begin_many(database, his, size.chats - 1)
    database.close()
    return {
        "the page of a new chat": Loop(server, get(server.port, "/")),
        f"a chat of {MESSAGES} messages": Loop(server, get(server.port, f"/chats/{chat}", her_cookie)),
        f"the list of {size.chats:,} chats": Loop(server, get(server.port, "/chats", his_cookie)),
    }


async def newcomer(port: int, database: Database) -> tuple[str, str]:
    """Who somebody is that has sent something and read the answer, and the cookie that says so."""
    form = urlencode({"message": "2 words at 0 a second"})
    async with browsing(port) as browser:
        sent = await browser.ask(post(port, "/chats", FORM, form))
        chat, cookie = sent.header("Location"), sent.header("Set-Cookie")
        await browser.ask(get(port, chat, cookie))
    query = select(conversations.c.owner_id).where(conversations.c.id == chat.rpartition("/")[2])
    with database.read() as connection:
        return str(connection.execute(query).scalar_one()), cookie


def data(server: Server) -> Path:
    """The folder of its state, as it was started."""
    environment = Path(f"/proc/{server.pid}/environ").read_bytes().decode().split("\0")
    return Path(next(each for each in environment if each.startswith("VOICHAT_DATA=")).partition("=")[2])
