"""An upstream that thinks for as long as a test wants, or answers each by their words."""

from collections.abc import Mapping
from threading import Event

from tests.providers.upstream import Answer, Asked, Peer

SECONDS = 60.0


def held(answer: Answer, until: Event) -> Answer:
    """The same answer, but a POST has to wait for it."""

    def wait(asked: Asked, peer: Peer) -> None:
        if asked.method == "POST":
            until.wait(SECONDS)
        answer(asked, peer)

    return wait


def by_words(answers: Mapping[str, Answer], otherwise: Answer) -> Answer:
    """What `answers` holds for the words of the last message."""

    def answer(asked: Asked, peer: Peer) -> None:
        words = asked.json["messages"][-1]["content"] if asked.method == "POST" else ""
        answers.get(words, otherwise)(asked, peer)

    return answer
