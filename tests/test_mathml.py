r"""Formulas become MathML, which is checked, and whatever else stands between dollars stays text."""

import random
import re
import subprocess
import sys
from time import process_time

import pytest

from tests.support.messages import read
from webapp import mathml
from webapp.characters import visible
from webapp.chats.text import title
from webapp.markdown import MAX_FORMULAS, render
from webapp.mathml import MAX_BRACES, MAX_ELEMENTS, MAX_LATEX, MAX_UNCLOSED, Formula

X = "<math><mi>x</mi></math>"
DISPLAYED = '<span class="formula" role="group" tabindex="0"><math display="block">{}</math></span>'


def formula(latex: str) -> str | None:
    return mathml.mathml(Formula(0, 0, latex, True))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("$x$", f"<p>{X}</p>\n"),
        (r"\(x\)", f"<p>{X}</p>\n"),
        (r"\( x \)", f"<p>{X}</p>\n"),
        ("the $x$-th, **$x$** ($x$).", f"<p>the {X}-th, <strong>{X}</strong> ({X}).</p>\n"),
        ("$x$th", f"<p>{X}th</p>\n"),
        ("я `я` $x$ я", f"<p>я <code>я</code> {X} я</p>\n"),
        ("a ` b $x$ c", f"<p>a ` b {X} c</p>\n"),
        ("# $x$", f"<h3>{X}</h3>\n"),
        ("- $x$", f"<ul>\n<li>{X}</li>\n</ul>\n"),
        ("$$x$$", f"<p>{DISPLAYED.format('<mi>x</mi>')}</p>\n"),
        ("$$\nx\n$$", f"<p>{DISPLAYED.format('<mi>x</mi>')}</p>\n"),
        ("\\[\nx\n\\]", f"<p>{DISPLAYED.format('<mi>x</mi>')}</p>\n"),
        ("\\[\nx\n+ y\n\\]", f"<p>{DISPLAYED.format('<mi>x</mi><mo>+</mo><mi>y</mi>')}</p>\n"),
        ("> $$\n> x\n> $$", f"<blockquote>\n<p>{DISPLAYED.format('<mi>x</mi>')}</p>\n</blockquote>\n"),
        ("1. a\n   $$\n   x\n   $$", f"<ol>\n<li>a\n{DISPLAYED.format('<mi>x</mi>')}</li>\n</ol>\n"),
        (
            "[$x$](https://a.example)",
            f'<p><a href="https://a.example" rel="noopener noreferrer nofollow">{X}</a></p>\n',
        ),
    ],
)
def test_a_formula_is_found_as_models_write_it(text: str, html: str) -> None:
    assert render(text) == html


def test_stars_and_underscores_in_formulas_are_no_emphasis() -> None:
    assert "<em>" not in render(r"$a*b$ and $c*d$, \(a_1\) and \(b_2\)")


@pytest.mark.parametrize(
    "text",
    ["$5 and $10", "costs $5, or $6.", "US$5 to US$10", "5$ or 10$", "between $5-$10", "$20,000 and $30,000", "$ x $",
     "$HOME/bin:$PATH", "$A/$B", "$$$x$$$", "$x", "x$", "$$", "$$ $$", "a $x\ny$ b"],
)  # fmt: skip
def test_dollars_that_hold_no_formula_stay_text(text: str) -> None:
    page = read(render(text))
    assert page.text.strip() == text
    assert "math" not in page.tags


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`$x$`", "$x$"),
        (r"`\(x\)`", r"\(x\)"),
        ("```\n$x$\n```", "$x$"),
        ("    $x$", "$x$"),
        (r"\$x\$", "$x$"),
        (r"\\(x\\)", r"\(x\)"),
        (r"\[1\]", "[1]"),
        (r"\(see below\)", "(see below)"),
        (r"\[\\\]", "[\\]"),
        ("<b title='$x$'>", "<b title='$x$'>"),
        ("<https://a.example/$x$>", "https://a.example/$x$"),
        ("https://a.example/$x$", "https://a.example/$x$"),
        ("`$x` y$", "$x y$"),
        ("$x\n\ny$", "$x\ny$"),
        ("![a $x$](https://a.example)", "a $x$"),
    ],
)
def test_what_is_code_or_an_address_holds_no_formula(text: str, shown: str) -> None:
    page = read(render(text))
    assert page.text.strip() == shown
    assert "math" not in page.tags


def test_a_title_of_a_link_keeps_its_dollars() -> None:
    assert 'title="$x$"' in render('[a](https://a.example "$x$")')


