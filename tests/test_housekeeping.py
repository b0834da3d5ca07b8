"""Chores: done now and then by every process, at once when called, and never in the way of an end."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic

import pytest
from flask import Flask

from tests.support.databases import away
from webapp.chats import housekeeping
from webapp.chats.housekeeping import Chore, Housekeeping

SECONDS = 10.0


@pytest.fixture
def opened() -> Iterator[list[Housekeeping]]:
    """Those that a test opens are closed."""
    found: list[Housekeeping] = []
    yield found
    for each in found:
        each.close()


def opening(opened: list[Housekeeping], *chores: Chore) -> Housekeeping:
    opened.append(Housekeeping(chores))
    opened[-1].open()
    return opened[-1]


def fail() -> None:
    raise ZeroDivisionError


def test_chores_are_done_again_and_again(opened: list[Housekeeping], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PERIOD_SECONDS", 0.01)
    done, is_third = [], Event()

    def count() -> None:
        done.append(1)
        if len(done) == 3:
            is_third.set()

    opening(opened, count)
    assert is_third.wait(SECONDS)


def test_who_calls_has_them_done_at_once(opened: list[Housekeeping]) -> None:
    done = Event()
    opening(opened, done.set).call()
    assert done.wait(SECONDS)


def test_a_call_while_they_are_being_done_has_them_done_once_more(opened: list[Housekeeping]) -> None:
    begun, may_end, again = Event(), Event(), Event()

    def work() -> None:
        (again if begun.is_set() else begun).set()
        may_end.wait(SECONDS)

    house = opening(opened, work)
    house.call()
    assert begun.wait(SECONDS)
    house.call()
    may_end.set()
    assert again.wait(SECONDS)


def test_a_chore_is_done_to_its_end_step_by_step() -> None:
    left = [1, 2, 3]

    def take_one() -> bool:
        left.pop()
        return bool(left)

    Housekeeping([take_one]).do()
    assert left == []


def test_one_that_fails_stops_no_other_and_is_tried_again() -> None:
    done: list[int] = []
    house = Housekeeping([fail, lambda: done.append(1)])
    house.do()
    house.do()
    assert done == [1, 1]


def test_a_fault_is_logged_once_until_all_is_well_again(caplog: pytest.LogCaptureFixture) -> None:
    is_well = Event()
    house = Housekeeping([lambda: None if is_well.is_set() else fail()])
    house.do()
    house.do()
    assert len(caplog.records) == 1
    is_well.set()
    house.do()
    is_well.clear()
    house.do()
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_an_outage_of_the_database_is_logged_once_a_chore_and_heals(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    house = app.extensions["voichat"].housekeeping
    with away(app.extensions["voichat"].database):
        house.do()
        logged = len(caplog.records)
        house.do()
    assert 0 < logged == len(caplog.records)
    house.do()
    assert logged == len(caplog.records)


def test_the_end_waits_for_one_step_not_for_the_whole_chore(opened: list[Housekeeping]) -> None:
    begun = Event()

    def endless() -> bool:
        begun.set()
        return True

    house = opening(opened, endless)
    house.call()
    assert begun.wait(SECONDS)
    since = monotonic()
    house.close()
    assert monotonic() - since < housekeeping.PAUSE_SECONDS


def test_two_that_keep_house_at_once_do_no_harm(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    chores = app.extensions["voichat"].housekeeping._chores
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Housekeeping.do, [Housekeeping(chores), Housekeeping(chores)]))
    assert caplog.records == []


def test_nothing_is_done_where_it_was_not_opened(app: Flask) -> None:
    assert app.extensions["voichat"].housekeeping._thread is None
