"""One upstream: the way to it, what it offers, whether it answers. Not an adapter; the door's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any

from ..sentences import Sentence
from . import http
from .base import (
    NO_PARAMETERS,
    AbstractProvider,
    Completion,
    CreateResult,
    Messages,
    Parameters,
    ProviderError,
)
from .catalogue import Catalogue, is_model
from .cooldown import CoolDown

CHECK_SECONDS = 5.0
CHECK_CONNECT_SECONDS = 4.0
CHECKED_FOR_SECONDS = 30.0


@dataclass(frozen=True)
class Choice:
    """What a person may pick: `value` is `provider/model`, `group` the upstream's name for people."""

    value: str
    label: str
    group: str


@dataclass(frozen=True)
class Health:
    """What the last check of an upstream found: `status` is `up`, `down` or, before the first, `unknown`."""

    label: str
    status: str
    sentence: str


@dataclass(frozen=True)
class Model:
    """One of the models that are offered, whatever the server lists.

    `context` is in tokens, `images` whether it takes any; None is not known.
    """

    name: str
    label: str
    context: int | None = None
    images: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server and the adapter that speaks to it.

    `models` are offered instead of what it lists; `model`, if there is one, besides. `context` and `images` are
    those of the models that do not say it themselves.
    """

    name: str
    label: str
    adapter: type[AbstractProvider]
    url: str
    token: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    ca_file: str = ""
    seconds: float
    connect_seconds: float = 10.0
    context: int | None = None
    images: bool | None = None
    models: tuple[Model, ...] = ()
    model: str = ""
    is_guide: bool = False


class Upstream:
    """A configured server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.name
        self.label = server.label
        self.is_guide = server.is_guide
        self.is_declared_down = not server.adapter.working and server.url == server.adapter.url
        self._cool_down = CoolDown()
        self._checking = Lock()
        self._checked_at = float("-inf")
        self._health = Health(server.label, "unknown", Sentence("It is being asked for the first time."))
        lists_models = server.adapter.lists_models and not server.models
        self._catalogue = Catalogue(self._ask_for_models, server.model) if lists_models else None
        self._written = {model.name: model for model in server.models}

    @property
    def is_shown(self) -> bool:
        """Whether the status page has it."""
        return True

    def refresh(self) -> None:
        """Ask, in the background, for the models that the upstream has now."""
        if self._catalogue:
            self._catalogue.refresh()

    def choices(self) -> list[Choice]:
        return [Choice(f"{self.name}/{model}", self._label_of(model), self.label) for model in self._models()]

    def offers(self, model: str) -> bool:
        """Whether to let the upstream try: where its list is not known yet, it has to judge itself."""
        if self._catalogue and not self._catalogue.is_known:
            return is_model(model)
        return model in self._models()

    def context(self, model: str) -> int | None:
        """The tokens that the model takes, if anybody said so."""
        written = self._written.get(model)
        return written.context if written and written.context else self._server.context

    def takes_images(self, model: str) -> bool | None:
        """Whether the model does, if anybody said so."""
        if self.is_guide or not self._server.adapter.supports_images:
            return False
        written = self._written.get(model)
        return written.images if written and written.images is not None else self._server.images

    def complete(self, model: str, messages: Messages, parameters: Parameters = NO_PARAMETERS) -> Completion:
        call = http.Call(self._server.seconds, connect=self._server.connect_seconds)
        asked = {"parameters": parameters, **self._way(call)}
        chunks = self._server.adapter.create_completion(
            model, messages, self._server.adapter.supports_stream, *self._means(), **asked
        )
        return Completion(self._tried(chunks), call.cancel, call.pace)

    def health(self) -> Health:
        """Asked anew after 30 s, by one visitor; those who come meanwhile see what was known before."""
        if refusal := self._cool_down.refusal():
            return Health(self.label, "down", str(refusal))
        if monotonic() - self._checked_at > CHECKED_FOR_SECONDS and self._checking.acquire(blocking=False):
            try:
                self._health = self._check()
                self._checked_at = monotonic()
            finally:
                self._checking.release()
        return self._health

    def _label_of(self, model: str) -> str:
        if written := self._written.get(model):
            return written.label
        is_told_by_model = self._server.adapter.lists_models and not self.is_guide
        return model if is_told_by_model else self.label

    def _models(self) -> Sequence[str]:
        if self._catalogue:
            return self._catalogue.models()
        return tuple(self._written) or self._server.adapter.models()

    def _learn(self, call: http.Call) -> bool:
        """Ask for the models here and now, also while it is left alone; are there any? Raises `ProviderError`."""
        found = self._server.adapter.models(*self._means(), **self._way(call))
        if self._catalogue:
            self._catalogue.learn(found)
        self._cool_down.end()
        return bool(found)

    def _ask_for_models(self) -> Sequence[str]:
        with self._cool_down.attempt():
            return self._server.adapter.models(*self._means(), **self._way(_brief_call()))

    def _check(self) -> Health:
        try:
            with self._cool_down.attempt():
                self._server.adapter.check(*self._means(), **self._way(_brief_call()))
        except ProviderError as error:
            return Health(self.label, "down", str(error))
        return Health(self.label, "up", Sentence("It answers."))

    def _tried(self, chunks: CreateResult) -> CreateResult:
        with self._cool_down.attempt():
            yield from chunks

    def _means(self) -> tuple[str | None, str | None]:
        return self._server.proxy or None, self._server.token or None

    def _way(self, call: http.Call) -> dict[str, Any]:
        return {"url": self._server.url, "ca_file": self._server.ca_file or None, "call": call}


def _brief_call() -> http.Call:
    return http.Call(CHECK_SECONDS, connect=CHECK_CONNECT_SECONDS)
