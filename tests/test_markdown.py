"""Markdown becomes HTML that people can read and nobody can abuse."""

import random
import re
from pathlib import Path
from time import process_time

import pytest
from markupsafe import Markup

from tests.support.messages import SHORT_CLASSES, read
from webapp import markdown
from webapp.markdown import MAX_CODE, MAX_CODE_GAP, MAX_CODE_LINE, MAX_DEPTH, MAX_INPUT, render, stored

CSS = Path(__file__).resolve().parent.parent / "static" / "css"


def inner(html: str) -> str:
    """The HTML within the one paragraph of a message."""
    match = re.fullmatch(r"<p>(.*)</p>\n", html, re.DOTALL)
    assert match, html
    return match[1].replace(' rel="noopener noreferrer nofollow"', "")


# Everyday Markdown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a* **b** ~~c~~ `d<e>`", "<em>a</em> <strong>b</strong> <del>c</del> <code>d&lt;e&gt;</code>"),
        ("***both***", "<em><strong>both</strong></em>"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("one  \ntwo\\\nthree", "one<br>\ntwo<br>\nthree"),
        (r"\*plain\* &amp; &lt;b&gt; &copy;", "*plain* &amp; &lt;b&gt; ©"),
        ("Привет, *мир* 👋", "Привет, <em>мир</em> 👋"),
        ('[site](https://a.example/x?y=1&z=2 "a title")',
         '<a href="https://a.example/x?y=1&amp;z=2" title="a title">site</a>'),
        ("[*site*][1]\n\n[1]: http://a.example", '<a href="http://a.example"><em>site</em></a>'),
        ("<https://a.example/>", '<a href="https://a.example/">https://a.example/</a>'),
        ("<me@a.example>", '<a href="mailto:me@a.example">me@a.example</a>'),
        ("[write](mailto:me@a.example)", '<a href="mailto:me@a.example">write</a>'),
    ],
)  # fmt: skip
def test_words_are_marked_up(text: str, html: str) -> None:
    assert inner(render(text)) == html


def test_lists_nest_and_keep_their_numbers() -> None:
    html = render("3. three\n4. four\n   - inner\n   - other\n")
    assert html == (
        '<ol start="3">\n<li>three</li>\n<li>four<ul>\n<li>inner</li>\n<li>other</li>\n</ul>\n</li>\n</ol>\n'
    )


def test_a_list_from_one_needs_no_start() -> None:
    assert render("1. a").startswith("<ol>\n<li>a")


def test_tasks_show_a_box_that_is_no_form_field() -> None:
    assert render("- [x] done\n- [ ] open\n") == (
        '<ul>\n<li><span class="task">☑</span> done</li>\n<li><span class="task">☐</span> open</li>\n</ul>\n'
    )


def test_a_table_scrolls_in_a_wrapper_and_aligns_by_class() -> None:
    html = render("| a | b | c | d |\n|:--|:-:|--:|---|\n| 1 | 2 | *3* |\n")
    assert html == (
        '<div class="table" role="group" tabindex="0"><table>\n'
        '<thead><tr><th scope="col" class="align-left">a</th><th scope="col" class="align-center">b</th>'
        '<th scope="col" class="align-right">c</th><th scope="col">d</th></tr></thead>\n<tbody>\n'
        '<tr><td class="align-left">1</td><td class="align-center">2</td>'
        '<td class="align-right"><em>3</em></td><td></td></tr>\n</tbody></table></div>\n'
    )


def test_a_quote_holds_blocks() -> None:
    assert render("> a\n>\n> - b\n") == "<blockquote>\n<p>a</p>\n<ul>\n<li>b</li>\n</ul>\n</blockquote>\n"


def test_a_footnote_needs_no_id() -> None:
    html = render("Word[^n].\n\n[^n]: The *note*.\n")
    assert html == '<p>Word<sup>n</sup>.</p>\n<div class="footnote"><sup>n</sup>\n<p>The <em>note</em>.</p>\n</div>\n'


def test_a_rule_is_a_rule() -> None:
    assert render("a\n\n---\n") == "<p>a</p>\n<hr>\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1", "3"),
        ("6", "3"),
        ("123456", "345666"),
        ("13", "34"),
        ("3232", "3343"),
        ("232", "343"),
        ("1342", "3454"),
        ("224", "334"),
    ],
)
def test_headings_stay_below_the_pages_and_skip_no_level(written: str, shown: str) -> None:
    html = render("\n".join(f"{'#' * int(level)} x" for level in written))
    assert "".join(re.findall(r"<h(\d)", html)) == shown


