"""The Guide: answers from Voichat's own manual, by search. It is no language model and says so."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import manual
from .base import GO_ON, Messages
from .demonstrations import DEMONSTRATIONS, meant
from .glossary import is_russian
from .manual import Manual, Section, Term
from .passages import passage
from .phrases import ENGLISH, RUSSIAN, Language

FAILURE = "This is only a demonstration of an error."


class GuideFailure(Exception):
    """The demonstration of an error, after its words; `str(error)` is a sentence."""


class Guide:
    """Answers from the Markdown pages (`*.md`) of a folder, read when the first question comes.

    `sleep` takes seconds; it is called before each piece of the slow demonstrations and of nothing else.
    """

    def __init__(self, folder: Path, sleep: Callable[[float], object] = time.sleep) -> None:
        self._folder = folder
        self._sleep = sleep
        self._lock = threading.Lock()
        self._manual: Manual | None = None

    def answer(self, messages: Messages) -> Iterator[str]:
        """The answer to the last user message as Markdown, in pieces of a word each; its rest if that is `GO_ON`.

        Raises `GuideFailure` where that was asked for.
        """
        begun = ""
        if len(messages) > 2 and messages[-1]["content"] == GO_ON:
            messages, begun = messages[:-2], messages[-2]["content"]
        reply = self._reply(messages)
        count = len(reply.text.split())
        for piece in re.findall(r"\s*\S+", reply.text.removeprefix(begun)):
            if reply.seconds:
                self._sleep(reply.seconds / count)
            yield piece
        if reply.fails:
            raise GuideFailure(FAILURE)

    def find(self, said: Sequence[str]) -> list[Section]:
        """The sections that answer the last of a person's messages, the best first."""
        return self._read().search(said[-1], question(said))

    def _reply(self, messages: Messages) -> "Reply":
        said = [message["content"] for message in messages if message["role"] == "user"]
        language = RUSSIAN if said and is_russian(said[-1]) else ENGLISH
        if not said or ABOUT.search(said[-1]):
            return Reply(f"{language.introduction}\n\n{self._help(language)}")
        reply = _demonstration(said[-1], language) or Reply(self._look_up(said, language))
        if any(message["role"] == "assistant" for message in messages):
            return reply
        return Reply(f"{language.introduction}\n\n{reply.text}", reply.seconds, reply.fails)

    def _look_up(self, said: Sequence[str], language: Language) -> str:
        found = self.find(said)
        if not found:
            return f"{language.nothing}\n\n{self._help(language)}"
        best, *others = found
        text = LOCAL_LINK.sub(r"\1", passage(best, question(said)))
        answer = f"{language.frame}### {best.page}: {best.title}\n\n{text}\n\n{language.source} `docs/{best.file}`."
        see_also = "".join(f"\n- {section.page}: {section.title}" for section in others)
        return f"{answer}\n\n{language.see_also}\n{see_also}" if others else answer

    def _help(self, language: Language) -> str:
        pages = "".join(f"\n- **{page}**" for page in dict.fromkeys(section.page for section in self._read().sections))
        shown = "; ".join(demonstration.names[language.number] for demonstration in DEMONSTRATIONS)
        return f"{language.topics}\n{pages}\n\n{language.examples}\n\n{language.demonstrations} {shown}."

    def _read(self) -> Manual:
        with self._lock:
            if self._manual is None:
                self._manual = manual.read(self._folder)
            return self._manual


@dataclass(frozen=True)
class Reply:
    text: str
    seconds: float = 0.0
    fails: bool = False


def _demonstration(said: str, language: Language) -> Reply | None:
    found = meant(manual.said(said))
    return Reply(found.texts[language.number], found.seconds, found.fails) if found else None


def question(said: Sequence[str]) -> list[Term]:
    """What the last message asks for; a short one also leans on the message before it."""
    last = manual.terms(said[-1])
    context = manual.terms(said[-2], CONTEXT_WEIGHT) if len(said) > 1 and len(last) <= SHORT else []
    return [*last, *context]


SHORT = 1
CONTEXT_WEIGHT = 0.25
LOCAL_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")
ABOUT = re.compile(
    r"\bare you\b|\bcan (?:you do|i ask)\b|^\W*(?:hi|hello|hey|help|thanks?|thank you|demos?)?\W*$"
    r"|\bкто ты\b|\bты кто\b|\bчто (?:ты )?умеешь\b|^\W*(?:привет|здравствуй(?:те)?|помощь|помоги(?:те)?|спасибо)\W*$",
    re.IGNORECASE,
)
