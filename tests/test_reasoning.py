"""What a model thinks stands folded above its answer; what it counted and why it ended stand with it."""

import re
from html import unescape

import pytest

from tests.support.servers import Voichat, wait_until
from tests.support.talk import Talk, speaks
from tests.support.visitors import Visitor
from tests.test_live import PLAIN, browser, last, reply_id
from webapp.chats.endings import LIMIT

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

THOUGHTS = ["Hm, <b>\n", "\n  hm & hm: ", "“*x*”."]
ALL_THOUGHTS = "".join(THOUGHTS)


@pytest.fixture
def settings(talk: Talk) -> dict[str, str]:
    return speaks(talk)


@pytest.fixture
def alice(voichat: Voichat) -> Visitor:
    return Visitor(voichat)


def folds(page: str) -> list[tuple[bool, str]]:
    """Of each reasoning on the page: whether it is open, and its words."""
    page = re.sub("<!-- still writing -->|<span[^>]*></span>", "", page)
    found = re.findall(r'<details class="reasoning"( open)?>\s*<summary>Reasoning</summary>\s*<div[^>]*>([^<]*)', page)
    return [(bool(is_open), unescape(words)) for is_open, words in found]


def test_reasoning_grows_above_the_answer_and_is_folded_afterwards(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as page, alice.open(chat, **PLAIN) as plain:
        for piece, shown in zip(THOUGHTS, ("&lt;b&gt;", "hm &amp; hm:", "*x*"), strict=True):
            talk.think(piece)
            page.read_until(shown)
        assert 'class="text"' not in page.read_until("").rpartition("data-role=")[2]
        talk.say("Hello.")
        page.read_until("Hello.")
        with browser(alice, chat) as late:
            assert folds(late.read_until("Hello."))[-1:] == [(False, ALL_THOUGHTS)]
        talk.end()
        whole = page.read_to_its_end()
        assert plain.read_to_its_end() == "You:\nHi\n\nsmall:\nHello.\n\n"
    assert folds(whole) == [(True, ALL_THOUGHTS)]
    assert whole.index("</details>") < whole.index("Hello.")
    reloaded = alice.get(chat).text
    assert folds(reloaded) == [(False, ALL_THOUGHTS)]
    assert reloaded.index("</details>") < reloaded.index("Hello.")
    assert alice.get(chat, **PLAIN).text == "You:\nHi\n\nsmall:\nHello.\n\n"


def test_thoughts_in_tags_are_reasoning_too(alice: Visitor, talk: Talk) -> None:
    talk.say("<thi", "nk>Hm.</th", "ink>\n\nHel", "lo.")
    talk.end()
    chat = alice.send("Hi")
    assert last(alice, chat).words == "Hello."
    assert folds(alice.get(chat).text) == [(False, "Hm.")]


def test_a_reply_at_its_limit_of_length_says_so_and_goes_on(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.think("Hm.")
        talk.say("One")
        talk.end("length", read=7, written=1200)
        first = page.read_to_its_end()
    assert 'data-status="complete"></span>' in first
    assert LIMIT in first
    assert ">Continue</button>" in first
    assert ">Regenerate</button>" in first
    assert ">Retry</button>" not in first
    assert alice.get(chat, **PLAIN).text.endswith(f"One\n[complete: {LIMIT}]\n\n")
    assert "7 read, 1,200 written" in alice.get(chat).text
    for _ in range(2):
        alice.press("Continue", first)
    with browser(alice, chat) as page:
        page.read_until("One")
        talk.think("More.")
        talk.say(" two.")
        talk.end(read=20, written=3)
        assert folds(page.read_to_its_end()) == [(False, "Hm.")]
    reloaded = alice.get(chat).text
    assert last(alice, chat).words == "One two."
    assert folds(reloaded) == [(False, "Hm.\n\nMore.")]
    assert LIMIT not in reloaded
    assert ">Continue</button>" not in reloaded
    assert ">1,203 tokens</span>" in reloaded
    assert [told[:2] for told in talk.told()] == [["Hi"], ["Hi", "One"]]


def test_who_was_stopped_while_thinking_tries_again(alice: Visitor, talk: Talk) -> None:
    chat = alice.send("Hi")
    with browser(alice, chat) as page:
        talk.think("Hm.")
        alice.press("Stop", page.read_until("Hm."))
        stopped = page.read_to_its_end()
    assert folds(stopped) == [(True, "Hm.")]
    assert ">Continue</button>" not in stopped
    alice.post(f"{chat}/replies/{reply_id(stopped)}/retry", {"attempt": "1"})
    talk.wait_for_closed()
    with browser(alice, chat) as page:
        wait_until(lambda: len(talk.told()) == 2)
        talk.say("Hello.")
        talk.end()
        assert folds(page.read_to_its_end()) == []
    assert talk.told() == [["Hi"], ["Hi"]]
