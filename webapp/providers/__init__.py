"""The providers' door: which upstreams are set up, what they offer, whether they answer. The only way to an adapter."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, render_template

from .. import providers_file
from ..parsers import EMBEDDED, is_loopback
from ..providers_file import Preset, ProvidersFile
from ..sentences import Sentence
from ..settings import ROOT, Settings, SettingsError
from . import discovery, embedded, http, lifeline
from .base import NO_PARAMETERS, AbstractProvider, Completion, Messages, Parameters, ProviderError
from .catalogue import is_model
from .discovery import Discovery, Local
from .openai import OpenAI
from .upstream import Choice, Model, Server, Upstream
from .voigpt import VoiGpt

EMBEDDED_URL = "http://embedded.invalid"
GUIDE = Sentence("Guide (built in, no language model)")
KINDS: dict[str, type[AbstractProvider]] = {"openai": OpenAI, "voigpt": VoiGpt}
TAKEN = {"openai": "OPENAI_BASE_URL", "voigpt": "VOIGPT_URL", "guide": "the built-in Guide"}

__all__ = [
    "Choice",
    "Upstreams",
    "candidates",
    "choices",
    "get",
    "init_app",
    "offers",
    "presets",
    "table",
    "takes_images",
]

blueprint = Blueprint("providers", __name__, url_prefix="/providers")


class Upstreams:
    """All of them, the default first; what was found on this machine before the Guide."""

    def __init__(
        self,
        configured: Sequence[Upstream],
        found: Sequence[Local] = (),
        default: str = "",
        presets: Sequence[Preset] = (),
    ) -> None:
        self.presets = presets
        real = [upstream for upstream in configured if not upstream.is_guide]
        guides = [upstream for upstream in configured if upstream.is_guide]
        self._by_name: dict[str, Upstream] = {upstream.name: upstream for upstream in (*real, *found, *guides)}
        self._discovery = Discovery(found)
        self._default = default

    def refresh(self) -> None:
        """Look, in the background, for models that are new, and for servers on this machine."""
        for upstream in self:
            upstream.refresh()
        self._discovery.refresh()

    def choices(self) -> list[Choice]:
        """What can be picked, upstream by upstream, the default and its upstream first; at least one."""
        found = [choice for upstream in self for choice in upstream.choices()]
        first = self._default.partition("/")[0]
        return sorted(
            found, key=lambda choice: (choice.value.partition("/")[0] != first, choice.value != self._default)
        )

    def get(self, choice: str) -> tuple[Upstream, str]:
        """The upstream and the model that `provider/model` names. Raises `ProviderError`."""
        name, _, model = choice.partition("/")
        upstream = self._by_name.get(name)
        if upstream is None or not upstream.offers(model):
            raise ProviderError(_not_offered(choice if is_model(model) else "", self.choices()[0].label), again=False)
        return upstream, model

    def complete(self, choice: str, messages: Messages, parameters: Parameters = NO_PARAMETERS) -> Completion:
        upstream, model = self.get(choice)
        return upstream.complete(model, messages, parameters)

    def context(self, choice: str) -> int | None:
        """The tokens that the model takes, if anybody said so."""
        name, _, model = choice.partition("/")
        upstream = self._by_name.get(name)
        return upstream.context(model) if upstream else None

    def is_language_model(self, choice: str) -> bool:
        """Whether it is offered by anything but the Guide."""
        upstream = self._by_name.get(choice.partition("/")[0])
        return upstream is not None and not upstream.is_guide

    def takes_images(self, choice: str) -> bool | None:
        """Whether the model does, if anybody said so."""
        name, _, model = choice.partition("/")
        upstream = self._by_name.get(name)
        return upstream.takes_images(model) if upstream else None

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_name.values())


def init_app(app: Flask, settings: Settings, written: ProvidersFile) -> Upstreams:
    """Raises `SettingsError`."""
    http.mount(EMBEDDED_URL, embedded.application(ROOT / "docs", sleep=lifeline.pause))
    rows = table(settings, written)
    found, default = candidates(settings, written, rows), settings.model or written.default
    upstreams = Upstreams(rows, found, default, written.presets)
    _refuse_unknown(upstreams, "VOICHAT_MODEL" if settings.model else f"{written.default_place}: default", default)
    for preset in written.presets:
        _refuse_unknown(upstreams, f"{preset.place}: model", preset.model)
    app.extensions["providers"] = upstreams
    app.register_blueprint(blueprint)
    return upstreams


def table(settings: Settings, written: ProvidersFile) -> list[Upstream]:
    """One row an upstream: those of the file, then the environment's; the Guide last and once."""
    default = settings.model or written.default
    servers = [_written(each, settings, default) for each in written.upstreams]
    servers += [_openai(settings, default)] if settings.openai_base_url else []
    servers += [_voigpt(settings)]
    guides = [server for server in servers if server.is_guide]
    servers = [*(server for server in servers if not server.is_guide), *guides[:1]]
    _refuse_same_names(servers, written)
    return [Upstream(server) for server in servers]


