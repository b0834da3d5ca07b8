"""`providers.toml`: several upstreams, the default model and presets, read once at the start."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from urllib.parse import urlsplit

from .parsers import PROXY_SCHEMES, certificates, is_loopback, one_of, upstream_url, web_url
from .settings import Settings, SettingsError

KINDS = ("openai", "voigpt")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
KEY = re.compile(r"[!-~]+")
CHOICE = re.compile(r"[a-z0-9_-]+/\S.*")
LABEL_CHARACTERS = 100
MODEL_CHARACTERS = 200
SYSTEM_CHARACTERS = 20_000  # no more, here and below, than the form takes in which a chat changes its copy of a preset
ANSWER_TOKENS = 1_000_000
MANY_LINES = re.compile(r'"""[\s\S]*?"""|' r"'''[\s\S]*?'''")
HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
ASSIGNMENT = re.compile(r"\s*[\"']?([^\s\"'=]+)[\"']?\s*=")
SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)

Parse: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class Model:
    """A model that an upstream offers. `context` is in tokens, `images` whether it takes them; None is not known."""

    name: str
    label: str
    context: int | None = None
    images: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """`[upstreams.NAME]`. No `models` means all that the server lists; `seconds` None is the setting's."""

    name: str
    kind: str
    url: str
    label: str = ""
    key: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    ca_file: str = ""
    seconds: float | None = None
    connect_seconds: float = 10.0
    context: int | None = None
    images: bool | None = None
    models: tuple[Model, ...] = ()
    place: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """`[presets.NAME]`: how a new chat may begin. `model` is `upstream/model`, empty for the default."""

    name: str
    label: str
    model: str = ""
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    place: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class ProvidersFile:
    """All of it. A `place` is the file and the line, for a sentence about what is written there."""

    default: str = ""
    default_place: str = ""
    upstreams: tuple[Upstream, ...] = ()
    presets: tuple[Preset, ...] = ()


def load(settings: Settings) -> ProvidersFile:
    """What the file says; nothing if there is none where it may be missing. Raises `SettingsError`."""
    path = settings.providers_file
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ProvidersFile()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: save it as UTF-8.") from None
    written = parse(text, path)
    if mode & 0o077 and any(_holds_secret(upstream, text) for upstream in written.upstreams):
        raise SettingsError(f"{path} holds keys and others may read it: run chmod 600 {path}.")
    return written


def parse(text: str, path: Path) -> ProvidersFile:
    """`path` is for the sentences, and for the files that the text names. Raises `SettingsError`."""
    try:
        whole = _Table(path, text, (), tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(path, text, str(error))) from None
    found = whole.read({"default": _choice, "upstreams": _table, "presets": _table})
    upstreams = tuple(_upstream(table) for table in whole.tables("upstreams"))
    presets = tuple(_preset(table) for table in whole.tables("presets"))
    return ProvidersFile(
        default=found.get("default", ""), default_place=whole.place("default"), upstreams=upstreams, presets=presets
    )


def warnings(settings: Settings, written: ProvidersFile) -> Iterator[str]:
    """What is no mistake, but worth a line at the start."""
    if settings.openai_api_key and _is_open_way(settings.openai_base_url):
        yield "OPENAI_API_KEY goes over plain http, where others may read it: let OPENAI_BASE_URL begin with https."
    for upstream in written.upstreams:
        if upstream.key and _is_open_way(upstream.url):
            yield f"{upstream.place}: the key goes over plain http, where others may read it: use https."


@dataclass(frozen=True)
class _Table:
    """A table of the file, and where it stands."""

    path: Path
    text: str = field(repr=False)
    names: tuple[str, ...]
    values: Mapping[str, Any] = field(repr=False)

    def read(self, parsers: Mapping[str, Parse]) -> dict[str, Any]:
        """Its values as the parsers make them. Raises `SettingsError`."""
        found = {}
        for key, value in self.values.items():
            if key not in parsers:
                self.refuse(key, _unknown(key, list(parsers), is_inner=bool(self.names)))
            try:
                found[key] = parsers[key](value)
            except ValueError as error:
                self.refuse(key, f"{key} {error}.")
        return found

    def tables(self, key: str) -> Iterator["_Table"]:
        for name, value in self.values.get(key, {}).items():
            inner = _Table(self.path, self.text, (*self.names, key, name), value)
            if not isinstance(value, dict):
                self.refuse(key, f"{name} belongs into a table with a name: write [{key}.NAME] before it.")
            if not NAME.fullmatch(name):
                inner.refuse("", f"the name “{name}” must be of a-z, 0-9, - and _, at most 40.")
            yield inner

    def refuse(self, key: str, sentence: str) -> NoReturn:
        raise SettingsError(f"{self.place(key)}: {sentence}")

    def place(self, key: str = "") -> str:
        return f"{self.path}, line {self._line(key)}"

    def _line(self, key: str) -> int:
        """The line of the key in this table; else that of the table's header; else the first."""
        table: tuple[str, ...] = ()
        found = 1
        for number, line in enumerate(_without_long_texts(self.text).split("\n"), 1):
            if header := HEADER.match(line):
                table = tuple(part.strip(" \t\"'") for part in header[1].split("."))
                found = number if table == self.names else found
                if key and table[: len(self.names) + 1] == (*self.names, key):
                    return number
            elif table == self.names and (assignment := ASSIGNMENT.match(line)) and assignment[1] == key:
                return number
        return found


