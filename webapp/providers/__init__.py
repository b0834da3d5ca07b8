"""The providers' door: which upstreams are set up, what they offer, whether they answer. The only way to an adapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any, cast

from flask import Blueprint, Flask, current_app, render_template

from ..parsers import EMBEDDED
from ..settings import ROOT, Settings, SettingsError
from . import embedded, http, lifeline
from .base import NO_PARAMETERS, AbstractProvider, Completion, Messages, Parameters, ProviderError
from .catalogue import Catalogue, is_model
from .openai import OpenAI
from .voigpt import VoiGpt

EMBEDDED_URL = "http://embedded.invalid"
GUIDE = "Guide (built in, no language model)"
CHECK_SECONDS = 5.0
CHECKED_FOR_SECONDS = 30.0

blueprint = Blueprint("providers", __name__, url_prefix="/providers")


@dataclass(frozen=True)
class Choice:
    """What a person may pick: `value` is `provider/model`."""

    value: str
    label: str


@dataclass(frozen=True)
class Health:
    """What the last check of an upstream found: `status` is `up`, `down` or, before the first, `unknown`."""

    label: str
    status: str
    sentence: str


class Upstream:
    """One configured server and the adapter that speaks to it. `model` is offered even if it does not list it."""

    def __init__(
        self,
        name: str,
        label: str,
        adapter: type[AbstractProvider],
        url: str,
        proxy: str,
        ca_file: str,
        token: str,
        seconds: float,
        model: str = "",
    ) -> None:
        self.name = name
        self.label = label
        self.adapter = adapter
        self._url = url
        self._proxy = proxy or None
        self._ca_file = ca_file or None
        self._token = token or None
        self._seconds = seconds
        self.is_guide = label == GUIDE
        self._checking = Lock()
        self._checked_at = float("-inf")
        self.is_declared_down = not adapter.working and url == adapter.url
        self._health = Health(label, "unknown", "It is being asked for the first time.")
        self._catalogue = Catalogue(self._ask_for_models, model) if adapter.lists_models else None

    def refresh(self) -> None:
        """Ask, in the background, for the models that the upstream has now."""
        if self._catalogue:
            self._catalogue.refresh()

    def choices(self) -> list[Choice]:
        is_told_by_model = self.adapter.lists_models and not self.is_guide
        return [Choice(f"{self.name}/{model}", model if is_told_by_model else self.label) for model in self._models()]

    def offers(self, model: str) -> bool:
        """Whether to let the upstream try: where its list is not known yet, it has to judge itself."""
        if self._catalogue and not self._catalogue.is_known:
            return is_model(model)
        return model in self._models()

    def complete(self, model: str, messages: Messages, parameters: Parameters = NO_PARAMETERS) -> Completion:
        call = http.Call(self._seconds)
        asked = {"parameters": parameters, **self._way(call)}
        chunks = self.adapter.create_completion(
            model, messages, self.adapter.supports_stream, self._proxy, self._token, **asked
        )
        return Completion(chunks, call.cancel)

    def health(self) -> Health:
        """Asked anew after 30 s, by one visitor; those who come meanwhile see what was known before."""
        if monotonic() - self._checked_at > CHECKED_FOR_SECONDS and self._checking.acquire(blocking=False):
            try:
                self._health = self._check()
                self._checked_at = monotonic()
            finally:
                self._checking.release()
        return self._health

    def _models(self) -> Sequence[str]:
        return self._catalogue.models() if self._catalogue else self.adapter.models()

    def _ask_for_models(self) -> Sequence[str]:
        return self.adapter.models(self._proxy, self._token, **self._way(http.Call(CHECK_SECONDS)))

    def _check(self) -> Health:
        try:
            self.adapter.check(self._proxy, self._token, **self._way(http.Call(CHECK_SECONDS)))
        except ProviderError as error:
            return Health(self.label, "down", str(error))
        return Health(self.label, "up", "It answers.")

    def _way(self, call: http.Call) -> dict[str, Any]:
        return {"url": self._url, "ca_file": self._ca_file, "call": call}


class Upstreams:
    """All of them, the default first."""

    def __init__(self, upstreams: Sequence[Upstream], default: str = "") -> None:
        self._by_name = {upstream.name: upstream for upstream in upstreams}
        self._default = default

    def refresh(self) -> None:
        """Look, in the background, for models that are new."""
        for upstream in self:
            upstream.refresh()

    def choices(self) -> list[Choice]:
        """What can be picked, the default first; at least one, however the upstreams are."""
        found = [choice for upstream in self._by_name.values() for choice in upstream.choices()]
        return sorted(found, key=lambda choice: choice.value != self._default)

    def get(self, choice: str) -> tuple[Upstream, str]:
        """The upstream and the model that `provider/model` names. Raises `ProviderError`."""
        name, _, model = choice.partition("/")
        upstream = self._by_name.get(name)
        if upstream is None or not upstream.offers(model):
            raise ProviderError("This model is not offered here; choose another.", again=False)
        return upstream, model

    def complete(self, choice: str, messages: Messages, parameters: Parameters = NO_PARAMETERS) -> Completion:
        upstream, model = self.get(choice)
        return upstream.complete(model, messages, parameters)

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_name.values())


def init_app(app: Flask, settings: Settings) -> Upstreams:
    """Raises `SettingsError`."""
    http.mount(EMBEDDED_URL, embedded.application(ROOT / "docs", sleep=lifeline.pause))
    upstreams = Upstreams(table(settings), settings.model)
    known = [choice.value for choice in upstreams.choices()]
    if settings.model and settings.model not in known:
        raise SettingsError(f"VOICHAT_MODEL is “{settings.model}”, which nobody offers; there is {', '.join(known)}.")
    app.extensions["providers"] = upstreams
    app.register_blueprint(blueprint)
    return upstreams


def table(settings: Settings) -> list[Upstream]:
    """One row an upstream, the default's first; the Guide last and once. A new adapter is one file and one row here."""
    rows = [_openai(settings), _voigpt(settings)] if settings.openai_base_url else [_voigpt(settings)]
    guides = [row for row in rows if row.is_guide]
    return [*(row for row in rows if not row.is_guide), *guides[:1]]


