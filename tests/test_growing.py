"""A reply that is being written looks on the page like the finished one, as far as it has come, and costs no more."""

import random
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from time import process_time
from typing import Any

import pytest
from playwright.sync_api import Browser

from bench.commonmark import examples
from tests.support.messages import VOID, read
from tests.test_markdown import FRAGMENTS, PATHOLOGICAL, RAW_HTML, REFUSED_ADDRESSES, nonsense
from webapp import growing, markdown
from webapp.blocks import reach
from webapp.growing import MOST, SPARE, Growing
from webapp.markdown import MAX_DEPTH, Rendering, render
from webapp.web import assets

STYLE = assets.style()

VERSION, VERSION_END = '<div class="v">', "</div>"

REPLIES = [
    """# A plan

Hello **Alice**, here is *what* `run` does, see [the page](https://a.example/x) or https://b.example/y.

1. **First**: one thing
2. **Second**: another

   with a paragraph
3. Third

```python
def f(x):
    return x  # done
```

After it:
- a
- b
  - c

> Quoted *words*
> on two lines

---

| name | size |
|:-----|-----:|
| a    | **1** |
| b    | 2 |

## The end
#### Deeper
Words.
""",
    """Let $x^2$ and \\(y_1\\) be, and:

$$
x = 1
- y
= 2
$$

\\[
\\frac{a}{b}
\\]

It costs $5 and $6:
- [ ] open \\(z = 1\\)
- [x] done

Underlined
==========
Привет, **мир** 👋 & <b>HTML</b> ~~gone~~
""",
    """Here:
```sh
echo $HOME && cat <<EOF | sort
EOF
```
~~~
plain
~~~
1) one
2) two
* other
    indented

    code

<div>
*raw*
</div>

a | b
--|--
one | two
three | four

Last line without an end""",
]


def pieces(text: str, step: Callable[[], int], has_css: bool = True) -> Iterator[str]:
    """What is sent of a text that comes in steps of so many characters."""
    growing, come = Growing(has_css=has_css), 0
    while come < len(text):
        come += step()
        yield str(growing.grow(text[:come]))
    yield str(growing.end(text))


def tokens(seed: int) -> Callable[[], int]:
    dice = random.Random(seed)
    return lambda: dice.randint(1, 8)


def each() -> int:
    return 1


def at_once() -> int:
    return 10**9


