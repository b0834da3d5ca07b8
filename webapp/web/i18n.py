"""In which language a page is written, and what its words are in it. A language is one file in `translations/`."""

from collections.abc import Callable
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import polib
from flask import Flask, Response, current_app, g, request

from ..sentences import Sentence, Value, filled
from . import sessions

ENGLISH = "en"


@dataclass(frozen=True)
class Language:
    """`name` is what its speakers call it, `direction` that of its writing: ltr or rtl."""

    code: str
    catalogue: NullTranslations
    name: str
    direction: str
    between_thousands: str

    def say(self, words: str) -> str:
        """What the words are in this language; those that are no sentence of ours stay as they are."""
        if not isinstance(words, Sentence) or not words:
            return words
        catalogue, text, many = self.catalogue, words.text, words.many
        text = catalogue.ngettext(text, many, words.number) if many else catalogue.gettext(text)
        return filled(text, words.values, self.written)

    def written(self, value: Value) -> str:
        return self.number(value) if isinstance(value, int) else self.say(value)

    def number(self, number: int) -> str:
        return f"{number:,}".replace(",", self.between_thousands)


def init_app(app: Flask, folder: Path) -> None:
    app.extensions["languages"] = {ENGLISH: _language(ENGLISH, NullTranslations())} | found(folder)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.finalize = say
    app.jinja_env.filters["say"] = say
    app.jinja_env.globals.update(language=language, languages=languages)
    cast(Any, app.jinja_env).install_gettext_callables(
        lambda text: language().catalogue.gettext(text),
        lambda one, many, number: language().catalogue.ngettext(one, many, number),
        newstyle=True,
        pgettext=lambda context, text: language().catalogue.pgettext(context, text),
    )
    app.after_request(_note)


def found(folder: Path) -> dict[str, Language]:
    """By code, those of the catalogues there."""
    return {path.stem: _language(path.stem, _catalogue(path)) for path in sorted(folder.glob("*.po"))}


def languages() -> dict[str, Language]:
    return cast(dict[str, Language], current_app.extensions["languages"])


def language() -> Language:
    """The one that was chosen here, or else the first of those that the browser asks for which there is."""
    found: Language | None = g.get("language")
    if found is None:
        found = g.language = languages()[_code()]
    return found


def say(value: Any) -> Any:
    """For the reader of the page that is being made; anything but a sentence comes back as it is."""
    return language().say(value) if isinstance(value, Sentence) else value


def _code() -> str:
    """The first that there is; `en-GB` is content with `en` (RFC 4647, lookup)."""
    asked = [tag for tag, quality in request.accept_languages if quality]
    wanted = (code for tag in (sessions.preferred("language"), *asked) for code in (tag, tag.partition("-")[0]))
    return next((code for code in wanted if code in languages()), ENGLISH)


def _language(code: str, catalogue: NullTranslations) -> Language:
    told: Callable[[str, str], str] = catalogue.pgettext
    # Translators: what stands between thousands: 1,000.
    between_thousands = told("between thousands", ",")
    # Translators: the name of this language in itself, and whether it is written ltr or rtl.
    return Language(code, catalogue, told("language", "English"), told("direction", "ltr"), between_thousands)


def _catalogue(path: Path) -> GNUTranslations:
    return GNUTranslations(BytesIO(polib.pofile(str(path), encoding="utf-8").to_binary()))


def _note(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Language"] = language().code
        response.vary.add("Accept-Language")
    return response
