"""People who go on sending whatever happens to the server, and who remember what it acknowledged."""

import os
import re
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.client import HTTPException
from itertools import count
from random import Random
from threading import Event

from sqlalchemy import func, select

from tests.providers.upstream import DONE, END, Asked, Peer, Upstream, chunked, delta, openai, stream, voigpt
from tests.support import databases
from tests.support.people import submit_id
from tests.support.servers import Voichat, wait_until
from tests.support.visitors import Answer, NotInTime, Visitor, at_once
from webapp.db import UNSETTLED, Database, conversations, messages

PATIENCE = 90.0
PAUSE_SECONDS = 0.1
WORD_SECONDS = 0.02
HTML, PLAIN = {"User_Agent": "Mozilla/5.0"}, {"Accept": "text/plain"}
CHAT_MESSAGES = 5
LONG_SECONDS = 60 * float(os.environ.get("FAULT_MINUTES", "20"))


def chance() -> Random:
    """What happens when; the same `SEED` in the environment makes the same happen again."""
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    print(f"SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    return Random(seed)


def reply_to(words: str) -> str:
    return "\n\n".join([f"You said {words}."] * 8)


def echo() -> Upstream:
    """An upstream that thinks for a moment about each message and gives its words back."""

    def words(asked: Asked) -> str:
        time.sleep(PAUSE_SECONDS)
        return reply_to(last_words(asked))

    answer = voigpt(words)
    return Upstream(lambda asked, peer: answer(asked, peer) if _is_whole(asked) else None)


def murmur() -> Upstream:
    """An upstream that gives the same replies, word by word."""
    models = openai()

    def answer(asked: Asked, peer: Peer) -> None:
        if asked.method == "GET":
            return models(asked, peer)
        if _is_whole(asked):
            stream(delta("", role="assistant"), then=lambda peer: _say(reply_to(last_words(asked)), peer))(asked, peer)

    return Upstream(answer)


def _say(text: str, peer: Peer) -> None:
    for word in re.findall(r"\s*\S+", text):
        peer.send(chunked(delta(word)))
        time.sleep(WORD_SECONDS)
    peer.send(chunked(delta(finish_reason="stop"), DONE), END)


def last_words(asked: Asked) -> str:
    return str(asked.json["messages"][-1]["content"])


class Member:
    """Sends one message after the other, the same form again until it has got a 303."""

    def __init__(self, name: str, voichat: Voichat) -> None:
        self.visitor = Visitor(voichat)
        self.sent: dict[str, list[str]] = {}
        self.refusals: Counter[int] = Counter()
        self.breaks = 0
        self.retried: Counter[str] = Counter()
        self.glimpses: defaultdict[str, list[str]] = defaultdict(list)
        """What pages showed of the reply to these words."""
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
        self._read(address)
        return address

    def _read(self, chat: str) -> None:
        with suppress(HTTPException, OSError, NotInTime):  # a page may end with its worker, and wait out an outage
            self.visitor.get(chat)

    def _insist(self, ask: Callable[[], Answer], words: str = "") -> Answer:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = ask()
                if answer.status in (200, 303):
                    return answer
                assert answer.status == 503, answer.text
                assert words in answer.text
                self.refusals[answer.status] += 1
            except (HTTPException, OSError):
                self.breaks += 1
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("nobody answers")


class Reader(Member):
    """Follows each reply on two pages, reloads what broke off, and presses Retry now and then."""

    def _read(self, chat: str) -> None:
        page = ""
        while not page.endswith("</html>\n"):
            page, plain = at_once(lambda headers: self._page(chat, headers), [HTML, PLAIN])
            for words, reply in [*_in_html(page), *_in_plain_text(plain)]:
                self.glimpses[words].append(reply)
        last = page.rpartition("<article")[2]
        if "<button>Retry</button>" in last and secrets.randbelow(2):
            words = _in_html(page)[-1][0]
            self.retried[words] += 1
            self.glimpses[words].clear()  # it begins anew
            self._insist(lambda: self.visitor.press("Retry", last))
            self._read(chat)

    def _page(self, chat: str, headers: dict[str, str]) -> str:
        """All that it shows until its end, or its worker's."""
        page = None
        try:
            with self.visitor.open(chat, **headers) as page:
                page.read_to_its_end()
        except (HTTPException, OSError, NotInTime):
            self.breaks += 1
            time.sleep(PAUSE_SECONDS)
        return page.shown if page else ""


class Crowd(AbstractContextManager["Crowd"]):
    """Members who talk for as long as it is entered."""

    def __init__(self, voichat: Voichat, people: int, kind: type[Member] = Member) -> None:
        self._members = [kind(str(number), voichat) for number in range(people)]
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
    def breaks(self) -> int:
        """How often somebody's connection was refused or broke off."""
        return sum(member.breaks for member in self._members)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def goes_on(self) -> None:
        """Waits until one more message has been acknowledged."""
        before = self.acknowledged
        wait_until(lambda: self.acknowledged > before, PATIENCE)

    def check(self, database: Database, upstream: Upstream) -> Counter[str]:
        """Every acknowledged message is there once with its reply, of which no page has shown what is not there.

        Of the upstream none was asked twice unless a person pressed Retry. Returns how the replies ended.
        """
        lasted = self.seconds
        calls = Counter(map(last_words, filter(_is_whole, upstream.asked_for("POST"))))
        retried = sum((member.retried for member in self._members), Counter[str]())
        assert all(times <= 1 + retried[words] for words, times in calls.items())
        ends = sum((self._ends(member, calls) for member in self._members), Counter[str]())
        assert databases.count(database, conversations) == sum(len(member.sent) for member in self._members)
        assert databases.count(database, messages) == 2 * self.acknowledged
        wait_until(lambda: _unsettled(database) == 0)
        refused = sum((member.refusals for member in self._members), Counter[int]()).total()
        print(f"{lasted:.0f} s, {self.acknowledged} acknowledged, {refused} refused, {retried.total()} retried")  # noqa: T201
        print(f"replies: {dict(ends)}")  # noqa: T201
        return ends

    def _ends(self, member: Member, calls: Counter[str]) -> Counter[str]:
        """How the replies to this member ended."""
        ends: Counter[str] = Counter()
        for chat, words in member.sent.items():
            shown = member.visitor.until_settled(chat)
            assert [each.words for each in shown[::2]] == words
            for said, reply in zip(shown[::2], shown[1::2], strict=True):
                text, whole = _spaced(reply.words), _spaced(reply_to(said.words))
                assert text == whole if reply.status == "complete" else whole.startswith(text)
                assert reply.status != "complete" or calls[said.words]
                assert all(text.startswith(glimpse) for glimpse in member.glimpses[said.words])
                ends[reply.status] += 1
        return ends


def _is_whole(asked: Asked) -> bool:
    """A worker may die while it asks."""
    return len(asked.body) == int(asked.headers.get("content-length", 0))


def _unsettled(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(messages).where(UNSETTLED)).scalar_one()


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _in_html(page: str) -> list[tuple[str, str]]:
    """Messages and their replies, as far as the page came."""
    texts = [article.partition('<div class="text" dir="auto">')[2] for article in page.split("<article")[1:]]
    return _pairs([re.sub('<p class="queued">.*?</p>|<[^>]*(>|$)', "", text.partition("</div>")[0]) for text in texts])


def _in_plain_text(page: str) -> list[tuple[str, str]]:
    return _pairs([text.partition("\n[")[0] for text in re.split(r"^\w+:\n", page, flags=re.MULTILINE)[1:]])


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    return list(zip(map(_spaced, texts[::2]), map(_spaced, texts[1::2]), strict=False))
