"""What outside judges say of every page: axe-core, the Nu HTML checker, and whoever has no mouse or a small screen."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from tests.conftest import NO_LIMITS, NOTHING_FROM_HERE, application
from tests.support.firefox import Tab, firefox
from tests.support.gallery import Picture, Wall, collected, covering, different
from tests.support.servers import ROOT, missing
from tests.support.talk import Talk
from webapp.web import assets

JUDGES = ROOT / "tests" / "judges"
AXE = JUDGES / "node_modules" / "axe-core" / "axe.min.js"
NU = JUDGES / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
ICON = ROOT / "static" / "icon.svg"
MEASURES = (JUDGES / "measures.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
JUDGED = """async rules => {
    const judged = await axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false});
    return judged.violations.flatMap(({id, nodes}) => nodes.map(({target, failureSummary}) =>
        `${id}: ${target.join(" ")}: ${failureSummary.replace(/\\s+/g, " ")}`));
}"""

UNFOLDED = """() => {
    const folded = document.querySelectorAll("details:not([open])");
    for (const each of folded) each.open = true;
    return folded.length;
}"""

UNFINISHED = "replies that are being written and that wait"
CHAT = "versions of a question and of its reply"
DESK, PHONE, ZOOMED = (1280, 800), (320, 640), (320, 256)

Gallery = dict[str, Picture]
Found = dict[str, list[str]]


@pytest.fixture(scope="module")
def gallery(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    with ExitStack() as stack, Talk() as talk:

        def start(settings: dict[str, str]) -> Flask:
            folder = tmp_path_factory.mktemp("gallery")
            shutil.copy(sqlite_template, folder / "voichat.sqlite3")
            here = {"DATABASE_URL": f"sqlite:///{folder / 'voichat.sqlite3'}", "VOICHAT_DATA": str(folder / "data")}
            return stack.enter_context(application(NO_LIMITS | NOTHING_FROM_HERE | here | settings))

        made = collected(start, talk)
        talk.end()
        return made


@pytest.fixture(scope="module")
def wall(gallery: Gallery) -> Iterator[Wall]:
    with Wall(gallery) as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    return AXE.read_text() if AXE.exists() else missing("axe-core")


class Visit:
    """A tab in which the pages' own JavaScript is on or off; a judge's works in both."""

    def __init__(self, context: BrowserContext, wall: Wall, *, javascript: bool) -> None:
        self.page: Page = context.new_page()
        self._browser: CDPSession = context.new_cdp_session(self.page)
        self._wall = wall
        self._javascript = javascript

    def open(self, what: str, *scripts: str) -> None:
        self._browser.send("Emulation.setScriptExecutionDisabled", {"value": not self._javascript})
        self.page.goto(self._wall.address(what))
        self._browser.send("Emulation.setScriptExecutionDisabled", {"value": False})
        for script in scripts:
            self.page.evaluate(script)

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def measure(self, what: str) -> list[str]:
        return list(self.page.evaluate(f"measures.{what}()"))


@pytest.fixture
def visit(chromium: Browser, wall: Wall) -> Iterator[Callable[[bool], Visit]]:
    with ExitStack() as stack:

        def begin(javascript: bool) -> Visit:
            return Visit(stack.enter_context(chromium.new_context()), wall, javascript=javascript)

        yield begin


# axe-core


def judged(visit: Visit, what: str, axe: str) -> Iterator[str]:
    """As it is sent in light by all rules; unfolded in dark, where it has anything to unfold, by all rules again."""
    visit.open(what, axe)
    visit.page.emulate_media(color_scheme="light")
    yield from (f"light: {each}" for each in visit.page.evaluate(JUDGED, RULES))
    visit.page.emulate_media(color_scheme="dark")
    rules = RULES if visit.page.evaluate(UNFOLDED) else ["color-contrast"]
    yield from (f"dark: {each}" for each in visit.page.evaluate(JUDGED, rules))


@pytest.mark.parametrize(
    ("javascript", "chosen"),
    [pytest.param(False, different, id="no-javascript"), pytest.param(True, covering, id="javascript")],
)
def test_axe_finds_nothing_in_chromium(
    visit: Callable[[bool], Visit], gallery: Gallery, axe: str, javascript: bool, chosen: Callable[[Gallery], list[str]]
) -> None:
    page = visit(javascript)
    assert only_findings({what: [*judged(page, what, axe)] for what in chosen(gallery)}) == {}


def only_findings(found: Found) -> Found:
    return {what: each for what, each in found.items() if each}


def test_axe_finds_nothing_in_firefox(tmp_path: Path, wall: Wall, gallery: Gallery, axe: str) -> None:
    with firefox(tmp_path, javascript=True) as running, running.person() as alice:
        tab = alice.tab()
        found = {what: judged_in_firefox(tab, wall.address(what), axe) for what in covering(gallery)}
    assert only_findings(found) == {}


def judged_in_firefox(tab: Tab, url: str, axe: str) -> list[str]:
    tab.open(url)
    tab.wait_until(lambda: tab.url == url and tab.ask("() => document.readyState == 'complete'"))
    tab.ask(f"() => {{ {axe} }}")
    return list(tab.ask_later(f"rules => ({JUDGED})(JSON.parse(rules))", json.dumps(RULES)))


# A small screen, a thick finger, wide letters, colours of one's own, no liking for what moves


def test_nobody_is_kept_out_by_screen_finger_letters_colours_or_motion(
    visit: Callable[[bool], Visit], gallery: Gallery
) -> None:
    page = visit(False)
    found: Found = {}
    for what in different(gallery):
        page.open(what, MEASURES)
        found[what] = list(measured(page))
    assert only_findings(found) == {}


def measured(visit: Visit) -> Iterator[str]:
    for size, measures in {PHONE: ("sideways", "small", "cut"), ZOOMED: ("sideways",), DESK: ("small", "cut")}.items():
        visit.resize(size)
        yield from found_by(visit, *measures)
    visit.page.evaluate(UNFOLDED)
    yield from found_by(visit, "small", "cut")
    visit.resize(PHONE)
    yield from found_by(visit, "sideways", "small", "cut")
    visit.resize(DESK)
    visit.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    yield from found_by(visit, "borderless", "moving")
    visit.page.emulate_media(forced_colors="none", reduced_motion="no-preference")


def found_by(visit: Visit, *measures: str) -> Iterator[str]:
    for measure in measures:
        yield from (f"{measure}: {each}" for each in visit.measure(measure))


# Tab


@pytest.mark.parametrize("what", ["/", CHAT, UNFINISHED])
def test_tab_leads_to_everything_in_order_and_shows_where_one_is(visit: Callable[[bool], Visit], what: str) -> None:
    page = visit(False)
    page.open(what, MEASURES)
    stops = page.measure("stops")
    for forced in ("none", "active"):
        page.page.emulate_media(forced_colors=forced)
        visited, unmarked = tabbed(page, 2 * len(stops) + 2)
        assert [stops[each] for each in unmarked] == []
        assert set(visited) == set(range(len(stops)))
        assert [(here + 1) % len(stops) for here in visited[:-1]] == visited[1:]


def tabbed(visit: Visit, times: int) -> tuple[list[int], list[int]]:
    """Where the focus went within the page, and where it could not be seen."""
    visited: list[int] = []
    unmarked: list[int] = []
    for _ in range(times):
        visit.page.keyboard.press("Tab")
        stop = int(visit.page.evaluate("measures.stop()"))
        if stop >= 0:
            visited.append(stop)
            unmarked += [] if visit.page.evaluate("measures.isMarked()") else [stop]
    return visited, unmarked


def test_tab_goes_from_the_top_of_a_chat_to_the_composer_below_it(visit: Callable[[bool], Visit]) -> None:
    page = visit(False)
    page.open(CHAT, MEASURES)
    parts = [part for part in page.measure("parts") if part]
    assert list(dict.fromkeys(parts)) == ["bar", "sidebar", "menu", "thread", "composer"]


# The Nu HTML checker

ACCEPTED = [
    "CSS: “field-sizing”: Property “field-sizing” doesn't exist.",  # it does since 2024
    # What somebody typed where the browser knows no field for days, given back to them.
    "Bad value “never” for attribute “value” on element “input”: The literal did not satisfy the date format.",
]


def test_the_nu_checker_finds_no_error_and_no_warning(gallery: Gallery, tmp_path: Path) -> None:
    if not NU.exists() or not shutil.which("java"):
        missing("The Nu HTML checker")
    names = {f"{number}.html": what for number, what in enumerate(gallery) if what != UNFINISHED}
    for file, what in names.items():
        (tmp_path / file).write_text(gallery[what].html)
    options = ["--format", "json", "--stdout", "--also-check-css", "--also-check-svg"]
    styles = [path for path in (assets.STATIC / "css").iterdir() if path.name != "transitions.css"]  # newer than Nu
    command = ["java", "-jar", str(NU), *options, str(tmp_path), str(ICON), *map(str, styles)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = json.loads(ended.stdout)["messages"]
    assert [
        f"{names.get(Path(each['url']).name, each['url'])}, line {each['lastLine']}: {each['message']}"
        for each in said
        if each["message"] not in ACCEPTED
    ] == []
