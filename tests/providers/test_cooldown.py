"""An upstream that could not be connected to is left alone for a while."""

import re

import pytest

from tests.providers.upstream import Answer, blackhole, cut, openai, reply
from tests.providers.upstream import Upstream as Wire
from tests.support.servers import free_port
from webapp.providers import cooldown
from webapp.providers.base import NotConnected, ProviderError
from webapp.providers.cooldown import CoolDown
from webapp.providers.openai import OpenAI
from webapp.providers.upstream import Server, Upstream

REFUSED = "The upstream is not running: it refused the connection"
AFTER = r"; try again after \d\d:\d\d:\d\d\."


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cooldown, "monotonic", clock)
    return clock


def fail(cool_down: CoolDown, error: ProviderError | None = None) -> None:
    with pytest.raises(ProviderError), cool_down.attempt():
        raise error or NotConnected(REFUSED, "try again")


def seconds_left(cool_down: CoolDown) -> float | None:
    refusal = cool_down.refusal()
    return refusal.retry_after if refusal else None


def test_each_failure_doubles_the_pause_up_to_a_minute(clock: Clock) -> None:
    cool_down, pauses = CoolDown(), []
    for _ in range(6):
        fail(cool_down)
        pauses.append(seconds_left(cool_down))
        clock.passes(pauses[-1] or 0)
        assert cool_down.refusal() is None
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_success_begins_anew(clock: Clock) -> None:
    cool_down = CoolDown()
    for _ in range(2):
        fail(cool_down)
        clock.passes(10)
    with cool_down.attempt():
        pass
    fail(cool_down)
    assert seconds_left(cool_down) == 5


def test_until_then_nothing_is_tried_and_the_same_sentence_says_when(clock: Clock) -> None:
    cool_down = CoolDown()
    fail(cool_down)
    clock.passes(1.5)
    with pytest.raises(ProviderError) as refused, cool_down.attempt():
        raise AssertionError("it was tried")
    assert re.fullmatch(f"{REFUSED}{AFTER}", str(refused.value))
    assert refused.value.retry_after == 3.5
    assert refused.value.again


def test_many_who_fail_at_once_count_as_one(clock: Clock) -> None:
    cool_down = CoolDown()

    def fails_later_than_another() -> None:
        with cool_down.attempt():
            fail(cool_down)
            clock.passes(1)
            raise NotConnected("late")

    with pytest.raises(NotConnected):
        fails_later_than_another()
    assert seconds_left(cool_down) == 4


@pytest.mark.usefixtures("clock")
def test_an_upstream_that_was_reached_is_not_left_alone() -> None:
    cool_down = CoolDown()
    fail(cool_down, ProviderError("The upstream has a fault of its own (500)."))
    assert cool_down.refusal() is None


# On the wire


def upstream(url: str, connect_seconds: float = 5.0) -> Upstream:
    server = Server(name="lab", label="Lab", adapter=OpenAI, url=url, seconds=20.0, connect_seconds=connect_seconds)
    return Upstream(server)


def ask(upstream: Upstream) -> str:
    return "".join(
        str(chunk)
        for chunk in upstream.complete("m", [{"role": "user", "content": "Hi"}]).chunks
        if isinstance(chunk, str)
    )


def sentence(upstream: Upstream) -> str:
    with pytest.raises(ProviderError) as caught:
        ask(upstream)
    return str(caught.value)


@pytest.mark.usefixtures("clock")
def test_a_refused_connection_a_name_that_is_not_known_and_no_answer_in_time_are_left_alone() -> None:
    with blackhole() as full:
        for url in (f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid", full):
            lab = upstream(url, connect_seconds=0.2)
            first = sentence(lab).partition(";")[0]
            assert re.fullmatch(f"{re.escape(first)}.*{AFTER}", sentence(lab))


def test_a_certificate_that_is_refused_is_not_looked_at_again_until_the_time_has_come(clock: Clock) -> None:
    with Wire(openai(), tls=True) as wire:
        lab = upstream(wire.url)
        first = sentence(lab)
        assert "certificate" in first
        assert re.fullmatch(f"{re.escape(first[:-1])}{AFTER}", sentence(lab))
        assert re.search(AFTER, lab.health().sentence)
        assert wire.connections == 1
        clock.passes(5)
        assert sentence(lab) == first
        assert wire.connections == 2


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fault", [cut(), reply("No.", 500), reply("No.", 429)], ids=range(3))
def test_what_goes_wrong_later_does_not_keep_the_next_from_trying(fault: Answer) -> None:
    with Wire(openai("Well.")) as wire:
        wire.queue(fault)
        lab = upstream(wire.url)
        sentence(lab)
        assert ask(lab) == "Well."


def test_who_tries_when_the_time_has_come_and_gets_through_ends_it(clock: Clock) -> None:
    port = free_port()
    lab = upstream(f"http://127.0.0.1:{port}")
    assert sentence(lab).startswith(REFUSED)
    with Wire(openai("Well."), port=port):
        assert re.search(AFTER, sentence(lab))
        clock.passes(5)
        assert ask(lab) == "Well."
        assert lab.health().status == "up"
