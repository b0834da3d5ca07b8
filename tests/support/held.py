"""An upstream that thinks for as long as a test wants."""

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
