"""People with Firefox, JavaScript off and on, in front of the running product."""

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import quote, urlsplit

import pytest

from tests.providers.upstream import Upstream, voigpt
from tests.support.firefox import Firefox, Person, Tab
from tests.support.servers import Voichat
from tests.test_browser import SIDEWAYS, WIDE, Serve, asked, on_sqlite, says

pytestmark = pytest.mark.browser

MESSAGE, SEND, RETRY = "#message", "#composer button", ".again button"
TEXTS, LAST = "article .text", "article:last-of-type"
PHONE = (360, 640)


@pytest.fixture
def alice(running_firefox: Firefox) -> Iterator[Person]:
    with running_firefox.person() as person:
        yield person


@pytest.fixture
def mallory(running_firefox: Firefox) -> Iterator[Person]:
    with running_firefox.person() as person:
        yield person


def at_home(person: Person, voichat: Voichat) -> Tab:
    tab = person.tab()
    tab.open(voichat.url)
    tab.wait_for(SEND)
    return tab


def send(tab: Tab, words: str) -> None:
    tab.type(MESSAGE, words)
    press(tab, SEND)


def press(tab: Tab, button: str, times: int = 1) -> None:
    """Waits for the next page to begin, not for its end."""
    before = submit_id(tab)
    tab.press(button, times)
    tab.wait_until(lambda: submit_id(tab) != before)


def submit_id(tab: Tab) -> str:
    return tab.value("#composer [name=submit_id]")


def composer_is_below_the_messages(tab: Tab) -> bool:
    return tab.box(LAST).bottom <= tab.box("#composer").top


def test_the_browser_is_what_the_tests_take_it_for(running_firefox: Firefox, alice: Person) -> None:
    script = "<script>document.querySelector('p').textContent = 'on'</script>"
    tab = alice.tab()
    tab.open("data:text/html," + quote(f"<p>off</p>{script}<img src=http://evil.example/pixel.png><p id=end>end"))
    tab.wait_for("p", ["on" if running_firefox.javascript else "off", "end"])
    tab.wait_until(lambda: "http://evil.example/pixel.png" in alice.requests)
    assert tab.ask("() => matchMedia('(prefers-color-scheme: dark)').matches") == (running_firefox.scheme == "dark")


@on_sqlite
def test_alice_reads_the_reply_goes_on_and_finds_the_chat_in_her_list(
    alice: Person, mallory: Person, voichat: Voichat, may_answer: Event
) -> None:
    tab = at_home(alice, voichat)
    may_answer.clear()
    send(tab, "One\nline")
    tab.wait_for(".writing", ["Writing…"])
    assert composer_is_below_the_messages(tab)
    tab.type(MESSAGE, "Two")
    may_answer.set()
    tab.wait_for(TEXTS, ["One\nline", "Hello."])
    assert tab.text(".writing") == []
    assert tab.value(MESSAGE) == "Two"
    press(tab, SEND)
    tab.wait_for(TEXTS, ["One\nline", "Hello.", "Two", "Hello."])
    assert composer_is_below_the_messages(tab)
    chat = tab.url
    tab.open(f"{voichat.url}/chats")
    tab.wait_for(".conversations li > a", ["One"])
    tab.press(".conversations li > a")
    tab.wait_for(TEXTS, ["One\nline", "Hello.", "Two", "Hello."])
    assert tab.url == chat
    stranger = mallory.tab()
    stranger.open(chat)
    stranger.wait_for(".hint", ["Error 404"])
    assert stranger.text(TEXTS) == []


@on_sqlite
def test_a_failed_reply_says_why_and_retry_works_by_a_click(alice: Person, serve: Serve, upstream: Upstream) -> None:
    tab = at_home(alice, serve(WEB_CONCURRENCY="1"))
    says(upstream, voigpt(""))
    send(tab, "Hi")
    tab.wait_for("article .problem", ["The upstream's answer is empty; try again."])
    press(tab, RETRY)
    tab.wait_for(TEXTS, ["Hi", "Hello."])
    assert tab.text(".problem") == []
    assert asked(upstream) == 2


@on_sqlite
def test_a_double_click_on_send_is_one_message_and_stays_one_after_back_and_send(
    alice: Person, voichat: Voichat, upstream: Upstream
) -> None:
    tab = at_home(alice, voichat)
    tab.type(MESSAGE, "Hi")
    press(tab, SEND, times=2)
    tab.wait_for(TEXTS, ["Hi", "Hello."])
    chat = tab.url
    tab.back()
    tab.wait_until(lambda: tab.value(MESSAGE) == "Hi")
    press(tab, SEND)
    tab.wait_for(TEXTS, ["Hi", "Hello."])
    assert tab.url == chat
    tab.reload()
    tab.wait_until(lambda: tab.attribute(LAST, "data-status") == "complete")
    assert tab.text(TEXTS) == ["Hi", "Hello."]
    tab.open(f"{voichat.url}/chats")
    tab.wait_for(".conversations li > a", ["Hi"])
    assert asked(upstream) == 1


@on_sqlite
def test_every_page_fits_a_phone_in_light_and_dark_and_asks_no_other_host(
    running_firefox: Firefox, alice: Person, serve: Serve, upstream: Upstream, tmp_path: Path
) -> None:
    voichat = serve(WEB_CONCURRENCY="1")
    tab = at_home(alice, voichat)
    tab.resize(*PHONE)
    assert tab.ask(SIDEWAYS) == []
    says(upstream, voigpt(WIDE + "\n\n![p](https://example.org/p.png) <img src=//example.org>\n\nThe end."))
    send(tab, "word" * 50)
    tab.wait_until(lambda: "The end." in tab.text(LAST)[0])
    assert tab.ask(SIDEWAYS) == []
    assert composer_is_below_the_messages(tab)
    assert tab.box("#composer").bottom <= PHONE[1]
    tab.screenshot(tmp_path / "chat.png")
    assert size_of_png(tmp_path / "chat.png") == PHONE
    assert is_light(tab.style("html", "background-color")) == (running_firefox.scheme == "light")
    for path, heading in {"chats": "Chats", "providers/": "Providers", "nowhere": "There is nothing here."}.items():
        tab.open(f"{voichat.url}/{path}")
        tab.wait_for("h1", [heading])
        assert tab.ask(SIDEWAYS) == []
    asked = {urlsplit(url).netloc for url in alice.requests if not url.startswith("data:")}  # Firefox's own signs
    assert asked == {urlsplit(voichat.url).netloc}


def size_of_png(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def is_light(colour: str) -> bool:
    return min(int(part) for part in re.findall(r"\d+", colour)) > 128