class Elements(HTMLParser):
    """Splits HTML into its outermost elements."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._parts: list[str] = []
        self._depth = 0
        self.feed(html)
        self.close()
        assert self._depth == 0

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._put(self.get_starttag_text() or "", tag not in VOID)

    def handle_startendtag(self, _tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._put(self.get_starttag_text() or "", 0)

    def handle_endtag(self, tag: str) -> None:
        self._put(f"</{tag}>", -1)

    def handle_data(self, data: str) -> None:
        if self._depth:
            self._parts.append(data)
        else:
            assert data.strip() == ""

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def _put(self, tag: str, deeper: int) -> None:
        self._parts.append(tag)
        self._depth += deeper
        if self._depth == 0:
            self.found.append("".join(self._parts))
            self._parts.clear()


def elements(html: str) -> list[str]:
    return Elements(html).found


def seen(html: str) -> list[str]:
    """The elements that are seen where each version hides the element in front of it."""
    shown: list[list[str]] = []
    for element in elements(html):
        if element.startswith(VERSION):
            shown.pop()
            shown.append(elements(element.removeprefix(VERSION).removesuffix(VERSION_END)))
        else:
            shown.append([element])
    return [element for version in shown for element in version]


def check(text: str, step: Callable[[], int]) -> None:
    assert seen("".join(pieces(text, step))) == elements(str(render(text)))
    assert "".join(pieces(text, step, has_css=False)) == str(render(text))


def refers(text: str) -> bool:
    """Whether it may have references, whose ends may stand in another block."""
    return "]:" in text or "[^" in text


# What it looks like


@pytest.mark.parametrize("step", [each, tokens(1), at_once])
@pytest.mark.parametrize("text", REPLIES, ids=range(len(REPLIES)))
def test_in_the_end_it_looks_like_the_finished_reply(text: str, step: Callable[[], int]) -> None:
    check(text, step)


@pytest.mark.parametrize("text", REPLIES, ids=range(len(REPLIES)))
def test_wherever_it_ends_it_looks_like_the_finished_reply(text: str) -> None:
    for end in range(0, len(text), 17):
        check(text[:end], tokens(end))


def test_every_example_of_commonmark_ends_as_the_finished_reply() -> None:
    texts = [example.markdown for example in examples() if not refers(example.markdown)]
    assert len(texts) > 550
    for text in texts:
        check(text, tokens(1))


@pytest.mark.long
def test_every_example_of_commonmark_is_stable_at_each_character() -> None:
    for example in examples():
        if not refers(example.markdown):
            check(example.markdown, each)


@pytest.mark.parametrize("start", [0, 100])
def test_any_text_ends_as_the_finished_reply(start: int) -> None:
    for seed in range(start, start + 100):
        text = nonsense(seed).translate({ord("$"): None, ord("\\"): None})
        if not refers(text):
            check(text, tokens(seed))


@pytest.mark.long
def test_any_of_many_texts_ends_as_the_finished_reply() -> None:
    for seed in range(10_000, 20_000):
        text = nonsense(seed).translate({ord("$"): None, ord("\\"): None})
        if not refers(text):
            check(text, each)


def test_words_are_seen_as_they_come_and_sent_once() -> None:
    assert list(pieces("One two **three** f", lambda: 4)) == [
        "<p>One", " two", "", "", " <strong>three</strong> f", "</p>\n",
    ]  # fmt: skip


def test_a_block_that_changes_hides_what_it_was() -> None:
    assert "".join(pieces("Words\n---\n\nMore", each)) == (
        '<p>Words</p>\n<div class="v"><h3>Words</h3>\n</div>\n<p>More</p>\n'
    )


def test_a_line_that_looks_like_a_fence_goes_on_with_its_quote() -> None:
    check("> words\n```c`d` e\n\nend", each)


def test_a_table_without_outer_bars_is_sent_row_by_row() -> None:
    html = "".join(pieces("a | b\n-|-\n" + "one | two\n" * 50, each))
    assert html.count(VERSION) == 1
    assert len(html) < 1.2 * len(render("a | b\n-|-\n" + "one | two\n" * 50))


def test_code_gets_its_colours_when_it_is_finished() -> None:
    text = "```python\nx = 'a'\n```\n\nDone"
    sent = list(pieces(text, tokens(3)))
    assert sent[-1].endswith("</p>\n")
    assert "".join(sent).index("<code>x") < "".join(sent).index(VERSION) < "".join(sent).index('class="highlight"')


def test_a_formula_is_as_it_was_written_until_its_block_is_finished() -> None:
    growing = Growing()
    assert growing.grow("So $x^2$ is") == "<p>So $x^2$ is"
    assert "<msup>" in growing.grow("So $x^2$ is\n\nNext")


def test_nothing_waits_that_may_be_seen() -> None:
    """Prose and code come with each token; a row of a table comes whole."""
    growing = Growing()
    come = "".join(str(growing.grow(REPLIES[0][:end])) for end in range(len(REPLIES[0].split("| name")[0])))
    assert come.count("<h3>A plan</h3>") == 1
    waits, longest = 0, 0
    for piece in pieces("Some plain words without any marks at all. " * 10, lambda: 5):
        waits = 0 if piece else waits + 1
        longest = max(longest, waits)
    assert longest <= 3


@pytest.mark.parametrize("mark", ["**", "*", "`", "[", "[a](", "<", "$$", "\\(", "$", "http://a.example/", "| ", "&"])
def test_a_mark_that_never_ends_stops_nothing_for_long(mark: str) -> None:
    growing = Growing()
    text = f"Words {mark}" + "and more " * 100
    sent = [growing.grow(text[:end]) for end in range(0, len(text), 5)]
    assert read("".join([*sent, growing.end(text)])).text.split() == read(render(text)).text.split()
    assert len("".join(sent)) > len(text) - 100


def test_a_text_browser_gets_finished_blocks_alone() -> None:
    growing = Growing(has_css=False)
    assert growing.grow("# A\n\nSome wor") == "<h3>A</h3>\n"
    assert growing.grow("# A\n\nSome words\n\n") == ""
    assert growing.grow("# A\n\nSome words\n\nMore") == "<p>Some words</p>\n"
    assert growing.end("# A\n\nSome words\n\nMore") == "<p>More</p>\n"


def test_an_empty_reply_is_empty() -> None:
    assert Growing().end("") == ""
    growing = Growing()
    assert growing.grow("") + growing.grow("\n") + growing.grow(" \n") + growing.end(" \n") == ""


def test_headings_go_on_over_the_blocks() -> None:
    html = "".join(pieces("## a\n\n### b\n\n## c\n\n#### d\n", each))
    assert html == "<h3>a</h3>\n<h4>b</h4>\n<h3>c</h3>\n<h4>d</h4>\n"
    assert Growing().grow("# a\n\n## b\n\n### c") == "<h3>a</h3>\n<h4>b</h4>\n<h5>c"


# What it may hold


@pytest.mark.parametrize("text", [*RAW_HTML, *REFUSED_ADDRESSES])
@pytest.mark.parametrize("place", ["{}", "a\n\n> - {}\n\nb", "[words](<{}>)", "|a|\n|-|\n|{}|", "$x$ **{}", "```\n{}"])
def test_hostile_words_are_harmless_wherever_the_reply_stops(text: str, place: str) -> None:
    words = place.replace("{}", text)
    for end in range(len(words) % 17 + 1, len(words) + 1, 17):
        read("".join(pieces(words[:end], tokens(end))).replace(VERSION, "<div>"))


@pytest.mark.parametrize("start", range(3000, 3400, 100))
def test_any_text_gives_html_of_what_is_allowed(start: int) -> None:
    for seed in range(start, start + 100):
        read("".join(pieces(nonsense(seed), tokens(seed))).replace(VERSION, "<div>"))


# What it costs

LONG = {
    "code": "```python\n" + "def f(x):\n    return x  # é\n\n" * 3_300 + "```\n\nend",
    "short code": "```python\nx = 1\n```\n\n" * 300,
    "paragraphs": "Hello **bold** world, this is text.\n\n" * 1_000,
    "tiny paragraphs": "a\n\n" * 1_000,
    "items": "".join(f"- item *{i}* has `x` words\n" for i in range(400)),
    "items that come apart": "- a\n- b\n\n- c\n\nwords\n\n" * 300,
    "links": "- [Title here](https://a.example/path)\n" * 300,
    "table": "| a | b |\n|:-:|--:|\n" + "| one | **two** |\n" * 300,
    "bare table": "a | b\n-|-\n" + "one | **two**\n" * 300,
    "quote": "> words of *a* quote\n" * 500,
    "endless line": "x" * 100_000,
    "emphasis": "**a** " * 1_000,
    "Cyrillic": "Привет **мир** и `код`. " * 400,
    "headings": "a b\n---\n" * 500,
    "addresses": "` " + "http://a.example " * 400 + "`",
    "dashes": "-" * 20_000,
    "references": "[a]: /x\n\n" * 1_000,
    "formulas": "$x^2$ and " * 400,
    "fences": "```\na\n```\n" * 600,
    "deep": ">" * 20_000,
}


@pytest.mark.parametrize("step", [each, tokens(7), at_once], ids=["each character", "tokens", "at once"])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_at_most_three_times_the_finished_html_is_sent(text: str, step: Callable[[], int]) -> None:
    if step is each:
        text = text[:2_000]
    html = "".join(pieces(text, step))
    assert len(html.encode()) <= SPARE + MOST * max(len(render(text).encode()), len(text.encode()))


@pytest.mark.parametrize("fragment", [*PATHOLOGICAL, *FRAGMENTS])
def test_whatever_it_is_made_of_it_stays_within_its_bytes(fragment: str) -> None:
    text = fragment * (600 // len(fragment))
    html = "".join(pieces(text, tokens(1)))
    assert len(html.encode()) <= SPARE + MOST * max(len(render(text).encode()), len(text.encode()))


def seconds(text: str) -> float:
    start = process_time()
    for _ in pieces(text, tokens(5)):
        pass
    return process_time() - start


@pytest.mark.parametrize("name", ["paragraphs", "items", "code", "table", "quote", "endless line", "Cyrillic"])
def test_twice_the_reply_takes_twice_as_long(name: str) -> None:
    text = LONG[name][:8_000]
    assert any(seconds(text) < 2.6 * seconds(text[:4_000]) + 0.01 for _ in range(5))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """How many characters are read to show a text as it comes, over and over again."""
    read = 0

    def counted(look: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        def counting(self: Any, text: str) -> Any:
            nonlocal read
            read += len(text)
            return look(self, text)

        return counting

    def work(text: str) -> int:
        before = read
        for _ in pieces(text, tokens(5)):
            pass
        return read - before

    reached = counted(lambda _, text: reach(text))
    monkeypatch.setattr(growing, "reach", lambda text: reached(None, text))
    monkeypatch.setattr(Rendering, "draft", counted(Rendering.draft))
    monkeypatch.setattr(Rendering, "finished", counted(Rendering.finished))
    return work


def test_a_thousand_paragraphs_cost_each_as_much_as_ten(work: Callable[[str], int]) -> None:
    paragraph = "Hello **bold** world.\n\n"
    assert work(paragraph * 1_000) < 110 * work(paragraph * 10)


@pytest.mark.parametrize("name", ["code", "endless line", "deep"])
def test_a_block_ten_times_as_long_costs_ten_times_as_much(work: Callable[[str], int], name: str) -> None:
    assert work(LONG[name][:20_000]) < 15 * work(LONG[name][:2_000])


# Limits


@pytest.mark.parametrize("has_css", [True, False])
def test_what_exceeds_the_limit_is_plain_and_whole(monkeypatch: pytest.MonkeyPatch, has_css: bool) -> None:
    monkeypatch.setattr(markdown, "MAX_INPUT", 1_000)
    text = "*a* <b>\n\n" * 200
    shown = seen("".join(pieces(text, tokens(1), has_css)))
    assert set(shown[:-1]) == {"<p><em>a</em> &lt;b&gt;</p>"}
    assert len(shown) > 100
    assert read("\n".join(shown)).text.replace("*", "").split() == ["a", "<b>"] * 200
    assert shown[-1].startswith('<pre class="plain">*a* &lt;b&gt;\n\n*a*')


def test_what_is_nested_beyond_reason_is_plain_and_grows_on() -> None:
    text = "Words\n\n" + "> " * (MAX_DEPTH + 1) + "*deep* <b>\n\nMore *words*"
    assert seen("".join(pieces(text, tokens(2)))) == [
        "<p>Words</p>",
        f'<pre class="plain">{"&gt; " * (MAX_DEPTH + 1)}*deep* &lt;b&gt;\n\nMore *words*</pre>',
    ]


# In a browser


@pytest.mark.browser
def test_a_person_sees_the_newest_version_alone_at_every_moment(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content('<div class="text"></div>')
    page.evaluate(
        "style => { document.open(); document.write(`<style>${style}</style><div class=text id=growing>`) }",
        STYLE,
    )
    growing, text = Growing(), REPLIES[0]
    for end in range(0, len(text), 3):
        page.evaluate("piece => document.write(piece)", str(growing.grow(text[:end])))
        assert page.locator("#growing").inner_text().count("Alice") <= 1
    page.evaluate("piece => document.write(piece)", str(growing.end(text)))
    live = page.locator("#growing").inner_text()
    page.set_content(f"<style>{STYLE}</style><div class=text id=growing>{render(text)}</div>")
    assert live.split() == page.locator("#growing").inner_text().split()
    page.close()
