"""Better titles, from the model that a chat is with: one short call, once its first reply is there."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import TypeAlias

from ..db import Database
from ..providers.base import Completion, Message, Messages, Parameters
from . import naming
from .lease import Claim
from .naming import Untitled
from .text import cleaned, title

AT_ONCE = 2
SECONDS = 30.0
SHOWN_CHARACTERS = 2000  # of the question, and of the answer
ANSWER_CHARACTERS = 1000
PARAMETERS: Parameters = {"max_tokens": 300}  # a title is a few, and some models think before it
QUOTES = " \"'`*#_“”„«»‘’"
ASK = (
    "You name conversations. Answer with a title of at most six words, in the language of the conversation,"
    " and with nothing else: no quotation marks, no full stop."
)

Complete: TypeAlias = Callable[[str, Messages, Parameters], Completion]

log = logging.getLogger(__name__)


class Titles:
    """Asks language models alone. Whatever goes wrong, the chat keeps its first words as its title."""

    def __init__(self, database: Database, complete: Complete, is_language_model: Callable[[str], bool]) -> None:
        self._database = database
        self._complete = complete
        self._is_language_model = is_language_model
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="title")
        self._changing = Lock()
        self._is_closed = False
        self._calls: dict[int, Completion] = {}

    def begin(self, claim: Claim) -> None:
        """In the background, if the reply of this claim, which is complete, is the first of its chat."""
        if self._is_language_model(claim.model):
            with suppress(RuntimeError):  # closed
                self._pool.submit(self._work, claim)

    def close(self) -> None:
        """Begin nothing more and end what is live, without waiting for it."""
        with self._changing:
            self._is_closed = True
            for completion in self._calls.values():
                completion.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, claim: Claim) -> None:
        try:
            untitled = naming.untitled(self._database, claim.conversation_id, claim.reply_id)
            if untitled and (better := named(self._asked(claim.model, untitled))):
                naming.improve(self._database, claim.conversation_id, untitled.title, better)
        except Exception as error:
            if not self._is_closed:
                kind = type(error).__name__
                log.warning("chat %s keeps its first words as its title: %s", claim.conversation_id, kind)

    def _asked(self, model: str, untitled: Untitled) -> str:
        words = ""
        with self._begun(model, untitled) as completion:
            for chunk in completion.chunks:
                words += chunk if isinstance(chunk, str) else ""
                if len(words) > ANSWER_CHARACTERS:
                    completion.cancel()
                    break
        return words

    @contextmanager
    def _begun(self, model: str, untitled: Untitled) -> Iterator[Completion]:
        """It ends when this is closed, and after `SECONDS`."""
        completion = self._complete(model, _messages(untitled), PARAMETERS)
        timer = Timer(SECONDS, completion.cancel)
        timer.daemon = True
        with self._changing:
            self._calls[id(completion)] = completion
            if self._is_closed:
                completion.cancel()
        timer.start()
        try:
            yield completion
        finally:
            timer.cancel()
            with self._changing:
                del self._calls[id(completion)]


def named(answer: str) -> str:
    """The title in what a model answered; empty if there is none."""
    line = title(cleaned(answer)).strip(QUOTES).removeprefix("Title:").strip(QUOTES)
    return title(line.rstrip(".。").strip(QUOTES))


def _messages(untitled: Untitled) -> Messages:
    question, answer = untitled.question[:SHOWN_CHARACTERS], untitled.answer[:SHOWN_CHARACTERS]
    told = f"The conversation begins:\n\nUser: {question}\n\nAssistant: {answer}\n\nIts title:"
    return [Message(role="system", content=ASK), Message(role="user", content=told)]
