"""How much later than from the upstream itself a reply's words are there, with how many replies at once; and what so
many cost besides: memory, processor, and what others wait for their pages meanwhile.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from math import isfinite
from time import process_time
from typing import Any

from . import servers
from .clients import Reply, Tell, crowd, knock, one_by_one, straight, through_voichat
from .report import Report, percentile, progress
from .servers import Server

OTHERS = ("/", "/healthz")
PAUSE = 0.1  # between two of the others
ALONE, ALONE_WORDS = 30, 4
LATE = 1000.0  # ms
BURST_OVER = 1.0


@dataclass(frozen=True)
class Size:
    """A reply lasts a little longer than the time in which they all come, so that they are there at once."""

    at_once: tuple[int, ...] = (50, 100, 200, 500)
    more: tuple[int, ...] = (750, 1000)
    rates: tuple[int, ...] = (10, 30)  # words a second; the last one for what is measured at one alone
    burst: int = 500
    over: float = 10.0
    lasts: float = 11.0
    burst_lasts: float = 5.0


QUICK = Size(at_once=(20,), more=(40,), rates=(30,), burst=30, over=2, lasts=2, burst_lasts=2)


@dataclass
class Course:
    """How some replies went: `others` is what somebody else waited for pages, `memory` MB when all were there."""

    replies: list[Reply]
    others: dict[str, list[float]] = field(default_factory=dict)
    memory: float = 0.0
    cpu: float = 0.0
    clients_cpu: float = 0.0

    @property
    def lost(self) -> int:
        return sum(not isfinite(reply.late) for reply in self.replies)

    @property
    def is_good(self) -> bool:
        return self.lates(100) < LATE

    def firsts(self, percent: float) -> float:
        """Milliseconds."""
        return percentile([reply.first for reply in self.replies], percent) * 1000

    def lates(self, percent: float) -> float:
        """Milliseconds."""
        return percentile([reply.late for reply in self.replies], percent) * 1000


@dataclass(frozen=True)
class Side:
    """Somebody who brings replies, and how they are asked for."""

    name: str
    server: Server
    tell: Tell
    others: tuple[str, ...] = ()

    def alone(self, rate: int) -> Course:
        return Course(asyncio.run(one_by_one(self.tell, ALONE, ALONE_WORDS, rate)))

    def at_once(self, people: int, rate: int, over: float, lasts: float) -> Course:
        progress(f"{people} replies within {over:.0f} s, {rate} words a second: {self.name}")
        return asyncio.run(self._course(crowd(self.tell, people, over, int(lasts * rate), rate), over))

    async def _course(self, telling: Coroutine[Any, Any, list[Reply]], over: float) -> Course:
        cpu, mine = self.server.cpu(), process_time()
        found: dict[str, list[float]] = {path: [] for path in self.others}
        knocking = [asyncio.create_task(knock(self.server.port, path, PAUSE, times)) for path, times in found.items()]
        told = asyncio.create_task(telling)
        await asyncio.sleep(over)
        memory = self.server.pss()
        replies = await told
        for each in knocking:
            each.cancel()
        return Course(replies, found, memory, self.server.cpu() - cpu, process_time() - mine)


@dataclass(frozen=True)
class Sides:
    """What the upstream itself takes, in the median, is subtracted from what both others do."""

    upstream: Side
    bare: Side
    voichat: Side


def run(report: Report, size: Size) -> None:
    with servers.upstream() as upstream, servers.floor(upstream.port) as floor, servers.voichat(upstream.port) as ours:
        sides = Sides(
            Side("the upstream itself", upstream, straight(upstream.port, "/v1/chat/completions")),
            Side("a bare Flask proxy", floor, straight(floor.port, "/"), ("/",)),
            Side("Voichat", ours, through_voichat(ours.port), OTHERS),
        )
        idle = ours.pss(), floor.pss()
        for rate in size.rates:
            _alone(report, sides, rate)
        good = _all_at_once(report, sides, size, idle)
        _burst(report, sides, size)
        _capacity(report, sides.voichat, size, good)


def _alone(report: Report, sides: Sides, rate: int) -> None:
    progress(f"{ALONE} replies one after the other, {rate} words a second")
    direct, bare, ours = (side.alone(rate) for side in (sides.upstream, sides.bare, sides.voichat))
    _added(report, f"1 at a time, {rate}/s", direct, bare, ours)
    _points(report, 1, rate, direct, bare, ours)


def _all_at_once(report: Report, sides: Sides, size: Size, idle: tuple[float, float]) -> int:
    """The most that went well at the highest speed."""
    good = 0
    direct = sides.upstream.at_once(size.at_once[-1], size.rates[-1], size.over, size.lasts)
    for people in size.at_once:
        for rate in size.rates:
            bare, ours = (side.at_once(people, rate, size.over, size.lasts) for side in (sides.bare, sides.voichat))
            what = f"{people} at once, {rate}/s"
            _added(report, what, direct, bare, ours)
            _points(report, people, rate, direct, bare, ours)
            _besides(report, what, bare, ours, idle)
        good = people if ours.is_good else good
    return good


def _burst(report: Report, sides: Sides, size: Size) -> None:
    rate, lasts = size.rates[-1], size.burst_lasts
    direct, bare, ours = (
        side.at_once(size.burst, rate, BURST_OVER, lasts) for side in (sides.upstream, sides.bare, sides.voichat)
    )
    what = f"a burst of {size.burst}, {rate}/s"
    _added(report, what, direct, bare, ours)
    _others(report, what, bare, ours)


def _capacity(report: Report, voichat: Side, size: Size, good: int) -> None:
    for people in size.more if good == size.at_once[-1] else ():
        ours = voichat.at_once(people, size.rates[-1], size.over, size.lasts)
        report.add(f"{people} at once, {size.rates[-1]}/s: lost", ours.lost, "replies")
        report.add(f"{people} at once, {size.rates[-1]}/s: last word late, the latest", ours.lates(100), "ms")
        if not ours.is_good:
            break
        good = people
    report.add("at once, all whole and none late by a second", good, "replies")


def _added(report: Report, what: str, direct: Course, bare: Course, ours: Course) -> None:
    first, late = direct.firsts(50), direct.lates(50)
    for percent in (50, 99):
        added = ours.firsts(percent) - first, bare.firsts(percent) - first
        report.add(f"{what}: added to the first word, p{percent}", added[0], "ms", added[1])
    for percent in (50, 99):
        added = ours.lates(percent) - late, bare.lates(percent) - late
        report.add(f"{what}: added to the last word, p{percent}", added[0], "ms", added[1])
    report.add(f"{what}: lost", ours.lost, "replies", bare.lost)


def _points(report: Report, people: int, rate: int, direct: Course, bare: Course, ours: Course) -> None:
    for name, course in (("Voichat", ours), ("bare Flask", bare)):
        for percent in (50, 99):
            report.point(f"{name}, {rate}/s, p{percent}", people, course.firsts(percent) - direct.firsts(50))


def _besides(report: Report, what: str, bare: Course, ours: Course, idle: tuple[float, float]) -> None:
    people = len(ours.replies)
    report.add(f"{what}: processor, each", ours.cpu / people * 1000, "ms", bare.cpu / people * 1000)
    memory = (ours.memory - idle[0]) / people * 1000, (bare.memory - idle[1]) / people * 1000
    report.add(f"{what}: memory, each", memory[0], "KB", memory[1])
    report.add(f"{what}: the clients' own processor", ours.clients_cpu, "s", bare.clients_cpu)
    _others(report, what, bare, ours)


def _others(report: Report, what: str, bare: Course, ours: Course) -> None:
    hello = percentile(bare.others["/"], 99) * 1000
    for path, seconds in ours.others.items():
        report.add(f"{what}: {path} meanwhile, p99", percentile(seconds, 99) * 1000, "ms", hello)
