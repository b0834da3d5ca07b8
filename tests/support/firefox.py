"""Debian's Firefox, which speaks WebDriver BiDi itself: people, their tabs, and what they see and do in them.

It reads and works a page by the browser's own means, so this holds with the page's JavaScript on and off.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

from websockets.sync.client import ClientConnection, connect

from tests.support.servers import missing, wait_until

ANSWER_SECONDS = 60.0
PATIENCE = 20.0

Scheme = Literal["dark", "light"]
SCHEMES: list[Scheme] = ["dark", "light"]  # as the preference numbers them

# No name is ever resolved, so whatever else Firefox would like to ask of the world stays unasked.
PREFERENCES = {
    "network.dns.disabled": True,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "app.normandy.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}

# A browser's tests read the page in a realm of their own, which the page cannot see or change.
REALM = "tests"
ALL = "css => [...document.querySelectorAll(css)]"
ONLY = f"(css => {{ const [one, ...more] = ({ALL})(css); if (!one || more.length) throw Error(css); return one }})"
IS_VISIBLE = "e => e.checkVisibility({visibilityProperty: true})"


class Refused(Exception):
    """Firefox could not do it, or not now: a page that comes while it is asked about may say so."""


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


class Session:
    """One command at a time; the requests that pages make in between are noted."""

    def __init__(self, socket: ClientConnection) -> None:
        self.requests: list[str] = []
        self._socket = socket
        self._numbers = count(1)
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=["network.beforeRequestSent"])

    def command(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv(ANSWER_SECONDS))).get("id") != number:
            self.requests.append(message["params"]["request"]["url"])
        if message["type"] == "error":
            raise Refused(f"{method}: {message['error']}: {message['message']}")
        return message["result"]


class Tab:
    """A CSS selector says which element is meant; where one is read or worked, exactly one has to match."""

    def __init__(self, session: Session, person: str) -> None:
        self._session = session
        self._context = session.command("browsingContext.create", type="tab", userContext=person)["context"]

    def open(self, url: str) -> None:
        """Returns when the way there has begun: a page may stream for long."""
        self._command("browsingContext.navigate", url=url, wait="none")

    def reload(self) -> None:
        self._command("browsingContext.reload", wait="none")

    def back(self) -> None:
        self._command("browsingContext.traverseHistory", delta=-1)

    def resize(self, width: int, height: int) -> None:
        self._command("browsingContext.setViewport", viewport={"width": width, "height": height})

    @property
    def url(self) -> str:
        return str(self.ask("() => location.href"))

    def text(self, css: str) -> list[str]:
        """What a person reads in each element that is visible."""
        return list(self.ask(f"css => ({ALL})(css).filter({IS_VISIBLE}).map(e => e.innerText)", css))

    def attribute(self, css: str, name: str) -> str | None:
        value = self.ask(f"(css, name) => {ONLY}(css).getAttribute(name)", css, name)
        return None if value is None else str(value)

    def value(self, css: str) -> str:
        """What stands in a field."""
        return str(self.ask(f"css => {ONLY}(css).value", css))

    def style(self, css: str, name: str) -> str:
        return str(self.ask(f"(css, name) => getComputedStyle({ONLY}(css)).getPropertyValue(name)", css, name))

    def box(self, css: str) -> Box:
        sides = self.ask(f"css => {ONLY}(css).getBoundingClientRect().toJSON()", css)
        return Box(*(sides[side] for side in Box._fields))

    def wait_for(self, css: str, texts: list[str] | None = None, seconds: float = PATIENCE) -> None:
        """Until these texts are visible there, and no others; without texts, until anything is."""
        seen: list[str] = []

        def is_there() -> bool:
            seen[:] = self.text(css)
            return bool(seen) if texts is None else seen == texts

        try:
            self.wait_until(is_there, seconds)
        except AssertionError:
            raise AssertionError(f"{css} shows {seen}, not {texts or 'anything'}, after {seconds} s") from None

    def wait_until(self, is_true: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Asks again and again, where a page is coming that cannot yet be asked about too."""

        def is_true_by_now() -> object:
            with suppress(Refused):
                return is_true()
            return False

        wait_until(is_true_by_now, seconds)

    def type(self, css: str, words: str) -> None:
        """Key by key, after what stands there."""
        self.press(css)
        keys = [{"type": way, "value": key} for key in words for way in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": keys})

    def press(self, css: str, times: int = 1) -> None:
        """Clicks, and does not wait for where that leads."""
        self.ask(f"css => {ONLY}(css).scrollIntoView({{block: 'nearest', behavior: 'instant'}})", css)
        [found] = self._command("browsingContext.locateNodes", locator={"type": "css", "value": css})["nodes"]
        there = {"type": "element", "element": {"sharedId": found["sharedId"]}}
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": there}
        clicks = [{"type": way, "button": 0} for way in ("pointerDown", "pointerUp")] * times
        self._act({"type": "pointer", "id": "mouse", "actions": [move, *clicks]})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(b64decode(self._command("browsingContext.captureScreenshot")["data"]))

    def ask(self, function: str, *words: str) -> Any:
        """What a function says of the page, as JSON."""
        return self._call(f"(...words) => JSON.stringify(({function})(...words) ?? null)", *words)

    def ask_later(self, function: str, *words: str) -> Any:
        """What its promise brings, which is kept where JavaScript is on."""
        return self._call(f"(...words) => ({function})(...words).then(JSON.stringify)", *words)

    def _call(self, function: str, *words: str) -> Any:
        answer = self._command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": each} for each in words],
            awaitPromise=True,
            target={"context": self._context, "sandbox": REALM},
        )
        if answer["type"] == "exception":
            raise Refused(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def _act(self, source: dict[str, object]) -> None:
        self._command("input.performActions", actions=[source])

    def _command(self, method: str, **parameters: object) -> Any:
        return self._session.command(method, context=self._context, **parameters)


class Person(AbstractContextManager["Person"]):
    """Has cookies of their own; gone with their tabs when the block ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requests_before = len(session.requests)
        self._context = session.command("browser.createUserContext")["userContext"]

    def __exit__(self, *_: object) -> None:
        self._session.command("browser.removeUserContext", userContext=self._context)

    def tab(self) -> Tab:
        return Tab(self._session, self._context)

    @property
    def requests(self) -> list[str]:
        """What the browser's pages asked for since this person came, whoever's pages."""
        self._session.command("session.status")  # brings what happened before
        return self._session.requests[self._requests_before :]


@dataclass(frozen=True)
class Firefox:
    javascript: bool
    scheme: Scheme
    _session: Session

    def person(self) -> Person:
        return Person(self._session)


@contextmanager
def firefox(folder: Path, *, javascript: bool, scheme: Scheme = "light") -> Iterator[Firefox]:
    """Runs in `folder`, which holds its profile, its home and its log."""
    program = shutil.which("firefox-esr") or missing("Firefox")
    profile, log = folder / "profile", folder / "log"
    profile.mkdir()
    override = {
        "javascript.enabled": javascript,
        "layout.css.prefers-color-scheme.content-override": SCHEMES.index(scheme),
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(is_so)});" for name, is_so in (PREFERENCES | override).items()]
    (profile / "user.js").write_text("\n".join(lines))
    # Root's Firefox refuses a home of somebody else.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = [program, "--headless", "--remote-debugging-port=0", "--profile", str(profile)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        with connect(_address(process, log), proxy=None, compression=None, max_size=None) as socket:
            yield Firefox(javascript, scheme, Session(socket))
    finally:
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """It chooses a free port of the loopback itself, and says which."""

    def said() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"^WebDriver BiDi listening on (ws://127\.0\.0\.1:\d+)$", log.read_text(), re.MULTILINE)

    wait_until(said)
    match = said()
    assert match
    return f"{match[1]}/session"