def test_single_newlines_are_kept_where_people_type_them() -> None:
    assert render("a\nb") == "<p>a\nb</p>\n"
    assert render("a\nb", breaks=True) == "<p>a<br>\nb</p>\n"


def test_an_empty_message_is_empty() -> None:
    assert render("") == ""
    assert render(" \n\t\n") == ""


def test_what_was_rendered_and_kept_is_safe_again() -> None:
    html = render("*a*")
    assert isinstance(html, Markup)
    assert stored(str(html)) == html
    assert isinstance(stored(str(html)), Markup)


def test_the_same_text_gives_the_same_html() -> None:
    text = "```python\nx = 1\n```"
    assert render(text) == render(text)


# Bare addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.example.", "https://a.example"),
        ("(see https://a.example/b)", "https://a.example/b"),
        ("https://a.example/b_(c)", "https://a.example/b_(c)"),
        ("(https://a.example/b_(c))!", "https://a.example/b_(c)"),
        ("[https://a.example/]", "https://a.example/"),
        ("HTTP://A.example/?q=1&r=2, ok", "HTTP://A.example/?q=1&r=2"),
        ("“https://a.example/б”", "https://a.example/б"),
        ("«https://a.example/x».", "https://a.example/x"),
        ('"https://a.example/x"', "https://a.example/x"),
        ("https://a.example/snake_case_path/", "https://a.example/snake_case_path/"),
        ("*https://a.example/x*", "https://a.example/x"),
        ("| a |\n|---|\n| https://a.example/x |", "https://a.example/x"),
        ("https://a.example/\u202egpj", "https://a.example/"),
        ("http://localhost:8000/x#y", "http://localhost:8000/x#y"),
    ],
)
def test_a_bare_address_becomes_a_link(text: str, address: str) -> None:
    assert read(render(text)).links == [address]


@pytest.mark.parametrize(
    "text",
    ["`https://a.example`", "```\nhttps://a.example\n```", "    https://a.example", "xhttps://a.example", "http://",
     "https:///x", "ftp://a.example", "javascript://a.example", "www.example", "<b title=https://a.example>"],
)  # fmt: skip
def test_what_is_no_bare_address_stays_text(text: str) -> None:
    page = read(render(text))
    assert page.links == []
    assert page.text.strip() == text.strip("` \n")


def test_a_link_holds_no_second_link() -> None:
    page = read(render("[see https://b.example and <https://c.example>](https://a.example)"))
    assert page.text.strip().startswith("see https://b.example and https://c.example")


def test_all_addresses_and_the_words_between_are_kept() -> None:
    page = read(render("a http://b.example, c <http://d.example> e (http://f.example) g"))
    assert page.links == ["http://b.example", "http://d.example", "http://f.example"]
    assert page.text.strip() == "a http://b.example, c http://d.example e (http://f.example) g"


# Code


def test_code_is_highlighted_under_its_language() -> None:
    html = render('```python\ndef f():\n    return "<b>"  # no\n```')
    assert html == (
        '<pre tabindex="0" data-language="python"><code class="highlight"><span class="k">def</span> '
        '<span class="nf">f</span>():\n    <span class="k">return</span> <span class="s">"&lt;b&gt;"</span>  '
        '<span class="c"># no</span>\n</code></pre>\n'
    )


@pytest.mark.parametrize("fence", ["```", "~~~~", "```nonsense", "```text", "``` {.x}", "```../../etc"])
def test_code_in_no_known_language_is_plain(fence: str) -> None:
    html = render(f"{fence}\n<b>*x*</b>")
    assert "<code>&lt;b&gt;*x*&lt;/b&gt;" in html
    assert "highlight" not in html


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ("py", "py"),
        ("C++ title=x", "c++"),
        ("c#", "c#"),
        ("js{1,3}", "js"),
        ("python:a.py", "python"),
        ("objective-c", "objective-c"),
    ],
)
def test_a_fence_names_its_language_first(info: str, label: str) -> None:
    html = render(f"```{info}\nx\n```")
    assert f'<pre tabindex="0" data-language="{label}"><code class="highlight">' in html


