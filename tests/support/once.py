"""What each application of a test process would make anew, and just as the one before did: it is made once."""

from collections.abc import Callable, Hashable
from functools import cache
from types import CodeType
from typing import Any, cast

import pytest
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from webapp.web import i18n
from webapp.web.templates import Templates

Build = Callable[..., tuple[str, str]]


class Compiled(BytecodeCache):
    """Templates by language, by name and by checksum of the source."""

    def __init__(self) -> None:
        self._code: dict[Hashable, CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get(_key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[_key(bucket)] = bucket.code


def _key(bucket: Bucket) -> Hashable:
    return cast(Templates, bucket.environment).language, bucket.key, bucket.checksum


def share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogues of a folder, and the functions that write the addresses of a route."""
    monkeypatch.setattr(i18n, "found", cache(i18n.found))
    monkeypatch.setattr(Rule, "_compile_builder", _once(Rule._compile_builder))


def _once(compiled: Callable[[Rule, bool], Build]) -> Callable[[Rule, bool], Build]:
    """By all that Werkzeug makes one of; it is bound to its route only when it has been made."""
    builds: dict[Any, Build] = {}

    def build(rule: Rule, append_unknown: bool) -> Build:
        key = rule.rule, tuple(rule._trace), tuple((rule.defaults or {}).items()), append_unknown
        if key not in builds:
            builds[key] = compiled(rule, append_unknown)
        return builds[key]

    return build