@pytest.mark.parametrize(
    "text", [r"$\foo$", r"$\frac{1}$", "$x & y$", r"$}{$", r"$\left( x$", r"$\begin{nope}x\end{nope}$"]
)
def test_a_formula_with_errors_is_shown_as_it_was_written(text: str) -> None:
    assert read(render(f"a {text} b")).text == f"a {text} b\n"


HOSTILE = [
    r"\text{</mtext></math><script>alert(1)</script>}",
    r"\text{<img src=x onerror=alert(1)>}",
    r"\text{&lt;script&gt;}",
    r"\text{--><script>alert(1)</script>}",
    r"\operatorname{</mi><script>}",
    r"\mathrm{<script>}",
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\class{composer}{x}",
    r"\cssId{composer}{x}",
    r"\htmlId{composer}{x}",
    r"\htmlClass{composer}{x}",
    r"\htmlStyle{color: red}{x}",
    r"\htmlData{x=y}{x}",
    r"\style{background:url(//evil.example)}{x}",
    r"\includegraphics{https://evil.example/x.png}",
    r"\unicode{x202e}",
    r"\char`<",
    r"\color{red}x",
    r"\textcolor{#f00;background:url(//evil.example)}{x}",
    r"\definecolor{x}{RGB}{1,2,3}",
    r"\colorbox{red}{x}",
    r"\fcolorbox{red}{blue}{x}",
    r"\begin{align}x\label{composer}\end{align}",
    r"\begin{align}x\tag{<script>}\end{align}",
    r"\eqref{composer}",
    r"\ref{composer}",
    r"\eqref{\"onclick=alert(1)}",
    r"\def\a{\a\a}\a",
    r"\newcommand{\a}{\a\a}\a",
    r"\def\a{[[[[[[[[}\a\a\a\a\a",
    r"\begin{array}{l|r}a&b\\\hline c&d\end{array}",
    r"\hspace{999999999999999em}x",
    r"\raisebox{1em;background:url(x)}{x}",
    r"\kern1em x",
    r"\require{html}",
    r"\input{/etc/passwd}",
    r"\write18{ls}",
    r"\catcode`\<=1",
    r"\verb|<script>|",
    r"\mathchoice{<}{>}{&}{x}",
    r"x<!--y-->z",
    r"<script>alert(1)</script>",
    r"<![CDATA[x]]>",
    "a\u202eb",
    "a\x00b",
    "%\n</math>",
    r"\\[</math>]",
]


@pytest.mark.parametrize("latex", HOSTILE)
@pytest.mark.parametrize(
    "form", ["${}$", "$${}$$", r"\({}\)", "\\[\n{}\n\\]", "| a |\n|-|\n| ${}$ |", "[${}$](https://a.example)"]
)
def test_a_hostile_formula_gives_only_what_is_allowed(latex: str, form: str) -> None:
    html = render(form.replace("{}", latex, 1))
    read(html)
    assert not re.search(r"<math[^>]*>.* (href|style|class|id)=", re.sub("</math>.*", "", html))


@pytest.mark.parametrize(
    "html",
    ["<math><a href='x'>x</a></math>", '<math><mi href="x">x</mi></math>', "<math><mglyph></mglyph></math>",
     "<math><maction>x</maction></math>", "<math><mi>x</math>", "<math>", "</math>", "<math><mi>x</mi></math></p>",
     "<math><!-- x --></math>", "<math><script>x</script></math>", '<math display="x"></math>',
     '<math><mi mathvariant="bold">x</mi></math>', '<math><mspace width="1em;x"></mspace></math>',
     "<math><mi a=b>x</mi></math>", "<math><semantics></semantics></math>", "<MATH></MATH>"],
)  # fmt: skip
def test_what_the_converter_must_not_give_is_refused(html: str) -> None:
    with pytest.raises(mathml._NotAllowedError):
        mathml._checked(html)


def test_an_alignment_stays_but_not_as_a_style() -> None:
    html = formula(r"\begin{aligned}a&=b\end{aligned}")
    assert html
    assert 'columnalign="right"' in html
    assert " style=" not in html


# Limits


def test_what_a_formula_may_hold_is_limited() -> None:
    for latex in ("x" * (MAX_LATEX + 1), "{" * MAX_BRACES + "x" + "}" * MAX_BRACES, "[" * (MAX_UNCLOSED + 1)):
        assert formula(latex) is None
    assert formula("x" * MAX_LATEX)
    assert formula("[" * MAX_UNCLOSED)
    assert formula("[0,1)" * 50)
    assert formula(r"\sqrt" * MAX_ELEMENTS + " x") is None


