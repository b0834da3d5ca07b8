"""A reply on a page while it is being written: HTML that can be followed by more, and never be taken back.

A final block is sent as the finished message shows it. The block that is still being written is sent as far as it has
come, and left open: while what comes only adds to it, only that is sent. Where it changes what was sent (a line of
dashes makes a heading, finished code gets its colours), the block is sent again in a `<div class="v">`, and the style
sheet hides the element in front of that.
"""

import re
from collections.abc import Callable, Iterator
from html import escape

from markupsafe import Markup

from .blocks import Reach, reach
from .markdown import Rendering, TooLargeError, stored

LOOKS = 32  # a block is rendered again when it has grown by such a part; more is smoother, and costs as much more

MOST = 3  # bytes sent for each one of the finished HTML, or of the text where that is longer …
SPARE = 100  # … and these, for the first words


class Growing:
    """What one page is sent of one reply. It is given all of the text so far, which only grows, as often as you like.

    The pieces go one after the other into one element of the class `text`; between them only comments may stand, as
    elements are open until `end`. With `has_css=False` only final blocks are sent, for browsers that would show every
    version of the others.

    All pieces together show what `render` makes of the text, with three differences, which a reload removes. A link
    reference or a footnote works within its own block only. The bracket of a formula that never ends keeps no formula
    of the next block from being one. What exceeds the limits is plain text from there on, not from the start.
    """

    def __init__(self, *, has_css: bool = True) -> None:
        self._has_css = has_css
        self._rendering = Rendering()
        self._block = _Block()
        self._budget = _Budget()
        self._final = 0  # up to where the text's blocks are final, and sent
        self._seen = 0  # up to where the text was looked at
        self._is_plain = False

    def grow(self, text: str) -> Markup:
        """What to send now that the reply has come so far."""
        if len(text) - self._seen <= (self._seen - self._final) // LOOKS and not self._is_plain:
            return stored("")
        return self._pieces(text, reach)

    def end(self, text: str) -> Markup:
        """What to send last: the reply is whole, or will not be."""
        return self._pieces(text, lambda growing: Reach(len(growing), len(growing))) + stored(self._block.end())

    def _pieces(self, text: str, reached: Callable[[str], Reach]) -> Markup:
        html = escape(text[self._seen :], quote=False) if self._is_plain else "".join(self._blocks(text, reached))
        self._seen = len(text)
        return stored(html)

    def _blocks(self, text: str, reached: Callable[[str], Reach]) -> Iterator[str]:
        growing = text[self._final :]
        closed, shown = reached(growing)
        try:
            if closed:
                yield self._finish(growing[:closed])
            if self._has_css and closed < shown:
                yield self._extend(growing[closed:shown])
        except TooLargeError:
            self._is_plain = True
            yield self._block.become(f'<pre class="plain">{escape(text[self._final :], quote=False)}', "</pre>\n")

    def _finish(self, blocks: str) -> str:
        html = self._rendering.finished(blocks)
        piece = self._block.become(html, "") + self._block.end()
        self._budget.finish(piece, html, blocks)
        self._final += len(blocks)
        return piece

    def _extend(self, block: str) -> str:
        html = self._rendering.draft(block)
        end = _end_of_words(html)
        piece = self._block.piece(html[:end])
        if not piece or not html or not self._budget.spends(piece, html[end:], block, html):
            return ""
        return self._block.become(html[:end], html[end:])


class _Block:
    """The block that is open on the page, if any."""

    def __init__(self) -> None:
        self._html = ""
        self._tags = ""
        self._is_version = False

    def piece(self, html: str) -> str:
        """What makes the page show this HTML in place of what it shows of the block."""
        if html.startswith(self._html):
            return html[len(self._html) :]
        return f"{self._end_tags()}{_VERSION}{html}"

    def become(self, html: str, tags: str) -> str:
        """The piece for this HTML, which is now shown; the tags end its elements."""
        piece = self.piece(html)
        self._is_version = self._is_version or not html.startswith(self._html)
        self._html, self._tags = html, tags
        return piece

    def end(self) -> str:
        tags = self._end_tags()
        self._html, self._tags, self._is_version = "", "", False
        return tags

    def _end_tags(self) -> str:
        return self._tags + _VERSION_END * self._is_version


_VERSION, _VERSION_END = '<div class="v">', "</div>\n"


class _Budget:
    """Counts the bytes that are sent beyond the finished HTML."""

    def __init__(self) -> None:
        self._due = 0
        self._extra = -SPARE
        self._open = 0

    def spends(self, piece: str, tags: str, block: str, html: str) -> bool:
        """Whether a piece of the open block may be sent, whatever becomes of the block."""
        extra = self._extra + self._open + _size(piece + tags + _VERSION + _VERSION_END)
        if extra > (MOST - 1) * (self._due + max(_size(block), _size(_lasting(html)))):
            return False
        self._open += _size(piece)
        return True

    def finish(self, piece: str, html: str, blocks: str) -> None:
        self._extra += self._open + _size(piece) - _size(html)
        self._open = 0
        self._due += max(_size(html), _size(blocks))


def _size(text: str) -> int:
    return len(text.encode())


def _lasting(html: str) -> str:
    """The HTML without the inline tags of its last paragraph, row or item, all of which may yet turn out to be text."""
    last = max(html.rfind(tag) for tag in ("<p>", "<li>", "<tr>", "<h"))
    return html[: last + 1] + _INLINE_TAG.sub("", html[last + 1 :])


_INLINE_TAG = re.compile(r"</?(?:a|code|del|em|span|strong|sup)\b[^>]*>")


def _end_of_words(html: str) -> int:
    """Where the end tags begin between which and the last words more words may come."""
    end = len(html)
    while tag := _END_TAG.search(html, max(0, end - _LONGEST), end):
        end = tag.start()
    return end


_END_TAG = re.compile(r"(?:</code></pre>|</(?:p|h\d|li|ul|ol|blockquote|pre|div|t[dhr]|tbody|table)>)\n?\Z")

_LONGEST = len("</code></pre>\n")
