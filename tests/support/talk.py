"""An OpenAI-compatible upstream that says what the test wants, when it wants it."""

from queue import Empty, Queue
from time import monotonic

from tests.providers.upstream import DONE, END, Asked, Peer, Upstream, chunked, delta, event, openai, stream

SECONDS = 60.0


def speaks(upstream: Upstream) -> dict[str, str]:
    """The settings under which this upstream writes the replies."""
    return {"OPENAI_BASE_URL": f"{upstream.url}/v1", "VOICHAT_MODEL": "openai/small"}


class Talk(Upstream):
    """`think` or `say` a few words, and once more; then `end`. It is the same talk whoever asks.

    While it `is_silent`, who asks gets not a byte.
    """

    def __init__(self) -> None:
        self.is_silent = False
        self._events: Queue[bytes] = Queue()
        self._models = openai()
        super().__init__(self._reply)

    def say(self, *words: str) -> None:
        for each in words:
            self._events.put(delta(each))

    def think(self, *words: str) -> None:
        for each in words:
            self._events.put(delta(reasoning_content=each))

    def end(self, reason: str = "stop", read: int = 0, written: int = 0) -> None:
        """`read` and `written` are tokens; without them, none are counted."""
        usage = event({"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": written}})
        self._events.put(delta(finish_reason=reason) + usage * (read > 0) + DONE)

    def told(self) -> list[list[str]]:
        """What it was asked each time: the messages' words."""
        return [[message["content"] for message in asked.json["messages"]] for asked in self.asked_for("POST")]

    def _reply(self, asked: Asked, peer: Peer) -> None:
        if asked.method == "GET":
            return self._models(asked, peer)
        if self.is_silent:
            return _hold(peer)
        return stream(delta("", role="assistant"), then=self._talk)(asked, peer)

    def _talk(self, peer: Peer) -> None:
        until = monotonic() + SECONDS
        while monotonic() < until and not peer.is_gone(0.001):
            try:
                said = self._events.get(timeout=0.05)
            except Empty:
                continue
            peer.send(chunked(said))
            if said.endswith(DONE):
                return peer.send(END)
        return None


def _hold(peer: Peer) -> None:
    peer.is_gone(SECONDS)