def _upstream(table: _Table) -> Upstream:
    found = table.read(
        {
            "kind": one_of(*KINDS),
            "label": _line(LABEL_CHARACTERS),
            "url": _text(upstream_url),
            "key": _key,
            "key_file": _text(partial(_key_in, table.path.parent)),
            "proxy": _text(web_url(*PROXY_SCHEMES)),
            "ca_file": _text(lambda text: certificates(str(_beside(table.path.parent, text)))),
            "seconds": _between(1, 86400),
            "connect_seconds": _between(0.1, 600),
            "context": _tokens,
            "images": _yes_or_no,
            "models": _models,
        }
    )
    for needed in ("kind", "url"):
        if needed not in found:
            table.refuse("", f"the upstream {table.names[-1]} needs a {needed}{_EXAMPLES[needed]}.")
    if "key" in found and "key_file" in found:
        table.refuse("key_file", "key and key_file are one too many: keep one of them.")
    if found.get("images") and found["kind"] == "voigpt":
        table.refuse("images", "a VoiGpt server takes no images: leave it out.")
    key = found.pop("key_file", "") or found.pop("key", "")
    return Upstream(name=table.names[-1], key=key, place=table.place(), **found)


def _preset(table: _Table) -> Preset:
    found = table.read(
        {
            "label": _line(LABEL_CHARACTERS),
            "model": _choice,
            "system": _text(_system),
            "temperature": _between(0, 2),
            "top_p": _between(0, 1),
            "max_tokens": _whole(1, ANSWER_TOKENS),
            "seed": _whole(-(2**63), 2**63 - 1),
        }
    )
    return Preset(**{"name": table.names[-1], "label": table.names[-1], "place": table.place()} | found)


_EXAMPLES = {"kind": ', "openai" or "voigpt"', "url": ', such as "http://127.0.0.1:11434/v1"'}


def _text(parse: Callable[[str], Any]) -> Parse:
    def parse_text(value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            raise ValueError('must be text in quotes, such as "…"')
        return parse(value)

    return parse_text


def _line(most: int) -> Parse:
    def parse(value: Any) -> str:
        line = str(_text(str.strip)(value))
        if not line.isprintable() or len(line) > most:
            raise ValueError(f"must be one line of at most {most} characters")
        return line

    return parse


def _system(text: str) -> str:
    if "\0" in text or len(text) > SYSTEM_CHARACTERS:  # PostgreSQL has no NUL
        raise ValueError(f"must be text of at most {SYSTEM_CHARACTERS} characters, none of them NUL")
    return text


def _choice(value: Any) -> str:
    if not CHOICE.fullmatch(choice := str(_text(str)(value))):
        raise ValueError('must be the upstream\'s name, / and the model, such as "lab/llama3.2"')
    return choice


def _key(value: Any) -> str:
    if not KEY.fullmatch(key := str(_text(str.strip)(value))):
        raise ValueError("must be one word of plain letters, digits and signs")
    return key


def _key_in(folder: Path, name: str) -> str:
    path = _beside(folder, name)
    try:
        return _key(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"names {path}, which cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"names {path}, which must hold the key and nothing else") from None


def _beside(folder: Path, name: str) -> Path:
    return folder / Path(name).expanduser()


def _between(low: float, high: float) -> Parse:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, without quotes")
        return float(value)

    return parse


def _whole(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, without quotes")
        return value

    return parse


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


def _tokens(value: Any) -> int:
    return int(_whole(1, 100_000_000)(value))


def _models(value: Any) -> tuple[Model, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError('must be a list of models, such as ["llama3.2"]; leave it out for all')
    models = tuple(map(_model, value))
    if len({model.name for model in models}) < len(models):
        raise ValueError("names a model twice: keep one")
    return models


def _model(value: Any) -> Model:
    row = value if isinstance(value, dict) else {"name": value}
    if not isinstance(row.get("name"), str) or not row.keys() <= {"name", "label", "context", "images"}:
        raise ValueError(
            'has one that is neither "NAME" nor { name = "NAME", label = "…", context = 8192, images = true }'
        )
    name = _line(MODEL_CHARACTERS)(row["name"])
    context = _tokens(row["context"]) if "context" in row else None
    label = _line(LABEL_CHARACTERS)(row["label"]) if "label" in row else name
    if not isinstance(row.get("images"), bool | None):
        raise ValueError("has one whose images is neither true nor false")
    return Model(name, label, context, row.get("images"))


def _table(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be tables with names, such as [upstreams.lab]")
    return value


def _unknown(key: str, known: list[str], *, is_inner: bool) -> str:
    if is_inner and key == "default":
        return "default stands in a table: write it above the first [ … ]."
    if close := get_close_matches(key, known, 1, cutoff=0.6):
        return f"there is no key {key}; did you mean {close[0]}?"
    return f"there is no key {key}; there is {', '.join(known)}."


def _syntax(path: Path, text: str, said: str) -> str:
    """tomllib's words, and what to do where they do not say it."""
    match = SYNTAX.fullmatch(said)
    reason, line = (match[1], match[2]) if match else (said, None)
    if reason.startswith(("Cannot overwrite", "Cannot declare")):
        reason = "this is written twice: keep one of them"
    elif line is None:
        reason = "something above is not closed: a quote or a bracket"
    elif reason == "Invalid value":
        reason = "this is no value: put text in quotes"
    elif reason.startswith("Illegal character"):
        reason = "a text is not closed by a quote on its line"
    return f"{path}, line {line or text.count(chr(10)) + 1}: {reason[:1].lower()}{reason[1:]}."


def _without_long_texts(text: str) -> str:
    return MANY_LINES.sub(lambda match: "\n" * match[0].count("\n"), text)


def _holds_secret(upstream: Upstream, text: str) -> bool:
    """Whether the file itself does: a key from a file of its own is not in it."""
    return bool(upstream.key and upstream.key in text) or "@" in upstream.proxy


def _is_open_way(url: str) -> bool:
    return url.startswith("http:") and not is_loopback(urlsplit(url).hostname or "")
