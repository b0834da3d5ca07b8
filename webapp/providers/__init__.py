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
from .base import AbstractProvider, Completion, Messages, ProviderError
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
    """One configured server and the adapter that speaks to it."""

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
    ) -> None:
        self.name = name
        self.label = label
        self.adapter = adapter
        self._url = url
        self._proxy = proxy or None
        self._ca_file = ca_file or None
        self._token = token or None
        self._seconds = seconds
        self._checking = Lock()
        self._checked_at = float("-inf")
        self.is_declared_down = not adapter.working and url == adapter.url
        self._health = Health(label, "unknown", "It is being asked for the first time.")

    def choices(self) -> list[Choice]:
        models = self.adapter.models()
        if len(models) == 1:
            return [Choice(f"{self.name}/{models[0]}", self.label)]
        return [Choice(f"{self.name}/{model}", f"{self.label}: {model}") for model in models]

    def complete(self, model: str, messages: Messages) -> Completion:
        call = http.Call(self._seconds)
        chunks = self.adapter.create_completion(
            model, messages, self.adapter.supports_stream, self._proxy, self._token, **self._way(call)
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

    def choices(self) -> list[Choice]:
        """What can be picked, the default first."""
        found = [choice for upstream in self._by_name.values() for choice in upstream.choices()]
        return sorted(found, key=lambda choice: choice.value != self._default)

    def get(self, choice: str) -> tuple[Upstream, str]:
        """The upstream and the model that `provider/model` names. Raises `ProviderError`."""
        name, _, model = choice.partition("/")
        upstream = self._by_name.get(name)
        if upstream is None or model not in upstream.adapter.models():
            raise ProviderError("This model is not offered here; choose another.", again=False)
        return upstream, model

    def complete(self, choice: str, messages: Messages) -> Completion:
        upstream, model = self.get(choice)
        return upstream.complete(model, messages)

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
    """One row an upstream. A new adapter is one file and one row here."""
    is_guide = settings.voigpt_url == EMBEDDED
    return [
        Upstream(
            name="guide" if is_guide else "voigpt",
            label=GUIDE if is_guide else "VoiGpt",
            adapter=VoiGpt,
            url=EMBEDDED_URL if is_guide else settings.voigpt_url,
            proxy=settings.voigpt_proxy,
            ca_file=settings.voigpt_ca_file,
            token=settings.voigpt_access_token,
            seconds=settings.reply_seconds,
        )
    ]


def choices() -> list[Choice]:
    return _upstreams().choices()


def get(choice: str) -> tuple[Upstream, str]:
    """Raises `ProviderError`."""
    return _upstreams().get(choice)


@blueprint.get("/")
def status() -> str:
    return render_template("providers.html", upstreams=_upstreams())


def _upstreams() -> Upstreams:
    return cast(Upstreams, current_app.extensions["providers"])