def _openai(settings: Settings) -> Upstream:
    is_guide = settings.openai_base_url == EMBEDDED
    upstream, _, model = settings.model.partition("/")
    return Upstream(
        name="openai",
        label=GUIDE if is_guide else "OpenAI-compatible server",
        adapter=OpenAI,
        url=f"{EMBEDDED_URL}/v1" if is_guide else settings.openai_base_url,
        proxy="",
        ca_file="",
        token=settings.openai_api_key,
        seconds=settings.reply_seconds,
        model=model if upstream == "openai" else "",
    )


def _voigpt(settings: Settings) -> Upstream:
    is_guide = settings.voigpt_url == EMBEDDED
    return Upstream(
        name="guide" if is_guide else "voigpt",
        label=GUIDE if is_guide else "VoiGpt",
        adapter=VoiGpt,
        url=EMBEDDED_URL if is_guide else settings.voigpt_url,
        proxy=settings.voigpt_proxy,
        ca_file=settings.voigpt_ca_file,
        token=settings.voigpt_access_token,
        seconds=settings.reply_seconds,
    )


def choices() -> list[Choice]:
    _upstreams().refresh()
    return _upstreams().choices()


def get(choice: str) -> tuple[Upstream, str]:
    """Raises `ProviderError`."""
    return _upstreams().get(choice)


@blueprint.get("/")
def status() -> str:
    _upstreams().refresh()
    return render_template("providers.html", upstreams=_upstreams())


def _upstreams() -> Upstreams:
    return cast(Upstreams, current_app.extensions["providers"])
