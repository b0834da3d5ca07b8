"""The one table of settings, read from the environment once at the start."""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any

from .parsers import (
    EMBEDDED,
    PROXY_SCHEMES,
    Address,
    Network,
    Quota,
    address,
    certificates,
    database,
    existing_file,
    folder,
    header,
    hosts,
    is_loopback,
    line,
    link,
    networks,
    number,
    one_of,
    optional,
    quota,
    sign_out_url,
    switch,
    team_password,
    upstream_url,
    web_url,
)

ROOT = Path(__file__).resolve().parent.parent
SECRET_CHARACTERS = 16
FORM_BYTES = 320 * 1024  # a system prompt and whatever else a form holds besides a message
LOOPBACK_HOSTS = ("localhost", ".localhost", "127.0.0.1", "[::1]")


class SettingsError(Exception):
    """A setting makes no sense; `str(error)` is one sentence for the admin."""


@dataclass(frozen=True)
class Setting:
    """One row of the table. `default` is written as an admin would write it; `shown` replaces it in the docs."""

    name: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    secret: bool = False
    shown: str = ""


def _row(name: str, default: str, parse: Callable[[str], Any], meaning: str, **more: Any) -> dict[str, Setting]:
    return {"setting": Setting(name, default, parse, meaning, **more)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    bind: Address = field(
        metadata=_row(
            "VOICHAT_BIND",
            "127.0.0.1:8000",
            address,
            "Address and port to listen on; `0.0.0.0:8000` for the whole network.",
        )
    )
    hosts: tuple[str, ...] = field(
        metadata=_row(
            "VOICHAT_HOSTS",
            "",
            hosts,
            "Names under which people open Voichat; any other gets 400. `.example.lan` takes in its subdomains.",
            shown="loopback names and the bind address",
        )
    )
    trusted_proxies: tuple[Network, ...] = field(
        metadata=_row(
            "VOICHAT_TRUSTED_PROXIES",
            "",
            networks,
            "Addresses or networks of reverse proxies whose `X-Forwarded-*` headers count.",
            shown="none",
        )
    )
    name: str = field(
        metadata=_row(
            "VOICHAT_NAME",
            "Voichat",
            line(1, 40),
            "What this place is called: in the bar, in titles and as an app.",
        )
    )
    notice: str = field(
        metadata=_row(
            "VOICHAT_NOTICE",
            "",
            line(0, 300),
            "One line for everybody, on every page, such as where people's words go.",
            shown="none",
        )
    )
    notice_url: str = field(
        metadata=_row(
            "VOICHAT_NOTICE_URL",
            "",
            link,
            "Where “More” at the end of that line leads.",
            shown="no such link",
        )
    )
    data: Path = field(
        metadata=_row(
            "VOICHAT_DATA",
            str(ROOT / "data"),
            folder,
            "The one folder that holds all state.",
            shown="`data/` beside `run`",
        )
    )
    database_url: str = field(
        metadata=_row(
            "DATABASE_URL",
            "",
            database,
            "Where history is kept: `sqlite:////path/to/file` or `postgresql://user:password@host/name`.",
            secret=True,
            shown="SQLite in the data folder",
        )
    )
    secret_key: str = field(
        metadata=_row(
            "SECRET_KEY",
            "",
            str,
            "Signs what pages send back; at least 16 characters.",
            secret=True,
            shown="made at the first start, kept in the data folder",
        )
    )
    auth: str = field(
        metadata=_row(
            "VOICHAT_AUTH",
            "open",
            one_of("open", "password", "proxy"),
            "Who may come in: `open` everybody, `password` who knows it, `proxy` whom a proxy in front names.",
        )
    )
    password: str = field(
        metadata=_row(
            "VOICHAT_PASSWORD",
            "",
            team_password,
            "The team's password, or what `./run hash-password` makes of it; at least 8 characters.",
            secret=True,
            shown="none",
        )
    )
    auth_header: str = field(
        metadata=_row(
            "VOICHAT_AUTH_HEADER",
            "X-Forwarded-User",
            header,
            "The header in which a trusted proxy names the person, with `VOICHAT_AUTH=proxy`.",
        )
    )
    sign_out_url: str = field(
        metadata=_row(
            "VOICHAT_SIGN_OUT_URL",
            "",
            sign_out_url,
            "Where “Sign out” leads with `VOICHAT_AUTH=proxy`, such as `/oauth2/sign_out`.",
            shown="no such link",
        )
    )
    sign_in_days: int = field(
        metadata=_row("VOICHAT_SIGN_IN_DAYS", "30", number(1, 400), "Days after which the password is asked for again.")
    )
    sign_in_idle_days: int = field(
        metadata=_row(
            "VOICHAT_SIGN_IN_IDLE_DAYS",
            "7",
            number(1, 400),
            "Days without a visit after which the password is asked for again.",
        )
    )
    model: str = field(
        metadata=_row(
            "VOICHAT_MODEL",
            "",
            str,
            "The model that a new chat offers first, as `provider/model`.",
            shown="the first upstream's first model",
        )
    )
    titles: str = field(
        metadata=_row(
            "VOICHAT_TITLES",
            "words",
            one_of("words", "model"),
            "What a new chat is called: its first `words`, or, by one more short call, what its `model` makes of it.",
        )
    )
    providers_toml: Path | None = field(
        metadata=_row(
            "VOICHAT_PROVIDERS_FILE",
            "",
            existing_file,
            "The file with several upstreams and presets.",
            shown="`providers.toml` in the data folder, if it is there",
        )
    )
    discover: bool | None = field(
        metadata=_row(
            "VOICHAT_DISCOVER",
            "",
            switch,
            "Whether Ollama, llama.cpp, vLLM and LM Studio are looked for on this machine: `on` or `off`.",
            shown="`on` while only this machine can reach Voichat",
        )
    )
    openai_base_url: str = field(
        metadata=_row(
            "OPENAI_BASE_URL",
            "",
            upstream_url,
            "An OpenAI-compatible server's address, which mostly ends in `/v1`; `embedded:` is the built-in Guide.",
            shown="none",
        )
    )
    openai_api_key: str = field(
        metadata=_row("OPENAI_API_KEY", "", str, "The key for it, if it wants one.", secret=True, shown="none")
    )
    voigpt_url: str = field(
        metadata=_row("VOIGPT_URL", EMBEDDED, upstream_url, "The VoiGpt server; `embedded:` is the built-in Guide.")
    )
    voigpt_proxy: str = field(
        metadata=_row(
            "VOIGPT_PROXY",
            "",
            web_url(*PROXY_SCHEMES),
            "Proxy on the way to the VoiGpt server: `http://`, `https://`, `socks5://` or `socks5h://`.",
            secret=True,
            shown="none",
        )
    )
    voigpt_ca_file: str = field(
        metadata=_row(
            "VOIGPT_CA_FILE",
            "",
            certificates,
            "PEM file of authorities to trust besides the system's, for https with certificates of your own.",
            shown="none",
        )
    )
    voigpt_access_token: str = field(
        metadata=_row(
            "VOIGPT_ACCESS_TOKEN",
            "",
            str,
            "CSRF token to use instead of fetching one from the VoiGpt server.",
            secret=True,
            shown="fetched",
        )
    )
    workers: int = field(metadata=_row("WEB_CONCURRENCY", "2", number(1, 64), "Worker processes."))
    threads: int = field(
        metadata=_row(
            "VOICHAT_THREADS",
            "64",
            number(8, 2000),
            "Requests that one worker serves at once; an open chat that waits for its reply is one.",
        )
    )
    replies: int = field(
        metadata=_row(
            "VOICHAT_REPLIES",
            "32",
            number(1, 2000),
            "Replies that one worker writes at once; further ones wait their turn.",
        )
    )
    replies_each: int = field(
        metadata=_row(
            "VOICHAT_REPLIES_EACH",
            "4",
            number(1, 2000),
            "Replies that are written for one person at once; further ones wait their turn.",
        )
    )
    replies_all: int = field(
        metadata=_row(
            "VOICHAT_REPLIES_ALL",
            "1000",
            number(1, 100_000),
            "Replies that all workers together write at once; set it to what the upstream can bear.",
        )
    )
    reply_seconds: int = field(
        metadata=_row("VOICHAT_REPLY_SECONDS", "600", number(1, 86400), "Longest time one reply may take, in seconds.")
    )
    message_characters: int = field(
        metadata=_row("VOICHAT_MESSAGE_CHARACTERS", "100000", number(1, 10_000_000), "Longest message, in characters.")
    )
    attachment_megabytes: int = field(
        metadata=_row(
            "VOICHAT_ATTACHMENT_MB",
            "10",
            number(0, 1000),
            "Megabytes that the files of one message may have together; `0` takes no files.",
        )
    )
    import_megabytes: int = field(
        metadata=_row(
            "VOICHAT_IMPORT_MB",
            "200",
            number(1, 10_000),
            "Largest file with chats to import, in MB; a day, one person may import five times as much.",
        )
    )
    limit_owner: Quota = field(
        metadata=_row(
            "VOICHAT_LIMIT_OWNER",
            "60/minute 1000/day 8 replies",
            quota,
            "Messages that one person may send, and replies that they may wait for at once; or `none`.",
        )
    )
    limit_address: Quota = field(
        metadata=_row(
            "VOICHAT_LIMIT_ADDRESS",
            "600/minute 20000/day",
            quota,
            "The same for all who come from one network address, often a whole team's; or `none`.",
        )
    )
    limit_everybody: Quota = field(
        metadata=_row("VOICHAT_LIMIT_EVERYBODY", "none", quota, "The same for all people together; or `none`.")
    )
    session_days: int = field(
        metadata=_row(
            "VOICHAT_SESSION_DAYS",
            "400",
            number(1, 400),
            "Days without a visit after which a browser's history is out of reach; browsers allow 400.",
        )
    )
    retention_days: int | None = field(
        metadata=_row(
            "VOICHAT_RETENTION_DAYS",
            "",
            optional(number(1, 36500)),
            "Days after its last message at which a chat is deleted for good, a pinned one too.",
            shown="none: chats are kept",
        )
    )
    shares: bool = field(
        metadata=_row(
            "VOICHAT_SHARES",
            "on",
            switch,
            "Whether people can share a chat by a link: `on` or `off`, which also closes the links that there are.",
        )
    )
    log: str = field(
        metadata=_row(
            "VOICHAT_LOG",
            "errors",
            one_of("errors", "requests"),
            "What the log holds: `errors`, or with `requests` also a line for each request, without its address.",
        )
    )

    def __post_init__(self) -> None:
        if self.secret_key:
            _long_enough(self.secret_key, "SECRET_KEY")
        if self.auth == "password" and not self.password:
            raise SettingsError("VOICHAT_AUTH is password, so VOICHAT_PASSWORD must say which.")
        if self.auth != "password" and self.password:
            raise SettingsError(f"VOICHAT_PASSWORD asks nobody while VOICHAT_AUTH is {self.auth}: set it to password.")
        if self.notice_url and not self.notice:
            raise SettingsError("VOICHAT_NOTICE_URL is set, so VOICHAT_NOTICE must say what it is about.")
        if self.auth == "proxy" and not self.trusted_proxies:
            raise SettingsError("VOICHAT_AUTH is proxy, so VOICHAT_TRUSTED_PROXIES must say whom to believe.")

    @property
    def is_open_to_all(self) -> bool:
        """Whether other machines may reach this one and nobody asks them who they are."""
        return self.auth == "open" and not is_loopback(self.bind.host)

    @property
    def can_sign_out(self) -> bool:
        return self.auth == "password" or bool(self.auth == "proxy" and self.sign_out_url)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'voichat.sqlite3'}"

    @property
    def discovers(self) -> bool:
        """Unless it is said: not where people come from elsewhere, to whom this machine's servers do not belong."""
        is_for_itself = is_loopback(self.bind.host) and not self.hosts and not self.trusted_proxies
        return is_for_itself if self.discover is None else self.discover

    @property
    def providers_file(self) -> Path:
        return self.providers_toml or self.data / "providers.toml"

    @property
    def link(self) -> str:
        """The address at which this process listens; a name from the settings if it has one."""
        is_every = self.bind.host in ("0.0.0.0", "::")  # noqa: S104
        own = "127.0.0.1" if is_every else self.bind.host
        return f"http://{Address(self.hosts[0].strip('.[]') if self.hosts else own, self.bind.port)}/"

    @property
    def body_bytes(self) -> int:
        """A character takes at most 12 bytes in a form: four of UTF-8, each as %XX."""
        return self.message_characters * 12 + FORM_BYTES

    @property
    def attachment_bytes(self) -> int:
        return self.attachment_megabytes * 1_000_000

    @property
    def import_bytes(self) -> int:
        return self.import_megabytes * 1_000_000

    @property
    def seats(self) -> int:
        """Pages that may wait for a reply at once: a quarter of the threads is kept for all others."""
        return self.threads - self.threads // 4

    @property
    def seats_each(self) -> int:
        """A third of them for one person: who opens many pages leaves seats for the others."""
        return max(self.seats // 3, 4)

    @property
    def trusted_hosts(self) -> list[str]:
        """Flask's `TRUSTED_HOSTS`: names without ports."""
        return list(self.hosts) or [*LOOPBACK_HOSTS, str(Address(self.bind.host, 0)).removesuffix(":0")]


def table() -> list[Setting]:
    """Every setting, in the order of the docs."""
    return [item.metadata["setting"] for item in fields(Settings)]


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; empty means unset. Raises `SettingsError`."""
    _refuse_unknown(environ)
    return Settings(**{item.name: _value(item.metadata["setting"], environ) for item in fields(Settings)})


def _value(setting: Setting, environ: Mapping[str, str]) -> Any:
    text = environ.get(setting.name, "") or _from_file(setting, environ) or setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        given = "" if setting.secret else f" (it is “{' '.join(text.split())}”)"
        raise SettingsError(f"{setting.name} {error}{given}.") from None


def _from_file(setting: Setting, environ: Mapping[str, str]) -> str:
    path = environ.get(f"{setting.name}_FILE", "") if setting.secret else ""
    if not path:
        return ""
    return _read(Path(path), f"{setting.name}_FILE names {path}, which")


def _read(path: Path, subject: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text file"
        raise SettingsError(f"{subject} cannot be read: {reason}.") from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = list(_names(table()))
    for name in sorted(environ):
        if name.startswith("VOICHAT_") and name not in known:
            close = get_close_matches(name, known, 1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise SettingsError(f"There is no setting {name}{hint}")


def _names(settings: Iterable[Setting]) -> Iterable[str]:
    for setting in settings:
        yield setting.name
        if setting.secret:
            yield f"{setting.name}_FILE"


def secret_key(settings: Settings) -> str:
    """The key that signs, from the settings or else from the data folder, where the first start leaves it.

    Raises `SettingsError`.
    """
    path = settings.data / "secret_key"
    if not settings.secret_key and not path.exists():
        make_data_folder(settings)
        _create_once(path, secrets.token_hex(32))
    return settings.secret_key or _long_enough(_read(path, f"The secret key {path}"), str(path))


def _long_enough(key: str, where: str) -> str:
    if len(key) < SECRET_CHARACTERS:
        raise SettingsError(f"{where} is too short: it needs at least {SECRET_CHARACTERS} characters.")
    return key


def make_data_folder(settings: Settings) -> None:
    """Raises `SettingsError` if state cannot be kept there."""
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.data):
            pass
    except OSError as error:
        raise SettingsError(
            f"The data folder {settings.data} cannot be written ({error.strerror}): set VOICHAT_DATA to one that can."
        ) from None


def _create_once(path: Path, text: str) -> None:
    """All of the text or none: of several processes at once one wins, and the others read what it wrote."""
    with NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            os.link(draft.name, path)
