"""Whatever an upstream does wrong, the chat keeps the words, says one sentence and offers Retry."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterator
from html import unescape
from pathlib import Path
from threading import Event
from typing import TypeAlias

import pytest

from tests.providers.authorities import LONG_AGO, Authority
from tests.providers.faults import FAULTS, KEY, OPENAI_ONLY, STREAMED, STREAMS_ONLY, VOIGPT, Fault, Way
from tests.providers.upstream import Answer, Asked, Peer, Upstream, openai, voigpt
from tests.support.proxies import microsocks
from tests.support.servers import Voichat, free_port
from tests.support.visitors import Visitor, at_once
from webapp.chats.text import cleaned

Serve = Callable[..., Voichat]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the database."""

SECONDS = 5.0
AT_ONCE = 32

BRIEF = {
    *("silence before the first byte", "a drip in the header", "a drip after the first words"),
    *("RST before the header", "cut after the first words", "a broken chunk"),
    *("401", "403", "404", "429, with seconds", "429, with nothing", "503, with seconds"),
    *("HTML for JSON", "broken JSON after the first words", "deep nesting", "a lone surrogate", "60 KB in a header"),
    *("no HTTP", "no packing", "control characters in the error's message"),
    *("a redirect to itself", "a redirect to another host", "a bomb", "an endless body"),
    *("400 of OpenAI, too long", "404 of Ollama, no model"),
    *("a giant line", "an error after the first words"),
}
"""The rows that are shown to people in the brief run."""

Case: TypeAlias = tuple[Way, Fault]
CASES: list[Case] = [(way, fault) for fault in FAULTS for way in (VOIGPT, STREAMED)]
CASES += [(STREAMED, fault) for fault in [*OPENAI_ONLY, *STREAMS_ONLY]]
MODELS = {"voigpt": "voigpt/gpt-3.5-turbo", "streamed": "openai/small"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def mended() -> Event:
    return Event()


def faulty(healthy: Answer, mended: Event) -> Answer:
    """Answers the words “Fault 7” with the seventh fault, until it is mended."""

    def answer(asked: Asked, peer: Peer) -> None:
        if asked.method == "GET" or mended.is_set():
            return healthy(asked, peer)
        way, fault = CASES[int(words_of(asked).split()[1])]
        return way.answer(fault)(asked, peer)

    return answer


def words_of(asked: Asked) -> str:
    return str(asked.json["messages"][-1]["content"])


@pytest.fixture
def site(authority: Authority, mended: Event) -> Iterator[Upstream]:
    """A VoiGpt behind https."""
    with Upstream(faulty(voigpt(token=KEY), mended), tls=authority.signed()) as upstream:
        yield upstream


@pytest.fixture
def server(mended: Event) -> Iterator[Upstream]:
    with Upstream(faulty(openai(), mended)) as upstream:
        yield upstream


def problem(page: str) -> str:
    [found] = re.findall(r'<p class="problem failed">(.*?)</p>', page, re.DOTALL)
    return unescape(found).strip()


class Asker:
    """A person whose chat meets one row of the fault table."""

    def __init__(self, voichat: Voichat, number: int) -> None:
        self.way, self.fault = CASES[number]
        self.words = f"Fault {number}"
        self._visitor = Visitor(voichat)
        self._chat = ""
        self._page = ""

    def ask(self) -> None:
        self._chat = self._visitor.send(self.words, model=MODELS[self.way.name])

    def look(self) -> tuple[str, str, str]:
        """Waits for the end; the words, then the reply's status and what is left of it."""
        asked, reply = self._visitor.until_settled(self._chat)
        self._page = self._visitor.get(self._chat).text
        return asked.words, reply.status, reply.words

    @property
    def expected(self) -> tuple[str, str, str]:
        kept = cleaned(self.fault.kept_by(self.way))
        return self.words, "failed" if self.fault.sentence else "complete", kept

    @property
    def is_told_why(self) -> bool:
        """In one sentence, with Retry below it, and Continue if there is something to go on from."""
        if not self.fault.sentence:
            return "problem" not in self._page
        buttons = re.findall(r"<button[^>]*>(Retry|Continue)</button>", self._page)
        has_all = buttons == ["Retry", "Continue"][: 2 if self.fault.kept_by(self.way) else 1]
        return has_all and self.fault.is_said_by(problem(self._page), SECONDS)

    def retry(self) -> None:
        if self.fault.sentence:
            assert self._visitor.press("Retry", self._page).status == 303


def peak_megabytes(worker: int) -> float:
    status = Path(f"/proc/{worker}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def rows(names: Container[str]) -> list[int]:
    return [number for number, (_, fault) in enumerate(CASES) if fault.name in names]


@on_sqlite
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(rows(BRIEF), id="brief"),
        pytest.param([*range(len(CASES))], id="all", marks=pytest.mark.long),
    ],
)
def test_each_fault_is_said_with_retry_and_the_words_are_still_there(
    serve: Serve, site: Upstream, server: Upstream, authority: Authority, mended: Event, numbers: list[int]
) -> None:
    voichat = serve(
        VOIGPT_URL=site.url,
        VOIGPT_CA_FILE=authority.file,
        OPENAI_BASE_URL=f"{server.url}/v1",
        OPENAI_API_KEY=KEY,
        VOICHAT_REPLY_SECONDS=f"{SECONDS:g}",
    )
    askers = [Asker(voichat, number) for number in numbers]
    for begin in range(0, len(askers), AT_ONCE):
        some = askers[begin : begin + AT_ONCE]
        at_once(Asker.ask, some)
        assert at_once(Asker.look, some) == [asker.expected for asker in some]
    assert [asker.fault.name for asker in askers if not asker.is_told_why] == []
    asked = Counter(map(words_of, [*site.asked_for("POST"), *server.asked_for("POST")]))
    assert asked == {asker.words: asker.fault.times_asked(asker.way) for asker in askers}
    mended.set()
    for begin in range(0, len(askers), AT_ONCE):
        at_once(Asker.retry, askers[begin : begin + AT_ONCE])
    healed = [asker.expected if not asker.fault.sentence else (asker.words, "complete", "Hello.") for asker in askers]
    assert [asker.look() for asker in askers] == healed
    assert max(map(peak_megabytes, voichat.workers())) < 250
    assert "Traceback" not in voichat.output()
    assert KEY not in voichat.output()


