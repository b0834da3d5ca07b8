"""One reply as it is being written: what has come of it, and how to end it."""

from threading import Lock

from ..providers.base import Chunk, Completion, Finish, Reasoning, Unseen, Usage
from ..sentences import Sentence
from .lease import Claim
from .records import Said
from .text import Cleaner, cleaned

MOST_REASONING = 100_000  # characters; an hour's thinking must not make a page that no browser wants to open
BEYOND = "…\n\n(The rest of the reasoning was not kept.)"
REASON_CHARACTERS = 100
UNSEEN = Sentence("The model refused the pictures: it answered without them.")


class Writing:
    """`shown` is what followers may see of it: all that has been stored."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.shown = Said(claim.text, claim.reasoning)
        self.is_stopped = False
        self.seen_from: str | None = None
        self.finish_reason = ""
        self.remark = ""
        self._text, self._reasoning = self.shown
        self._words, self._thoughts = Cleaner(), Cleaner()
        self._is_new_thought = True
        self._usage: Usage | None = None
        self._changing = Lock()
        self._completion: Completion | None = None
        self._is_cancelled = False

    @property
    def said(self) -> Said:
        """The text is read first, for more may come meanwhile: with an answer goes all of the reasoning before it."""
        return Said(text=self._text, reasoning=self._reasoning)

    @property
    def has_grown(self) -> bool:
        return self.said != self.shown

    @property
    def is_new(self) -> bool:
        """Whether nothing of it is shown yet."""
        return not any(self.shown)

    def take(self, chunk: Chunk) -> bool:
        """False if there is nothing of it to show yet."""
        match chunk:
            case str():
                return self._answer(self._words.add(chunk))
            case Reasoning(text):
                return self._think(self._thoughts.add(text))
            case Usage():
                self._usage = chunk
            case Unseen():
                self.remark = UNSEEN
            case Finish(reason):
                self.finish_reason = cleaned(reason)[:REASON_CHARACTERS]
        return False

    def whole(self) -> Said:
        """When nothing more will come."""
        self._think(self._thoughts.rest())
        self._answer(self._words.rest())
        return self.said

    def tokens(self) -> tuple[int | None, int | None]:
        """What the upstream counted, asked and answered, for all that is kept of this reply together."""
        asked, answered = self.claim.prompt_tokens, self.claim.completion_tokens
        if self._usage:
            asked, answered = (asked or 0) + self._usage.prompt_tokens, (answered or 0) + self._usage.completion_tokens
        return asked, answered

    def begin(self, completion: Completion) -> Completion:
        with self._changing:
            self._completion = completion
            if self._is_cancelled:
                completion.cancel()
        return completion

    def cancel(self) -> None:
        """End the call to the upstream, also one that has not begun."""
        with self._changing:
            self._is_cancelled = True
            if self._completion:
                self._completion.cancel()

    def pace(self, seconds: float) -> None:
        """Take what comes no more often than that."""
        if self._completion:
            self._completion.pace(seconds)

    def stop(self) -> None:
        """As `cancel`, because the person wants it so."""
        self.is_stopped = True
        self.cancel()

    def _answer(self, words: str) -> bool:
        self._text += words
        self._is_new_thought = self._is_new_thought or bool(words)
        return bool(words)

    def _think(self, words: str) -> bool:
        """Thoughts after words of the answer are a paragraph of their own."""
        words = words if self._reasoning and not self._is_new_thought else words.lstrip()
        room = MOST_REASONING - len(self._reasoning)
        if not words or room <= 0:
            return False
        if self._is_new_thought and self._reasoning:
            words = f"\n\n{words}"
        self._is_new_thought = False
        self._reasoning += words if len(words) <= room else words[:room] + BEYOND
        return True
