"""The models that an upstream says it has. Asked for in the background: no page waits. Not an adapter; the door's."""

from collections.abc import Callable, Sequence

from .background import Background
from .base import ProviderError

ASKED_EVERY_SECONDS = 15.0
MOST_MODELS = 500
MODEL_CHARACTERS = 200


class Catalogue:
    """What is known now; the last list stays while the upstream is away.

    `first`, if there is one, is offered whatever the upstream says.
    """

    def __init__(self, ask: Callable[[], Sequence[str]], first: str = "") -> None:
        self._ask = ask
        self._first = (first,) if first else ()
        self._found: Sequence[str] = ()
        self._asking = Background("models", self._renew)

    @property
    def is_known(self) -> bool:
        """Whether the upstream has ever said what it has."""
        return bool(self._found)

    def models(self) -> Sequence[str]:
        return (*self._first, *(model for model in self._found if model not in self._first))

    def refresh(self) -> None:
        """Ask anew in a thread, unless that was begun a moment ago."""
        self._asking.begin(ASKED_EVERY_SECONDS)

    def learn(self, said: Sequence[str]) -> None:
        """What the upstream has now; an empty list teaches nothing."""
        found = dict.fromkeys(filter(is_model, said))
        self._found = tuple(found)[:MOST_MODELS] or self._found

    def _renew(self) -> None:
        try:
            self.learn(self._ask())
        except ProviderError:
            return  # the status page says what is wrong


def is_model(name: str) -> bool:
    """Whether this may be a model's name: one line that can be shown, not too long."""
    return 0 < len(name) <= MODEL_CHARACTERS and name.isprintable() and name == name.strip()