@pytest.mark.parametrize("info", ['"><script>', "a&quot;b", "x" * 31, "-->", "<b>", "я" * 40])
def test_a_fence_that_names_no_language_has_no_label(info: str) -> None:
    html = render(f"```{info}\nx\n```")
    assert read(html).text.strip() == "x"
    assert "data-language" not in html


def test_indented_and_nested_code_are_code() -> None:
    assert render("    a < b\n") == '<pre tabindex="0"><code>a &lt; b\n</code></pre>\n'
    page = read(render("- > ```js\n  > let x = '</code></pre>'\n  > ```\n"))
    assert page.tags[:4] == ["ul", "li", "blockquote", "pre"]
    assert page.text.strip() == "let x = '</code></pre>'"


def test_an_open_fence_runs_to_the_end() -> None:
    assert read(render("```python\nx = 1\n\n# *y*")).text.strip() == "x = 1\n\n# *y*"


def test_php_needs_no_opening_tag() -> None:
    assert '<span class="k">echo</span>' in render("```php\necho 1;\n```")


@pytest.mark.parametrize("language", sorted(markdown._LANGUAGES))
def test_every_language_keeps_every_character(language: str) -> None:
    code = "\n\n<?php x = \"a&b\" 'c' # д\n\tif (y) { return 1.5e3 } // </code></span>\n-- \\ `z` %w @q $r\n\n"
    page = read(render(f"```{language}\n{code}```"))
    assert page.text.rstrip("\n") == code.rstrip("\n")


