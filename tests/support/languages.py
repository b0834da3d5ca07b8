"""A language without Latin letters: what of a sentence is left in English there was never said as a sentence."""

import re
from gettext import NullTranslations

from webapp.web.i18n import Language

PLACE_OR_WORD = re.compile(r"(%\(\w+\)s|\{\w*\}|<[^>]*>)|[A-Za-z]+")
FOREIGN = re.compile(r"“[^”]*”|\(\d{3}[^)]*\)")
"""An upstream's own words, and HTTP's name of a status."""


class _Elsewhere(NullTranslations):
    def gettext(self, message: str) -> str:
        return PLACE_OR_WORD.sub(lambda found: found[1] or "ж", message)

    def pgettext(self, _context: str, message: str) -> str:
        return self.gettext(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


ELSEWHERE = Language("elsewhere", _Elsewhere(), "ж", "ltr", " ")


def left_in_english(sentence: str) -> str:
    """The words that stay English in the other language, but for quotations."""
    return " ".join(re.findall(r"[A-Za-z][A-Za-z ]*", FOREIGN.sub("", ELSEWHERE.say(sentence))))


HEBREW = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgctxt "language"
msgid "English"
msgstr "עברית"

msgctxt "direction"
msgid "ltr"
msgstr "rtl"

msgid "New chat"
msgstr "שיחה חדשה"

msgid "Send"
msgstr "שליחה"
"""
"""The little that one file can say of a language that is written from right to left."""
