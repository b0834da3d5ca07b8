"""The strings that a catalogue has to hold, as Babel finds them in the code and the templates.

python -m tests.support.catalogues    brings each catalogue up to date; what is new has no translation yet
"""

from collections.abc import Iterator
from pathlib import Path

import polib
from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "translations"
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "Sentence": None,
    "plural": (1, 2),
    "told": ((1, "c"), 2),
}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**.html": {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}


def strings() -> Iterator[polib.POEntry]:
    """Each of them once, in the order of its file."""
    found: dict[tuple[str | None, str], polib.POEntry] = {}
    for folder in ("webapp", "templates"):
        everything = extract_from_dir(ROOT / folder, METHODS, OPTIONS, KEYWORDS, ("Translators:",))
        for name, _line, message, comments, context in sorted(everything, key=lambda each: (each[0], each[1])):
            one, many = message if isinstance(message, tuple) else (message, "")
            entry = polib.POEntry(msgid=one, msgid_plural=many, msgctxt=context, comment="\n".join(comments))
            entry.occurrences = [(f"{folder}/{name}", "")]
            known = found.setdefault((context, one), entry)
            known.msgid_plural = known.msgid_plural or many
            if entry.occurrences[0] not in known.occurrences:
                known.occurrences += entry.occurrences
    yield from found.values()


def plural_forms(catalogue: polib.POFile) -> int:
    return int(catalogue.metadata["Plural-Forms"].partition("nplurals=")[2][0])


def update(path: Path) -> None:
    catalogue = polib.pofile(str(path), encoding="utf-8", wrapwidth=120)
    known = {(entry.msgctxt, entry.msgid): entry for entry in catalogue}
    forms = plural_forms(catalogue)
    catalogue.clear()
    for entry in strings():
        before = known.get((entry.msgctxt, entry.msgid))
        if entry.msgid_plural:
            entry.msgstr_plural = (before and before.msgstr_plural) or dict.fromkeys(range(forms), "")
        elif before:
            entry.msgstr = before.msgstr
        catalogue.append(entry)
    catalogue.save(str(path))


if __name__ == "__main__":
    for path in FOLDER.glob("*.po"):
        update(path)
