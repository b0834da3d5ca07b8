"""People who go on sending whatever happens to the server, and who remember what it acknowledged."""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.client import HTTPException
from itertools import count
from random import Random
from threading import Event

from sqlalchemy import func, select

from tests.providers.upstream import Asked, Upstream, voigpt
from tests.support import databases
from tests.support.people import submit_id
from tests.support.servers import Voichat, wait_until
from tests.support.visitors import Answer, NotInTime, Visitor
from webapp.db import UNSETTLED, Database, conversations, messages

PATIENCE = 90.0
PAUSE_SECONDS = 0.1
CHAT_MESSAGES = 5
LONG_SECONDS = 60 * float(os.environ.get("FAULT_MINUTES", "20"))


def chance() -> Random:
    """What happens when; the same `SEED` in the environment makes the same happen again."""
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    print(f"SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    return Random(seed)


def echo() -> Upstream:
    """An upstream that thinks for a moment about each message and gives its words back."""

    def words(asked: Asked) -> str:
        time.sleep(PAUSE_SECONDS)
        return f"You said {last_words(asked)}"

    answer = voigpt(words)
    return Upstream(lambda asked, peer: answer(asked, peer) if _is_whole(asked) else None)


def last_words(asked: Asked) -> str:
    return str(asked.json["messages"][-1]["content"])


class Member:
    """Sends one message after the other, the same form again until it has got a 303."""

    def __init__(self, name: str, voichat: Voichat) -> None:
        self.visitor = Visitor(voichat)
        self.sent: dict[str, list[str]] = {}
        self.refusals: Counter[int] = Counter()
        self._name = name

    def talk(self, may_stop: Event) -> None:
        for chat in count():
            first = submit_id(self._insist(lambda: self.visitor.get("/")).text)
            address = self._send("/chats", f"{self._name}.{chat}.0", first)
            for message in range(1, CHAT_MESSAGES):
                if may_stop.is_set():
                    return
                self._send(f"{address}/messages", f"{self._name}.{chat}.{message}", secrets.token_hex(8))

    def _send(self, path: str, words: str, form_id: str) -> str:
        form = {"message": words, "submit_id": form_id}
        address = self._insist(lambda: self.visitor.post(path, form), words).headers["Location"]
        self.sent.setdefault(address, []).append(words)
        with suppress(HTTPException, OSError, NotInTime):  # a page may end with its worker, and wait out an outage
            self.visitor.get(address)
        return address

    def _insist(self, ask: Callable[[], Answer], words: str = "") -> Answer:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(HTTPException, OSError):
                answer = ask()
                if answer.status in (200, 303):
                    return answer
                assert answer.status == 503, answer.text
                assert words in answer.text
                self.refusals[answer.status] += 1
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("nobody answers")


class Crowd(AbstractContextManager["Crowd"]):
    """Members who talk for as long as it is entered."""

    def __init__(self, voichat: Voichat, people: int) -> None:
        self._members = [Member(str(number), voichat) for number in range(people)]
        self._pool = ThreadPoolExecutor(people)
        self._may_stop = Event()

    def __enter__(self) -> "Crowd":
        self._began = time.monotonic()
        self._talks = [self._pool.submit(member.talk, self._may_stop) for member in self._members]
        return self

    def __exit__(self, *_: object) -> None:
        self._may_stop.set()
        for talk in self._talks:
            talk.result(PATIENCE)
        self._pool.shutdown()

    @property
    def acknowledged(self) -> int:
        return sum(len(words) for member in self._members for words in list(member.sent.values()))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def check(self, database: Database, upstream: Upstream) -> None:
        """Every acknowledged message is there once with its reply; of the upstream none was asked twice."""
        lasted = self.seconds
        calls = Counter(map(last_words, filter(_is_whole, upstream.asked_for("POST"))))
        assert max(calls.values()) == 1
        ends = sum((self._ends(member, calls) for member in self._members), Counter[str]())
        assert databases.count(database, conversations) == sum(len(member.sent) for member in self._members)
        assert databases.count(database, messages) == 2 * self.acknowledged
        wait_until(lambda: _unsettled(database) == 0)
        refused = sum((member.refusals for member in self._members), Counter[int]()).total()
        print(f"{lasted:.0f} s, {self.acknowledged} acknowledged, {refused} refused, replies: {dict(ends)}")  # noqa: T201

    def _ends(self, member: Member, calls: Counter[str]) -> Counter[str]:
        """How the replies to this member ended."""
        ends: Counter[str] = Counter()
        for chat, words in member.sent.items():
            shown = member.visitor.until_settled(chat)
            assert [each.words for each in shown[::2]] == words
            for said, reply in zip(shown[::2], shown[1::2], strict=True):
                is_complete = reply.status == "complete"
                assert reply.words in ((f"You said {said.words}",) if is_complete else ("", f"You said {said.words}"))
                assert not is_complete or calls[said.words] == 1
                ends[reply.status] += 1
        return ends


def _is_whole(asked: Asked) -> bool:
    """A worker may die while it asks."""
    return len(asked.body) == int(asked.headers.get("content-length", 0))


def _unsettled(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(messages).where(UNSETTLED)).scalar_one()
