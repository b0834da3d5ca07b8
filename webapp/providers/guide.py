"""The Guide: retrieval over Voichat's own manual. It is no language model and says so."""

import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .base import Messages

INTRODUCTION = "I am the built-in Guide: no language model, only a search in the manual. I help you to connect a model."


class Guide:
    """Answers from the Markdown pages (`*.md`) of a folder, read when the first question comes.

    `sleep` takes seconds; it is called before each piece of the slow demonstration and of nothing else.
    """

    def __init__(self, folder: Path, sleep: Callable[[float], object] = time.sleep) -> None:
        self._folder = folder
        self._sleep = sleep
        self._lock = threading.Lock()
        self._manual: Manual | None = None

    def answer(self, messages: Messages) -> Iterator[str]:
        """The answer to the last user message as Markdown, in pieces of a word each."""
        reply = self._reply(messages)
        pieces = re.findall(r"\s*\S+", reply.text)
        for piece in pieces:
            if reply.seconds:
                self._sleep(reply.seconds / len(pieces))
            yield piece

    def _reply(self, messages: Messages) -> "Reply":
        said = [message["content"] for message in messages if message["role"] == "user"]
        if not said or ABOUT.search(said[-1]):
            return Reply(f"{INTRODUCTION}\n\n{self._help()}")
        reply = DEMONSTRATIONS_BY_WORDS.get(frozenset(words(said[-1]))) or Reply(self._look_up(query(said)))
        if any(message["role"] == "assistant" for message in messages):
            return reply
        return Reply(f"{INTRODUCTION}\n\n{reply.text}", reply.seconds)

    def _look_up(self, weights: Mapping[str, float]) -> str:
        found = self._read().search(weights)
        if not found:
            return f"The manual has nothing that fits this.\n\n{self._help()}"
        best, *others = found
        body = LOCAL_LINK.sub(r"\1", best.body)
        answer = f"### {best.page}: {best.title}\n\n{body}"
        see_also = "".join(f"\n- {section.page}: {section.title}" for section in others)
        return f"{answer}\n\nSee also:\n{see_also}" if others else answer

    def _help(self) -> str:
        topics: dict[str, list[str]] = {}
        for section in self._read().sections:
            topics.setdefault(section.page, []).append(section.title)
        pages = "".join(f"\n- **{page}**: {'; '.join(titles)}" for page, titles in topics.items())
        return f"You can ask me about:\n{pages}\n- **Demonstrations**: {'; '.join(DEMONSTRATIONS)}"

    def _read(self) -> "Manual":
        with self._lock:
            if self._manual is None:
                pages = [path.read_text("utf-8") for path in sorted(self._folder.glob("*.md"))]
                self._manual = Manual([section for page in pages for section in sections(page)])
            return self._manual


@dataclass(frozen=True)
class Reply:
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Section:
    page: str
    title: str
    body: str


def sections(page: str) -> Iterator[Section]:
    """The parts of a Markdown page between its headings; the first heading names the page."""
    heads = [match for match in FENCE_OR_HEADING.finditer(page) if match["title"]]
    ends = [head.start() for head in heads[1:]] + [len(page)]
    for head, end in zip(heads, ends, strict=True):
        if body := page[head.end() : end].strip():
            yield Section(heads[0]["title"], "Introduction" if head is heads[0] else head["title"], body)


class Manual:
    """Sections ranked by BM25: Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009.

    The words of a title count several times, as in their BM25F.
    """

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = sections
        self._counts = [
            Counter(words(section.page) + TITLE_WEIGHT * words(section.title) + words(section.body))
            for section in sections
        ]
        self._mean_length = sum(counts.total() for counts in self._counts) / max(len(sections), 1)
        self._found_in = Counter(word for counts in self._counts for word in counts)

    def search(self, weights: Mapping[str, float]) -> list[Section]:
        """The best section, then at most three close ones; nothing if the best misses most of the query."""
        worth = {word: weight * self._rarity(word) for word, weight in weights.items()}
        scores = [self._score(worth, counts) for counts in self._counts]
        ranked = sorted(range(len(scores)), key=lambda i: -scores[i])[:4]
        if not ranked or coverage(worth, self._counts[ranked[0]]) < LEAST_COVERAGE:
            return []
        return [self.sections[i] for i in ranked if scores[i] > scores[ranked[0]] / 2]

    def _score(self, worth: Mapping[str, float], counts: Counter[str]) -> float:
        saturation = K1 * (1 - B + B * counts.total() / self._mean_length)
        return sum(
            value * counts[word] * (K1 + 1) / (counts[word] + saturation)
            for word, value in worth.items()
            if word in counts
        )

    def _rarity(self, word: str) -> float:
        # The inverse document frequency; 1 + keeps it positive for a word of most sections.
        count = self._found_in[word]
        return math.log(1 + (len(self.sections) - count + 0.5) / (count + 0.5))


def coverage(worth: Mapping[str, float], found: Container[str]) -> float:
    """The share of the query's worth that lies in the words found, 0 to 1."""
    return sum(value for word, value in worth.items() if word in found) / (sum(worth.values()) or 1)


def query(said: Sequence[str]) -> dict[str, float]:
    """The words of the last message; a short one also leans on the message before it."""
    last = words(said[-1])
    context = words(said[-2]) if len(said) > 1 and len(last) <= SHORT else []
    return dict.fromkeys(context, CONTEXT_WEIGHT) | dict.fromkeys(last, 1.0)


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [ENDING.sub("", word) for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


K1, B = 1.2, 0.75
TITLE_WEIGHT = 3
LEAST_COVERAGE = 0.35
SHORT = 1
CONTEXT_WEIGHT = 0.25

WORD = re.compile(r"[^\W_]{2,}")
ENDING = re.compile(r"(?<=\w{3})(?:ies|ings?|ed|es|e|(?<!s)s|y)$")
STOP_WORDS = frozenset(
    WORD.findall(
        """
        about an and are as at be but by can could demo demonstrate did do does example for from
        get give had has have how if in into is it its let me my need no not of on or our please
        see should show so some tell that the their them then there they this to us use used want
        was we what when where which why will with would you your
        бы вы где для до его если есть за из или как когда ли меня мне мой на не но об он она от
        по почему при со так то ты что чтобы это
        """
    )
)
FENCE_OR_HEADING = re.compile(r"^```.*?^```$|^#{1,6} +(?P<title>[^\n]+)$", re.M | re.S)
LOCAL_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")
ABOUT = re.compile(
    r"\bare you\b|\bcan (?:you do|i ask)\b|^\W*(?:hi|hello|hey|help|thanks?|thank you|demos?)?\W*$", re.I
)

TABLE = """\
| planet | moons | a year, in days |
|:---|---:|---:|
| Earth | 1 | 365 |
| Mars | 2 | 687 |
| Jupiter | 95 | 4 333 |"""
CODE = """\
```python
def greatest_common_divisor(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
```"""
MATH = r"""Inline, Euler's identity is $e^{i\pi} + 1 = 0$. On a line of its own, a sum is

$$\sum_{k=1}^{n} k = \frac{n(n+1)}{2}$$"""
SLOW = "\n".join(
    f"{n}. About {n} of ten seconds. Close this page and come back: the reply goes on." for n in range(1, 11)
)
DEMONSTRATIONS = {
    "a table": Reply(TABLE),
    "code": Reply(CODE),
    "math": Reply(MATH),
    "a long slow reply": Reply(SLOW, seconds=10),
}
DEMONSTRATIONS_BY_WORDS = {frozenset(words(name)): reply for name, reply in DEMONSTRATIONS.items()}
