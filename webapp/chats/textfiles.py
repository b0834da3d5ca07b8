"""Text files that people send: part of their message, as a block of code under the file's name."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from ..characters import visible
from .text import cleaned

NAME_CHARACTERS = 100
# What a text file has none of; a terminal's log has escapes, and an old listing form feeds.
BINARY = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
PDF = b"%PDF-"
BOMS = {BOM_UTF8: "utf-8-sig", BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}

# The languages that a name's ending tells; others are shown plain.
LANGUAGES = {
    ending: language
    for language, endings in {
        "python": "py pyi",
        "javascript": "js mjs cjs",
        "typescript": "ts tsx",
        "jsx": "jsx",
        "json": "json",
        "yaml": "yaml yml",
        "toml": "toml",
        "ini": "ini cfg conf",
        "html": "html htm",
        "xml": "xml svg",
        "css": "css",
        "sql": "sql",
        "bash": "sh bash",
        "c": "c h",
        "cpp": "cpp cc cxx hpp",
        "csharp": "cs",
        "java": "java",
        "kotlin": "kt",
        "swift": "swift",
        "go": "go",
        "rust": "rs",
        "ruby": "rb",
        "php": "php",
        "perl": "pl pm",
        "lua": "lua",
        "r": "r",
        "diff": "diff patch",
        "markdown": "md markdown",
        "tex": "tex",
    }.items()
    for ending in endings.split()
}


def text(content: bytes) -> str | None:
    """The words of a file in UTF-8, or in UTF-16 where it says so; None if it is no text."""
    encoding = next((name for mark, name in BOMS.items() if content.startswith(mark)), "utf-8")
    try:
        words = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if BINARY.search(words) or content.startswith(PDF) else cleaned(words)


def block(name: str, words: str) -> str:
    """As Markdown: the name, and the words in a fence that nothing in them closes."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", words)), default=0))
    language = LANGUAGES.get(name.rpartition(".")[2].lower(), "") if "." in name else ""
    end = "" if words.endswith("\n") else "\n"
    return f"`{name.replace('`', chr(39))}`:\n\n{fence}{language}\n{words}{end}{fence}"


def safe_name(name: str) -> str:
    """The last part of a path, on one line, without what is invisible or would turn a page's words round."""
    last = re.split(r"[/\\]", cleaned(name))[-1]
    return " ".join(visible(last).split())[:NAME_CHARACTERS].strip() or "file"