def refused(voichat: Voichat) -> str:
    """The sentence that a message gets; its words are kept."""
    alice = Visitor(voichat)
    chat = alice.send("Are you there?")
    asked, failed = alice.until_settled(chat)
    assert (asked.words, failed.status) == ("Are you there?", "failed")
    page = alice.get(chat).text
    assert ">Retry</button>" in page
    return problem(page)


@on_sqlite
def test_an_expired_certificate_is_said_in_the_chat_and_on_the_status_page(serve: Serve, authority: Authority) -> None:
    sentence = "The certificate of the upstream is not trusted: it has expired; the admin has to see to it."
    with Upstream(voigpt(), tls=authority.signed(until=LONG_AGO)) as upstream:
        voichat = serve(VOIGPT_URL=upstream.url, VOIGPT_CA_FILE=authority.file)
        assert refused(voichat) == sentence
        assert sentence[:-1] in unescape(Visitor(voichat).get("/providers/").text)  # it may say when it is tried again


@on_sqlite
def test_a_proxy_that_is_down_is_said_in_the_chat(serve: Serve) -> None:
    voichat = serve(VOIGPT_PROXY=f"socks5h://127.0.0.1:{free_port()}")
    assert (
        refused(voichat)
        == "The proxy is not running: it refused the connection; try again, and tell the admin if it stays so."
    )


@on_sqlite
def test_a_proxy_that_wants_a_password_is_said_in_the_chat_without_the_one_that_is_set(
    serve: Serve, tmp_path: Path
) -> None:
    with microsocks(tmp_path) as port:
        sentence = refused(serve(VOIGPT_PROXY=f"socks5://alice:hunter2@127.0.0.1:{port}"))
    assert (
        sentence
        == "The proxy asks for a name and a password, or does not take those that are set; the admin has to set others."
    )
