"""Servers on this machine that nobody had to set up. Not an adapter; the door's."""

from collections.abc import Sequence

from ..sentences import Sentence
from . import http
from .background import Background
from .base import ProviderError
from .openai import OpenAI
from .upstream import CHECK_SECONDS, Choice, Health, Server, Upstream

LOOKED_EVERY_SECONDS = 30.0
FOUND_WITHIN_SECONDS = 0.5
HERE = Sentence("It answers. It was found on this machine; nobody set it up.")
GONE = Sentence("It was found on this machine and has gone: start it again to choose its models.")

# The port that each takes when nothing is set up.
KNOWN = (
    ("ollama", "Ollama", 11434),
    ("llamacpp", "llama.cpp", 8080),
    ("vllm", "vLLM", 8000),
    ("lmstudio", "LM Studio", 1234),
)


class Local(Upstream):
    """Offered while it is there. A chat that has chosen it may ask it at any time."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._is_here = False
        self._was_here = False

    @property
    def is_shown(self) -> bool:
        return self._was_here

    def refresh(self) -> None:
        """Nothing: `look` asks for its models too."""

    def choices(self) -> list[Choice]:
        return super().choices() if self._is_here else []

    def health(self) -> Health:
        return Health(self.label, "up", HERE) if self._is_here else Health(self.label, "down", GONE)

    def look(self) -> None:
        """It is found if it says in a moment what models it has; one that was found may take its time."""
        patience = CHECK_SECONDS if self._is_here else FOUND_WITHIN_SECONDS
        try:
            is_here = self._learn(http.Call(patience))
        except ProviderError:
            is_here = False
        self._was_here = self._was_here or is_here
        self._is_here = is_here


class Discovery:
    """Looks for the candidates, in the background."""

    def __init__(self, candidates: Sequence[Local]) -> None:
        self._candidates = candidates
        self._looking = Background("discovery", self._look)

    def refresh(self) -> None:
        if self._candidates:
            self._looking.begin(LOOKED_EVERY_SECONDS)

    def _look(self) -> None:
        for candidate in self._candidates:
            candidate.look()


def candidates(ports_in_use: set[int], names_in_use: set[str], seconds: float, model: str) -> list[Local]:
    """All but those in use. `model` is the default, `provider/model`."""
    chosen, _, first = model.partition("/")
    return [
        Local(
            Server(
                name=name,
                label=label,
                adapter=OpenAI,
                url=f"http://127.0.0.1:{port}/v1",
                seconds=seconds,
                model=first if name == chosen else "",
            )
        )
        for name, label, port in KNOWN
        if port not in ports_in_use and name not in names_in_use
    ]