def _written(written: providers_file.Upstream, settings: Settings, default: str) -> Server:
    """A row of the file. A new kind of adapter is one file and one row in `KINDS`."""
    is_guide = written.url == EMBEDDED
    embedded_url = f"{EMBEDDED_URL}/v1" if written.kind == "openai" else EMBEDDED_URL
    return Server(
        name=written.name,
        label=written.label or (GUIDE if is_guide else written.name),
        adapter=KINDS[written.kind],
        url=embedded_url if is_guide else written.url,
        token=written.key,
        proxy=written.proxy,
        ca_file=written.ca_file,
        seconds=written.seconds or settings.reply_seconds,
        connect_seconds=written.connect_seconds,
        context=written.context,
        images=written.images,
        models=tuple(Model(model.name, model.label, model.context, model.images) for model in written.models),
        model=_model_of(written.name, default) or _guides(is_guide),
        is_guide=is_guide,
    )


def _openai(settings: Settings, default: str) -> Server:
    is_guide = settings.openai_base_url == EMBEDDED
    return Server(
        name="openai",
        label=GUIDE if is_guide else Sentence("OpenAI-compatible server"),
        adapter=OpenAI,
        url=f"{EMBEDDED_URL}/v1" if is_guide else settings.openai_base_url,
        token=settings.openai_api_key,
        seconds=settings.reply_seconds,
        model=_model_of("openai", default) or _guides(is_guide),
        is_guide=is_guide,
    )


def _guides(is_guide: bool) -> str:
    """Its model is known before it was asked: there is always one to choose."""
    return embedded.MODEL if is_guide else ""


def _voigpt(settings: Settings) -> Server:
    is_guide = settings.voigpt_url == EMBEDDED
    return Server(
        name="guide" if is_guide else "voigpt",
        label=GUIDE if is_guide else "VoiGpt",
        adapter=VoiGpt,
        url=EMBEDDED_URL if is_guide else settings.voigpt_url,
        token=settings.voigpt_access_token,
        proxy=settings.voigpt_proxy,
        ca_file=settings.voigpt_ca_file,
        seconds=settings.reply_seconds,
        is_guide=is_guide,
    )


def candidates(settings: Settings, written: ProvidersFile, rows: Sequence[Upstream]) -> list[Local]:
    """What may be looked for on this machine: not ourselves, and nothing that is set up."""
    if not settings.discovers:
        return []
    urls = [settings.openai_base_url, settings.voigpt_url, *(upstream.url for upstream in written.upstreams)]
    ports = {settings.bind.port, *(port for url in urls if (port := _loopback_port(url)))}
    default = settings.model or written.default
    return discovery.candidates(ports, {row.name for row in rows}, settings.reply_seconds, default)


def _not_offered(choice: str, other: str) -> Sentence:
    if not choice:
        return Sentence("This model is not offered here now; choose another, such as {other}.", other=other)
    return Sentence("“{model}” is not offered here now; choose another, such as {other}.", model=choice, other=other)


def _loopback_port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port if is_loopback(parts.hostname or "") else None


def _model_of(name: str, default: str) -> str:
    """The default's model, if it is this upstream's."""
    upstream, _, model = default.partition("/")
    return model if upstream == name else ""


def _refuse_same_names(servers: Sequence[Server], written: ProvidersFile) -> None:
    names = [server.name for server in servers]
    for upstream in written.upstreams:
        if names.count(upstream.name) > 1:
            taken = TAKEN[upstream.name]
            raise SettingsError(f"{upstream.place}: the name {upstream.name} is that of {taken}; choose another.")


def _refuse_unknown(upstreams: Upstreams, where: str, choice: str) -> None:
    try:
        if choice:
            upstreams.get(choice)
    except ProviderError:
        known = [f"{each.name}/…" for each in upstreams if not each.choices()]
        known += [choice.value for choice in upstreams.choices()]
        raise SettingsError(f"{where} is “{choice}”, which nobody offers; there is {', '.join(known)}.") from None


def choices() -> list[Choice]:
    _upstreams().refresh()
    return _upstreams().choices()


def has_model() -> bool:
    """Whether anything but the Guide is set up, or was found on this machine."""
    return any(upstream.is_shown and not upstream.is_guide for upstream in _upstreams())


def get(choice: str) -> tuple[Upstream, str]:
    """Raises `ProviderError`."""
    return _upstreams().get(choice)


def offers(choice: str) -> bool:
    """Whether a message may be sent to it; the upstream may be away all the same."""
    try:
        return bool(get(choice))
    except ProviderError:
        return False


def takes_images(choice: str) -> bool | None:
    """Whether the model does, if anybody said so; those of whom nobody did may be tried."""
    return _upstreams().takes_images(choice)


def presets() -> Sequence[Preset]:
    """Those that the admin has written for everybody."""
    return _upstreams().presets


@blueprint.get("/")
def status() -> str:
    """All are asked at once: those that are away must not add up."""
    _upstreams().refresh()
    shown = [upstream for upstream in _upstreams() if upstream.is_shown]
    with ThreadPoolExecutor(len(shown)) as pool:
        health = pool.map(lambda upstream: upstream.health(), shown)
    return render_template("providers.html", upstreams=zip(shown, health, strict=True))


def _upstreams() -> Upstreams:
    return cast(Upstreams, current_app.extensions["providers"])
