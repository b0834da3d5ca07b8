"""What comes over the wire, headers included, to a browser that was never here before."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from bench.weight import Wire, newcomer
from tests.support.servers import Voichat
from tests.support.visitors import Visitor

pytestmark = pytest.mark.browser

FIRST_VISIT = 14_000
"""A server may send about as much before it has heard from the browser again: ten packets."""
CHAT = 30_000
QUESTIONS = [
    "Show me a table",
    "Show me code",
    *(f"How do I connect my model, and who reads it? {n}" for n in range(8)),
]


@pytest.fixture(scope="module")
def fresh(stand: Callable[..., Voichat]) -> Voichat:
    """As on a fresh machine, where the front page says most."""
    return stand(VOIGPT_URL="embedded:", VOICHAT_LOG="requests")


def told(what: str, wire: Wire) -> str:
    """The figures, which `-s` shows, and for a test that fails."""
    figures = ", ".join(f"{urlsplit(address).path} {weight:,}" for address, weight in wire.weights.items())
    text = f"{what}: {wire.total:,} bytes in {len(wire.weights)} requests ({figures})"
    print(text)  # noqa: T201
    return text


def served(voichat: Voichat) -> list[str]:
    """The routes that the server says that it was asked for, but for whether it is up."""
    lines = [json.loads(line) for line in voichat.output().splitlines() if line.startswith("{")]
    return [line["route"] for line in lines if line["message"] == "request" and line["route"] != "/readyz"]


def test_a_first_visit_is_light(chromium: Browser, fresh: Voichat) -> None:
    with newcomer(chromium.browser_type) as wire:
        wire.open(fresh.url)
    figures = told("The first visit", wire)
    assert all(address.startswith(f"{fresh.url}/") for address in wire.weights), figures
    assert len(served(fresh)) == len(wire.weights) <= 4, figures
    assert wire.total <= FIRST_VISIT, figures


def test_a_chat_of_twenty_messages_is_light(chromium: Browser, fresh: Voichat) -> None:
    alice = Visitor(fresh)
    chat = "/"
    for question in QUESTIONS:
        chat = alice.send(question, chat)
        shown = alice.until_settled(chat)
    assert len(shown) == 20
    assert any("<table>" in each.html for each in shown)
    assert any("<pre" in each.html for each in shown)
    with newcomer(chromium.browser_type) as wire:
        name, _, value = alice.cookie.partition("=")
        wire.page.context.add_cookies([{"name": name, "value": value, "url": fresh.url}])
        wire.open(fresh.url)
        wire.weights.clear()
        wire.page.goto(f"{fresh.url}{chat}")
        assert wire.page.locator("article").count() == 20
    figures = told("A chat of twenty messages, for who has been here", wire)
    assert wire.total <= CHAT, figures
