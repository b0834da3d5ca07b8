"""What a model is told besides the chat: a system prompt, and parameters of its answers. A preset is some of these."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import nan
from typing import Any

from ..providers.base import Parameters
from ..sentences import Sentence, Value

SYSTEM_CHARACTERS = 20_000
NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Parameter:
    """One that may be set, by the name that upstreams know, from `least` to `most`."""

    name: str
    label: str
    meaning: str
    least: int
    most: int
    read: Callable[[str], float]

    @property
    def is_whole(self) -> bool:
        return self.read is int

    def value(self, typed: str) -> float | None:
        """None if nothing was typed. Raises `ValueError` with a sentence."""
        if not typed.strip():
            return None
        try:
            value = self.read(typed.strip().replace(",", "."))
        except ValueError:
            value = nan
        if not self.least <= value <= self.most:
            raise ValueError(self._range)
        return value

    @property
    def _range(self) -> Sentence:
        values: dict[str, Value] = {"label": self.label, "least": self.least, "most": self.most}
        if self.is_whole:
            return Sentence("{label} must be a whole number from {least} to {most}, or empty.", **values)
        return Sentence("{label} must be a number from {least} to {most}, or empty.", **values)


PARAMETERS = (
    Parameter("temperature", Sentence("Temperature"), Sentence("0 to 2"), 0, 2, float),
    Parameter("top_p", Sentence("Top p"), Sentence("0 to 1"), 0, 1, float),
    Parameter("max_tokens", Sentence("Max tokens"), Sentence("of a reply"), 1, 1_000_000, int),
    Parameter("seed", Sentence("Seed"), Sentence("whole number"), -(2**63), 2**63 - 1, int),
)


@dataclass(frozen=True)
class Instructions:
    """What is empty or None is left to the model."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    @property
    def parameters(self) -> Parameters:
        """Those that are set."""
        return {name: value for name, value in self.set.items() if name != "system"}

    @property
    def set(self) -> Mapping[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    def over(self, others: "Instructions") -> "Instructions":
        """What is set here, and otherwise the others'."""
        return replace(others, **self.set)


NOTHING = Instructions()


@dataclass(frozen=True)
class Preset:
    """A beginning for new chats. `model` is `provider/model`, empty for the one that is picked."""

    id: str
    name: str
    model: str = ""
    instructions: Instructions = NOTHING


def version(shown: Instructions | Preset | str) -> str:
    """Tells one state of it from another: what a form brings back to say what it was made from."""
    return sha256(repr(shown).encode()).hexdigest()


class Changed(Exception):
    """Somebody, mostly another tab, has stored something else since the form was made: `now`."""

    def __init__(self, now: Any) -> None:
        super().__init__("changed since")
        self.now = now