def test_formulas_in_one_message_are_limited() -> None:
    assert render("$x$ " * (MAX_FORMULAS + 5)).count("<math>") == MAX_FORMULAS


NESTS = [
    r"\sqrt",
    r"\frac1",
    r"\hat ",
    r"\sqrt[3]",
    r"\not",
    r"\mathbf ",
    r"\left(",
    r"\begin{matrix}",
    "{",
    "x^{",
    "x_{",
]


def test_the_deepest_formulas_leave_most_of_a_threads_stack() -> None:
    """Of eight megabytes they need less than one; in a process of its own, for an overflow would end it."""
    program = (
        "import sys, threading; threading.stack_size(1024 * 1024)\n"
        "from webapp.mathml import Formula, MAX_BRACES, MAX_LATEX, mathml\n"
        "texts = [n * c for n in sys.argv[1:] for c in (MAX_BRACES - 1, (MAX_LATEX - 5) // len(n))]\n"
        "run = lambda: [mathml(Formula(0, 0, t + ' x' + '}' * t.count('{'), True)) for t in texts]\n"
        "thread = threading.Thread(target=run); thread.start(); thread.join(); print('alive')"
    )
    command = [sys.executable, "-c", program, *NESTS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")


TOKENS = [
    *("[", "(", r"\{", r"\langle ", r"\lvert ", r"\lfloor ", "]", ")", r"\}", r"\rangle ", "|", "⟨", "{", "}", "{[}"),
    *(r"\left(", r"\right)", r"\bigl[", r"\bigr]", "x", "&", r"\\", "^", "_", r"\sqrt[", r"\frac", r"\sum", r"\over "),
    *(r"\begin{matrix}", r"\end{matrix}", r"\text{", r"\hat ", r"\middle|", "'", "1.", r"\mathopen(", r"\xrightarrow["),
]


def nonsense(seed: int) -> str:
    dice = random.Random(seed)
    few = dice.sample(TOKENS, 4)
    return "".join(dice.choices(few, k=dice.randint(5, 300)))


def seconds(latex: str) -> float:
    start = process_time()
    formula(latex)
    return process_time() - start


def test_no_formula_takes_long() -> None:
    assert max(seconds(nonsense(seed)) for seed in range(1000)) < 0.5


@pytest.mark.long
def test_no_formula_of_many_takes_long() -> None:
    assert max(seconds(nonsense(seed)) for seed in range(200_000)) < 0.5


# Characters that nobody sees


@pytest.mark.parametrize(
    "number", [0x202E, 0x202A, 0x2066, 0x2069, 0x200E, 0x061C, 0x200B, 0x00AD, 0x3164, 0xE0041, 0xFE01, 0x1B]
)
def test_code_shows_what_nobody_would_see(number: int) -> None:
    shown = f'a<span class="invisible">[U+{number:04X}]</span>b'
    for text in (f"`a{chr(number)}b`", f"```\na{chr(number)}b\n```", f"```python\na{chr(number)}b\n```"):
        html = render(text)
        read(html)
        assert re.sub('<span class="[a-z]{1,2}">(.*?)</span>', r"\1", html).count("[U+") == 1
        assert f"[U+{number:04X}]" in html
    assert shown in render(f"`a{chr(number)}b`")


def test_trojan_source_is_seen() -> None:
    """CVE-2021-42574: what looks like a comment is code."""
    html = render('```c\nif (level != "user\u202e \u2066// Check if admin\u2069 \u2066") {\n```')
    assert html.count('class="invisible"') == 4
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", html)


@pytest.mark.parametrize("text", ["👨\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "क्\u200dष", "tab\there"])
def test_what_writing_needs_is_not_marked(text: str) -> None:
    assert render(f"`{text}`") == f"<p><code>{text}</code></p>\n"
    assert visible(text) == text


def test_a_links_words_cannot_turn_round() -> None:
    assert "\u202e" not in render("[\u202emoc.knab](https://a.example)")


@pytest.mark.parametrize(
    ("words", "name"),
    [("a\u202egpj.exe", "agpj.exe"), ("\u200b\u2066\n\u202e \nname", "name"), ("a\tb", "a b"), ("\u202e\u202d", "")],
)
def test_a_title_holds_nothing_invisible(words: str, name: str) -> None:
    assert title(words) == name
