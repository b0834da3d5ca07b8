"""What a provider is: the contract between Voichat and every adapter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NotRequired, Self, TypeAlias, TypedDict

from ..sentences import Sentence


@dataclass(frozen=True)
class Image:
    """A picture; `kind` is its media type, image/png or image/jpeg."""

    kind: str
    content: bytes = field(repr=False)


class Message(TypedDict):
    """Images are for an adapter that `supports_images`; others leave them out."""

    role: Literal["system", "user", "assistant"]
    content: str
    images: NotRequired[Sequence[Image]]


Messages: TypeAlias = Sequence[Message]

GO_ON = "Go on exactly where you stopped, without repeating anything."
"""The last message to a model that is asked for the rest of the answer before it."""

PARAMETERS = ("temperature", "top_p", "max_tokens", "seed")
"""What may be asked of a model besides its answer, by OpenAI's names."""
Parameters: TypeAlias = Mapping[str, float | int | None]
NO_PARAMETERS: Parameters = MappingProxyType({})


@dataclass(frozen=True)
class Reasoning:
    """Text that the model thought aloud before or between the parts of its answer."""

    text: str


@dataclass(frozen=True)
class Usage:
    """Tokens that the upstream counted for this call."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Finish:
    """Why the answer ended, in the upstream's own word (`stop`, `length` …)."""

    reason: str


@dataclass(frozen=True)
class Unseen:
    """The upstream refused the images: it was asked once more without them, and that is what it answers."""


Chunk: TypeAlias = str | Reasoning | Usage | Finish | Unseen
CreateResult: TypeAlias = Iterator[Chunk]


def _at_once(_seconds: float) -> None: ...


@dataclass(frozen=True)
class Completion:
    """A reply on its way. Iterate `chunks`; `cancel()`, from any thread, closes the connection.

    `pace(seconds)`, from any thread, leaves so much time before each further look at what has come.
    """

    chunks: CreateResult
    cancel: Callable[[], None]
    pace: Callable[[float], None] = _at_once


class ProviderError(RuntimeError):
    """An upstream did not give an answer.

    `str(error)` is one sentence for the person who waits: what is wrong and what to do, without keys or addresses.
    It is made of `fault` and `advice`, two clauses; a `fault` without `advice` is the whole sentence.
    `again` says whether the same request may succeed later, `retry_after` in how many seconds.
    """

    def __init__(self, fault: str, advice: str = "", *, again: bool = True, retry_after: float | None = None) -> None:
        # Translators: what is wrong, and what to do: The upstream is not running; try again later.
        super().__init__(Sentence("{fault}; {advice}.", fault=fault, advice=advice) if advice else fault)
        self.fault = fault
        self.advice = advice
        self.again = again
        self.retry_after = retry_after


class NotConnected(ProviderError):
    """The upstream, or the proxy on the way to it, could not be connected to: nothing was sent."""

    @classmethod
    def because(cls, error: ProviderError) -> Self:
        return cls(error.fault, error.advice, again=error.again, retry_after=error.retry_after)


class Cancelled(ProviderError):
    """The call was stopped on purpose: by the person, or because the server goes down."""

    def __init__(self) -> None:
        super().__init__(Sentence("The reply was stopped."))


class AbstractProvider(ABC):
    """One kind of upstream. Adapters are used as classes and keep no state of a chat."""

    url: ClassVar[str]
    working: ClassVar[bool]
    supports_stream: ClassVar[bool]
    supports_message_history: ClassVar[bool]
    supports_images: ClassVar[bool] = False
    """Whether some of its models may take images."""
    lists_models: ClassVar[bool] = False
    """Whether `models()` asks the upstream for them; else it knows them."""

    @classmethod
    @abstractmethod
    def models(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> Sequence[str]:
        """The names that `create_completion` takes as `model`, the default first.

        Arguments as below; raises `ProviderError` where it asks the upstream.
        """

    @classmethod
    @abstractmethod
    def create_completion(
        cls,
        model: str,
        messages: Messages,
        stream: bool,
        proxy: str | None = None,
        access_token: str | None = None,
        **kwargs: Any,
    ) -> CreateResult:
        """A generator of the answer's chunks; nothing is sent before the first is asked for.

        `kwargs` may bring `url` (else the class's own), `call`, an `http.Call` (else a new one), `ca_file`,
        a PEM file of authorities to trust besides the system's, and `parameters`: some of `PARAMETERS`. One that
        is missing or None is the upstream's to choose; an upstream that has none ignores them.
        Raises `ProviderError`.
        """

    @classmethod
    @abstractmethod
    def check(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> None:
        """Ask the upstream whether it is there, at no cost. Arguments as above; raises `ProviderError`."""