def test_code_beyond_reason_is_plain_but_whole() -> None:
    for code in ("x = 1\n" * (MAX_CODE // 5), "x" * (MAX_CODE_LINE + 1), "x" + " \n" * MAX_CODE_GAP + "y"):
        html = render(f"```c\n{code}\n```")
        assert "highlight" not in html
        assert read(html).text.strip() == code.strip()


def test_code_that_its_lexer_would_repeat_is_plain() -> None:
    code = "\n".join(["x <<a <<b <<c <<d"] * 5)
    assert read(render(f"```terraform\n{code}\n```")).text.strip() == code


def test_code_is_plain_once_the_messages_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MAX_HIGHLIGHTING", 0)
    html = render("```python\nx = 1\n```")
    assert html == '<pre tabindex="0" data-language="python"><code>x = 1\n</code></pre>\n'


def test_each_colour_has_its_rule() -> None:
    assert set(re.findall(r"\.([a-z]{1,2})\b", (CSS / "code.css").read_text())) == SHORT_CLASSES


@pytest.mark.parametrize(("scheme", "background"), [(0, "#f6f6f3"), (1, "#1b1d20")], ids=["light", "dark"])
def test_code_stands_out_from_its_background(scheme: int, background: str) -> None:
    pairs = re.findall(r"--code-(?!background)\w+: light-dark\((#\w{6}), (#\w{6})\)", (CSS / "tokens.css").read_text())
    colours = [pair[scheme] for pair in pairs]
    assert len(colours) == 6
    assert [colour for colour in colours if contrast(colour, background) < 4.5] == []


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Raw HTML

RAW_HTML = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "before <script>alert(1)</script> after",
    "<img src=x onerror=alert(1)>",
    "a <img src=x onerror=alert(1)//",
    '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext></mtext><mglyph><style><img src onerror=alert(1)></style></mglyph></math>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<form action=/logout method=post><button>go</button></form>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=x></object><embed src=x>",
    "<video poster=//evil.example/x><source src=x onerror=alert(1)></video>",
    "<input onfocus=alert(1) autofocus>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<a href=javascript:alert(1)>x</a>",
    "<a id=composer name=composer>x</a>",
    "<div style='background:url(//evil.example/x)'>x</div>",
    "<b onclick=alert(1)>bold</b>",
    "</p></div></article><h1>gone</h1>",
    "</textarea></title></style></script>",
    "<template shadowrootmode=open><slot></slot></template>",
    "<!-- a comment -->",
    "a <!-- comment --> b",
    "<!--><script>alert(1)</script>-->",
    "<!-- unclosed <script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "a <![CDATA[x]]> b",
    "<?php echo 1 ?>",
    "<!DOCTYPE html>",
    "<!ENTITY x 'y'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<plaintext><xmp><listing>",
    "<div>\n*not emphasis* [x](javascript:alert(1))\n</div>",
    "- <div>\n  in a list\n  </div>",
    "<unclosed attribute='",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=alert(1)&gt;">',
    '<svg></p><style><a id="</style><img src=x onerror=alert(1)>">',
    "<svg><desc><table><style><img src=x onerror=alert(1)></style>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>',
    "<math href='javascript:alert(1)'><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><maction actiontype='statusline#//evil.example' xlink:href=javascript:alert(1)>x</maction></math>",
    "<svg><use href='data:image/svg+xml,<svg id=x><script>alert(1)</script></svg>#x'></use></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><foreignObject><iframe srcdoc='<script>alert(1)</script>'></iframe></foreignObject></svg>",
    "<noscript><style></noscript><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<template shadowrootmode=open><style>@import '//evil.example'</style></template>",
    "<select><option><style></option></select><img src=x onerror=alert(1)></style>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<iframe><textarea></iframe><img src=x onerror=alert(1)></textarea>",
    "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<x:script xmlns:x='urn:x'>alert(1)</x:script>",
    "<a xlink:href='javascript:alert(1)'>x</a>",
    "<button popovertarget=x formaction=//evil.example>x</button>",
    "<input type=image src=//evil.example/x><isindex>",
    "<body onload=alert(1)><frameset onload=alert(1)>",
    "<portal src=//evil.example><fencedframe src=//evil.example>",
    "<link rel=prefetch href=//evil.example><link rel=dns-prefetch href=//evil.example>",
    "<table background=//evil.example><td background=//evil.example>",
    "<audio src=x onerror=alert(1)><track src=//evil.example>",
    "<image src=x onerror=alert(1)><img srcset=//evil.example/x>",
    "<",
    "a < b > c",
    "<3 & <>",
]


@pytest.mark.parametrize("text", RAW_HTML)
@pytest.mark.parametrize("breaks", [False, True])
def test_raw_html_is_shown_as_it_was_written(text: str, breaks: bool) -> None:
    page = read(render(text, breaks=breaks))
    assert page.links == []
    assert page.text.split() == text.removeprefix("- ").split()


@pytest.mark.parametrize("text", RAW_HTML)
@pytest.mark.parametrize(
    "place",
    ["> {}", "# {}", "**{}**", "|a|\n|-|\n|{}|", "[{}](https://a.example)", "![{}](https://a.example)",
     "[^1]: {}\n\n[^1]", "[x](<{}>)", '[x](https://a.example "{}")', "```{}\n{}\n```", "```html\n{}\n```", "`{}`",
     "- [ ] {}", "https://a.example/{}", "[x]: https://a.example '{}'\n\n[x]", "~~{}~~", "{0}\n{0}", "<{}>"],
)  # fmt: skip
def test_raw_html_is_harmless_in_every_place(text: str, place: str) -> None:
    read(render(place.replace("{0}", "{}").replace("{}", text)))


# Links and images

REFUSED_ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A;&#x61;vascript&colon;alert(1)",
    "&Tab;javascript:alert(1)",
    "java&NewLine;script:alert(1)",
    "java&#9;script:alert(1)",
    "&#1;javascript:alert(1)",
    "\x01javascript:alert(1)",
    "\u00a0javascript:alert(1)",
    "\u200bjavascript:alert(1)",
    "javascript\u2028:alert(1)",
    "javascript&#58;alert(1)",
    "javascript://a.example/%0aalert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "file:///etc/passwd",
    "blob:https://a.example/x",
    "view-source:https://a.example",
    "feed:javascript:alert(1)",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "/logout",
    "logout",
    "#composer",
    "?q=1",
    "http:evil.example",
    "https:/evil.example",
    "http:\\\\evil.example",
    "http&#1;://evil.example",
    " https&#10;://evil.example",
    "https://a.example/&#10;x",
    "tel:123",
]


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
@pytest.mark.parametrize(
    "form", ["[words](<{}>)", "[words]({})", "[words][1]\n\n[1]: <{}>", "[words][1]\n\n[1]: {}", "![words](<{}>)"]
)
def test_a_refused_address_is_no_link_but_its_words_stay(address: str, form: str) -> None:
    page = read(render(form.replace("{}", address)))
    assert "a" not in page.tags
    assert "words" in page.text


@pytest.mark.parametrize("address", ["javascript:alert(1)", "std::vector", "data:text/html,x", "a.b-c:d"])
def test_a_refused_autolink_is_shown_as_it_was_written(address: str) -> None:
    assert read(render(f"<{address}>")).text == f"<{address}>\n"


