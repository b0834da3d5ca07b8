"""The manual as sections, and the search in them. Not an adapter; the Guide's."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .glossary import is_russian, meanings

K1, B = 1.2, 0.75
TITLE_WEIGHT = 3
DEFINED_WEIGHT = 30
MEANING_WEIGHT = 0.7
UNKNOWN_WEIGHT = 0.5
LEAST_COVERAGE = 0.35
QUOTED = 100.0


@dataclass(frozen=True)
class Term:
    """One word of a question: the stems that may stand for it in the manual, each with a weight of at most 1."""

    stems: Mapping[str, float]


@dataclass(frozen=True)
class Section:
    file: str
    page: str
    title: str
    body: str


def sections(file: str, text: str) -> Iterator[Section]:
    """The parts of a Markdown page between its headings, without its pictures; the first heading names the page."""
    text = PICTURE.sub("", text)
    heads = [match for match in FENCE_OR_HEADING.finditer(text) if match["title"]]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        if body := text[head.end() : end].strip():
            yield Section(file, heads[0]["title"], "Introduction" if head is heads[0] else head["title"], body)


def read(folder: Path) -> "Manual":
    """The pages (`*.md`) of a folder."""
    pages = sorted(folder.glob("*.md"))
    return Manual([section for page in pages for section in sections(page.name, page.read_text("utf-8"))])


class Manual:
    """Sections ranked by BM25: Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009.

    The words of a title count several times, as in their BM25F, and so does a setting's name in a table of settings.
    """

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = sections
        self._quotes = [_quotes(section.body) for section in sections]
        self._counts = [_counts(section) for section in sections]
        self._lengths = [len(words(section.body)) for section in sections]
        self._mean_length = sum(self._lengths) / max(len(sections), 1)
        self._found_in = Counter(stem for counts in self._counts for stem in counts)

    def search(self, text: str, terms: Sequence[Term]) -> list[Section]:
        """The best section, then at most two close ones; nothing if the best misses most of the question.

        A section that quotes a sentence which stands in `text` comes before all that do not.
        """
        said = f" {_plain(text)} "
        quoting = [any(f" {quote} " in said for quote in quotes) for quotes in self._quotes]
        scores = [self._score(terms, place) + QUOTED * quoting[place] for place in range(len(self.sections))]
        ranked = sorted(range(len(scores)), key=lambda place: -scores[place])[:3]
        if not ranked or self._coverage(terms, self._counts[ranked[0]]) < LEAST_COVERAGE:
            return []
        return [self.sections[place] for place in ranked if scores[place] > scores[ranked[0]] / 2]

    def _score(self, terms: Sequence[Term], place: int) -> float:
        counts = self._counts[place]
        saturation = K1 * (1 - B + B * self._lengths[place] / self._mean_length)
        return sum(
            max(
                weight * self._rarity(stem) * counts[stem] * (K1 + 1) / (counts[stem] + saturation)
                for stem, weight in term.stems.items()
            )
            for term in terms
        )

    def _coverage(self, terms: Sequence[Term], counts: Counter[str]) -> float:
        """The share of the question's worth that lies in the words found, 0 to 1."""
        found = sum(self._worth(term) for term in terms if any(stem in counts for stem in term.stems))
        return found / (sum(map(self._worth, terms)) or 1)

    def _worth(self, term: Term) -> float:
        """That of the stem that the manual has; a part of it where it has none, for that may be any word."""
        known = [weight * self._rarity(stem) for stem, weight in term.stems.items() if stem in self._found_in]
        return max(known) if known else UNKNOWN_WEIGHT * self._rarity("")

    def _rarity(self, stem: str) -> float:
        # The inverse document frequency; 1 + keeps it positive for a word of most sections.
        count = self._found_in[stem]
        return math.log(1 + (len(self.sections) - count + 0.5) / (count + 0.5))


def _counts(section: Section) -> Counter[str]:
    defined = [word for cell in FIRST_CELL.findall(section.body) for word in words(cell) if "_" in word]
    code = {word for block in CODE.findall(section.body) for word in words(block)}
    prose = words(CODE.sub("", section.body))
    return Counter(
        [*words(section.page), *TITLE_WEIGHT * words(section.title), *DEFINED_WEIGHT * defined, *prose, *code]
    )


def _quotes(body: str) -> list[str]:
    """What a section quotes of the product's sentences, up to what differs each time."""
    beginnings = [_plain(quote.partition("…")[0]) for quote in QUOTE.findall(body)]
    return [beginning for beginning in beginnings if beginning.count(" ") >= 2]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem(word) for word in said(text)]


def terms(text: str, weight: float = 1.0) -> list[Term]:
    """What to look for in the manual for a text of a person."""
    found = [_stems(word) for word in dict.fromkeys(said(text))]
    return [Term({each: share * weight for each, share in stems.items()}) for stems in found if stems]


def _stems(word: str) -> Mapping[str, float]:
    """What may stand for the word; nothing if it means only words that carry no meaning."""
    meant = [*meanings(word)]
    if not is_russian(word):
        return dict.fromkeys(words(" ".join(meant)), MEANING_WEIGHT) | {stem(word): 1.0}
    return dict.fromkeys(words(" ".join(meant)) if meant else [word], 1.0)


def said(text: str) -> list[str]:
    found = [part for name in NAME.findall(text.lower().replace("ё", "е")) for part in _parts(name)]
    return [word for word in found if word not in STOP_WORDS]


def _parts(name: str) -> list[str]:
    """A setting's name is a word, and so is each part of it."""
    parts = [part for part in name.split("_") if len(part) > 1]
    return [name, *parts] if len(parts) > 1 else parts


def stem(word: str) -> str:
    return DOUBLED.sub(r"\1", ENDING.sub("", word))


NAME = re.compile(r"\w{2,}")
ENDING = re.compile(r"(?<=\w{3})(?:ies|ings?|ed|es|e|(?<!s)s|y)$")
DOUBLED = re.compile(r"(?<=[aeiou])([bdgmnprt])\1$")
STOP_WORDS = frozenset(
    NAME.findall(
        """
        about an and are as at be but by can could demo demonstrate did do does example for from
        get give go had has have how if in into is it its let me my need no not of on or our please put
        see set should show so some tell that the their them then there they this to us use used want
        was we what when where which why will with would you your
        без бы быть вам вас весь все всех вы где давай дай делать для до его ее если есть еще же за здесь из или им
        их как какая какие какой когда кто куда ли лучше меня мне может можно мой моя мои мое моих мы на надо не
        нельзя нет ни них но ну нужно об он она они от по покажи показать почему пожалуйста при пример про сделать
        со так такие такое там то ты тут уже хочу чего чем через что чтобы это этот эта эти
        """
    )
)
PICTURE = re.compile(r"^<picture>.*?</picture>\n+", re.MULTILINE | re.DOTALL)
FENCE_OR_HEADING = re.compile(r"^```.*?^```$|^#{1,6} +(?P<title>[^\n]+)$", re.M | re.S)
QUOTE = re.compile("“([^”]+)”")
CODE = re.compile(r"^```.*?^```$", re.M | re.S)
FIRST_CELL = re.compile(r"^\| ([^|]*) \|", re.M)
