"""Every word of the pages can be said in every language that there is a catalogue for."""

import re
from string import Formatter

import polib
import pytest

from tests.support.catalogues import FOLDER, plural_forms, strings

CATALOGUES = sorted(FOLDER.glob("*.po"))
TAG = re.compile(r"</?[a-z]+[^>]*>")


def named(path: object) -> str:
    return getattr(path, "stem", str(path))


def entries() -> list[tuple[str, polib.POEntry]]:
    return [(path.stem, entry) for path in CATALOGUES for entry in polib.pofile(str(path), encoding="utf-8")]


def said(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def fields(text: str) -> set[str]:
    """`{name}` of sentences and `%(name)s` of templates."""
    of_templates = set(re.findall(r"%\(\w+\)s", text))
    return of_templates or {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("path", CATALOGUES, ids=named)
def test_a_catalogue_holds_each_string_and_no_other(path: object) -> None:
    catalogue = polib.pofile(str(path), encoding="utf-8")
    wanted = {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in strings()}
    assert {(entry.msgctxt, entry.msgid, entry.msgid_plural or "") for entry in catalogue} == wanted


@pytest.mark.parametrize("path", CATALOGUES, ids=named)
def test_a_catalogue_says_each_string_in_each_of_its_forms(path: object) -> None:
    catalogue = polib.pofile(str(path), encoding="utf-8")
    forms = plural_forms(catalogue)
    unsaid = [entry.msgid for entry in catalogue if not all(said(entry)) or entry.fuzzy]
    assert unsaid == []
    assert {len(entry.msgstr_plural) for entry in catalogue if entry.msgid_plural} == {forms}


def test_a_translation_has_the_places_and_tags_of_its_string() -> None:
    wrong = []
    for language, entry in entries():
        allowed = fields(entry.msgid) | fields(entry.msgid_plural or "")
        for text in said(entry):
            has_all = fields(text) == allowed or (entry.msgid_plural and fields(text) <= allowed)
            if not has_all or sorted(TAG.findall(text)) != sorted(TAG.findall(entry.msgid)):
                wrong.append((language, entry.msgid, text))
    assert wrong == []


def test_a_translation_breaks_out_of_no_attribute() -> None:
    loose = [text for _, entry in entries() for text in said(entry) if set('"<>') & set(TAG.sub("", text))]
    assert loose == []


def test_a_percent_sign_of_a_template_is_written_twice() -> None:
    """Where Jinja fills in the values of `%(name)s`, a single one would be an error on the page."""
    of_templates = [
        entry for _, entry in entries() if any(name.startswith("templates") for name, _ in entry.occurrences)
    ]
    for entry in of_templates:
        for text in [entry.msgid, *said(entry)]:
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", text), entry.msgid