def test_a_refused_address_is_shown_beside_its_words() -> None:
    assert inner(render("[read *this*](docs/a.md)")) == "read <em>this</em> (docs/a.md)"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("![a *cat*](https://a.example/cat.png)", '<a href="https://a.example/cat.png">a cat</a>'),
        ("![](https://a.example/?q=secret)", '<a href="https://a.example/?q=secret">https://a.example/?q=secret</a>'),
        ("![cat][1]\n\n[1]: https://a.example/c.png", '<a href="https://a.example/c.png">cat</a>'),
        ("[![cat](https://a.example/c.png)](https://b.example)", '<a href="https://b.example">cat</a>'),
        ("[![](https://a.example/c.png)](https://b.example)", '<a href="https://b.example">https://a.example/c.png</a>'),
        ("![a [b](https://b.example) ![c](d)](https://a.example)", '<a href="https://a.example">a b c</a>'),
        ("![<img src=x>](https://a.example)", '<a href="https://a.example">&lt;img src=x&gt;</a>'),
        ("![x](/logout)", "x (/logout)"),
        ("![](/logout)", "/logout"),
        ("![x](data:image/png;base64,AAAA)", "x (data:image/png;base64,AAAA)"),
    ],
)  # fmt: skip
def test_an_image_is_a_link_and_never_loaded(text: str, html: str) -> None:
    assert inner(render(text)) == html


@pytest.mark.parametrize(
    "text",
    [
        '[a](https://x.example "\\" onclick=alert(1) x=\\"")',
        '[a](https://x.example/"onclick=alert(1))',
        "[a](https://x.example/'><script>)",
        'https://x.example/"onmouseover=alert(1)',
        "https://x.example/'onmouseover='alert(1)",
        '<https://x.example/"onclick=alert(1)>',
    ],
)
def test_an_address_stays_inside_its_attribute(text: str) -> None:
    assert len(read(render(text)).links) == 1


def test_a_broken_host_is_not_followed() -> None:
    assert read(render("[a](http://[::1)")).links == []


# Placeholders and characters


def test_code_cannot_pose_as_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["guessed", "other", "actual", "another"])
    monkeypatch.setattr(markdown, "token_hex", lambda _: next(tokens))
    first = "```python\n'guessed-0;'\n```"
    render("```python\nx\n```")
    page = read(render(f"guessed-0; `guessed-0;`\n\n{first}\n\n<b guessed-0;>\n"))
    assert page.text.count("guessed-0;") == 4


def test_every_message_has_its_own_placeholders() -> None:
    assert markdown._Highlighter(1)._token != markdown._Highlighter(1)._token
    assert len(markdown._Highlighter(1)._token) == 32


@pytest.mark.parametrize(
    "text",
    ["\x00<script>\x00", "a\x00b", "<scr\x00ipt>", "`\x00`", "```\n\x00\n```", "\ufeff# x", "\u202e<b>\u202c",
     "\x1b[31m", "a\x0cb", "\x7f", "\ufffe\uffff", "a\rb\r\n", "\U000e0041", "e\u0301" * 50, "\u2028\u2029"],
)  # fmt: skip
def test_odd_characters_do_no_harm(text: str) -> None:
    read(render(text))


# Anything


