"""The benchmark's own parts: what it measures with has to be right before any of its figures is."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.load import picture, servers, tables
from bench.load.clients import Reply, crowd, one_by_one, straight, through_voichat
from bench.load.report import Report, percentile
from bench.load.upstream import FIRST, LAST, word
from tests.support.servers import free_port

WORDS, RATE = 4, 20


def run(replies: Coroutine[Any, Any, list[Reply]]) -> list[Reply]:
    """In a thread of its own: Playwright keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, replies).result()


def test_a_reply_has_its_first_and_its_last_word_once() -> None:
    said = [word(number, 500).strip() for number in range(500)]
    assert (said[0], said[-1]) == (FIRST, LAST)
    assert not {FIRST, LAST} & set(said[1:-1])


def test_the_upstream_takes_as_long_as_it_is_asked_to() -> None:
    with servers.upstream() as upstream:
        tell = straight(upstream.port, "/v1/chat/completions")
        replies = run(crowd(tell, 5, 0.1, WORDS, RATE))
    assert all(0 < reply.first < 1 for reply in replies)
    assert all(0 <= reply.late < 1 for reply in replies)


def test_the_floor_and_voichat_bring_what_the_upstream_says() -> None:
    with servers.upstream() as upstream:
        with servers.floor(upstream.port) as floor:
            [bare] = run(one_by_one(straight(floor.port, "/"), 1, WORDS, RATE))
        with servers.voichat(upstream.port) as voichat:
            [ours] = run(one_by_one(through_voichat(voichat.port), 1, WORDS, RATE))
            assert voichat.pss() > 0
            assert voichat.cpu() > 0
    assert 0 <= bare.late < inf
    assert 0 <= ours.late < inf


def test_what_nobody_answers_is_lost() -> None:
    [reply] = run(crowd(straight(free_port(), "/"), 1, 0, WORDS, RATE))
    assert reply.late == inf


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (75, 3), (99, inf), (100, inf)])
def test_a_lost_one_counts_as_the_slowest(percent: float, value: float) -> None:
    assert percentile([3, inf, 1, 2], percent) == value


def test_figures_are_written_with_their_ratio_and_without_infinity(tmp_path: Path) -> None:
    report = Report({})
    report.add("a page", 6.0, "ms", 2.0)
    report.add("a lost one", inf, "ms")
    written = report.write(tmp_path).read_text()
    assert '"ratio": 3.0' in written
    assert "Infinity" not in written


def test_the_picture_is_xml_and_shows_every_curve() -> None:
    drawn = picture.lines("A & B", "x", "ms", {"a < b": {1: 3.0, 50: 250.0}, "lost": {1: 2.0, 50: inf}})
    root = ElementTree.fromstring(drawn)
    assert len(root.findall("{*}polyline")) == 2
    assert "a < b" in [text.text for text in root.findall("{*}text")]


def test_the_tables_hold_each_figure_beside_its_floor(tmp_path: Path) -> None:
    report = Report({})
    for what in tables.ADDED:
        report.add(f"50 at once, 10/s: {what}", 21.4, "ms", 2.0)
    report.add("50 at once, 10/s: lost", inf, "replies", 0)
    report.add("the page of a new chat: processor, each", 0.654, "ms", 0.2)
    report.add("SQLite: the list of 10 chats", 1234.5, "ms", 1.0)
    report.add("SQLite: the list of 10,000 chats", 9.0, "ms", 1.0)
    report.add("SQLite, 2 workers: new-chat pages a second", 250.0, "/s")
    run = tables.read(report.write(tmp_path))
    assert "| 50 at once, 10/s | 21.4 / 2 | 21.4 / 2 | 21.4 / 2 | 21.4 / 2 | never / 0 |" in tables.replies(run)
    assert "| the page of a new chat: processor, each | 0.65 ms | 0.2 ms | 3.3 |" in tables.pairs(run)
    assert "| SQLite: the list of … chats | 1 234 | 9 |" in tables.growth(run)
    assert "| | new-chat pages a second, /s |" in tables.workers(run)
    assert "| SQLite, 2 workers | 250 |" in tables.workers(run)