FRAGMENTS = [
    *("*", "**", "_", "~~", "`", "``", "```", "```python\n", "~~~\n", "[", "]", "(", ")", "![", "](", "<", ">", "</"),
    *("/>"),
    *("<b>", "</b>", "<div>", "\n</div>\n", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<script>"),
    *("</code></pre>", "&", "&lt;", "&#0;"),
    *("\n", "\n\n", "\n> ", "\n- ", "\n1. ", "\n    ", "\n# ", "\n---\n", "\n===\n", " ", "  \n", "\\", "\t", "|"),
    *("\n|a|b|\n|-|:-:|\n|"),
    *("[x]", "- [x] ", "[^1]", "\n[^1]: ", "\n[x]: ", "http://a.example", "https://b.example/(", "javascript:"),
    *("<http://c.example>", "\x00"),
    *("a", "б", "x y", "'", '"', "=", "onclick=", "{", "}", "\u202e", "<svg", "<math>", "style=", "@b.example"),
    *("mailto:", "data:", "1", "\r"),
    *("$", "$$", "\n$$\n", "\\(", "\\)", "\\[", "\\]", "x^2", "\\frac{a}{", "\\text{</mtext>", "\\\\"),
    *("$", "$$", "\n$$\n", "\\(", "\\)", "\\[", "\\]", "x^2", "\\frac{a}{", "\\text{</mtext>", "&", "\\\\"),
]  # fmt: skip


def nonsense(seed: int) -> str:
    dice = random.Random(seed)
    return "".join(dice.choices(FRAGMENTS, k=dice.randint(1, 60)))


@pytest.mark.parametrize("start", range(0, 2000, 100))
def test_any_text_gives_balanced_html_of_what_is_allowed(start: int) -> None:
    for seed in range(start, start + 100):
        read(render(nonsense(seed), breaks=seed % 2 == 0))


# Limits


def test_a_text_over_the_limit_is_plain_and_whole() -> None:
    text = "*a* <b>\n" * (MAX_INPUT // 8) + "end"
    html = render(text)
    assert html.startswith('<pre class="plain">*a* &lt;b&gt;\n')
    assert read(html).text == text + "\n"


@pytest.mark.parametrize(
    "text", [">" * MAX_DEPTH + " *a* <b>", "- " * MAX_DEPTH + "<b>", "*a **b " * MAX_DEPTH + "c** d*" * MAX_DEPTH]
)
def test_a_text_nested_beyond_reason_is_plain_and_whole(text: str) -> None:
    html = render(text)
    assert html.startswith('<pre class="plain">')
    assert read(html).text == text + "\n"


def test_thirty_lists_in_each_other_are_still_lists() -> None:
    text = "\n".join("  " * depth + "- x" for depth in range(30))
    assert read(render(text)).tags.count("ul") == 30


def test_a_table_that_grows_beyond_reason_is_plain_and_whole() -> None:
    text = "|" + "a|" * 1500 + "\n|" + "-|" * 1500 + "\n" + "b\n" * 2000
    html = render(text)
    assert len(html) < 2 * len(text)
    assert read(html).text == text + "\n"


PATHOLOGICAL = [
    *("[", "]", "![", "*", "_", "**", "`", "> ", ">", "- ", "1. ", "<", "&", "|", "~", "#", "(", "\\", "\n", "\t"),
    *("  "),
    *("*a ", "**a *b ", "*_", "**_~~", "a**b", "`a``", "[a](", "![a](", "[a][", "[](", "<a ", "<!--", "<?"),
    *("<![CDATA[", "<!A "),
    *("&amp", "&#1;", "- a\n", "> a\n", "a\n\n", "[^1]", "[^a]: b\n", "[a]: b\n", "|a", "| a |\n|-|\n", "~~~\n"),
    *("``` \n", "   - ", " > - "),
    *("http://a", "http://a.example) ", "http://a.example)))", "<http://a.example>", "[x](http://a.example)"),
    *("$", "$$", "$x", "$x$", "\\(", "\\(x", "\\(x\\)", "\\[x\n", "\\[x_1\\]", "$$x$$", "$x\n", "$[$ ", "\u202e"),
    *("[a](<b", "- [ ] a\n", "***"),
]  # fmt: skip

LENGTH = 50_000


@pytest.mark.parametrize("fragment", PATHOLOGICAL)
def test_time_grows_no_faster_than_the_text(fragment: str) -> None:
    assert any(grows_linearly(fragment) for _ in range(3))


def grows_linearly(fragment: str) -> bool:
    """Four times the text takes four times as long, sixteen times if it is quadratic; ten decides."""
    short, long = (seconds(fragment * (length // len(fragment))) for length in (LENGTH // 4, LENGTH))
    return long < 10 * short + 0.05


def seconds(text: str) -> float:
    start = process_time()
    render(text)
    return process_time() - start


STAIRS = [
    "".join(">" * depth + " a\n" for depth in range(300)),
    "".join("  " * depth + "- a\n" for depth in range(200)),
    "".join("`" * width + " " for width in range(300)),
    "".join("`" * width + "\n" for width in range(3, 300)),
    "[" * LENGTH + "a" + "](b)" * 9_000,
    "![" * 9_000 + "a" + "](b)" * 9_000,
    f"[a]: {'x' * 9_000}\n\n" + "[a]" * 9_000,
    f"[a]: http://a.example/{'x' * 9_000}\n\n" + "![a]" * 9_000,
]


@pytest.mark.parametrize("text", STAIRS, ids=range(len(STAIRS)))
def test_stairs_and_nests_end_in_sound_html(text: str) -> None:
    read(render(text))
