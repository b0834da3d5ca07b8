"""What a first visit weighs, and how soon one can type on a slow phone.

    .venv/bin/python -m bench.weight [visits]

The product behind gunicorn, and for each visit a Chromium that was never there before. The slow phone: a processor four
times slower, and the network that Lighthouse calls “slow 4G”: 1.6 Mbit/s down, 750 kbit/s up, 150 ms there and back.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import BrowserType, CDPSession, Page, sync_playwright

from tests.support import servers
from tests.support.servers import Voichat

VISITS = 11
PROCESSOR = 4
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
NOTE_TYPING = "addEventListener('input', () => { typed = performance.now() })"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
MANIFEST = "/manifest.webmanifest"


@dataclass
class Wire:
    """What a page fetches: by address, the bytes that came, headers included."""

    page: Page
    weights: dict[str, int] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session: CDPSession = self.page.context.new_cdp_session(self.page)
        self._session.on("Network.requestWillBeSent", self._asked)
        self._session.on("Network.loadingFinished", self._came)
        self._session.send("Network.enable")

    @property
    def total(self) -> int:
        return sum(self.weights.values())

    def open(self, url: str) -> None:
        """Returns when all has come; a browser asks for the manifest last."""
        with self.page.expect_event("requestfinished", lambda request: request.url.endswith(MANIFEST)):
            self.page.goto(url)

    def slow_down(self) -> None:
        self._session.send("Network.emulateNetworkConditions", SLOW_4G)
        self._session.send("Emulation.setCPUThrottlingRate", {"rate": PROCESSOR})

    def _asked(self, event: dict[str, Any]) -> None:
        address = event["request"]["url"]
        if not address.startswith("data:"):
            self._addresses[event["requestId"]] = address
            self.weights[address] = 0

    def _came(self, event: dict[str, Any]) -> None:
        if address := self._addresses.get(event["requestId"]):
            self.weights[address] = int(event["encodedDataLength"])


@contextmanager
def newcomer(chromium: BrowserType) -> Iterator[Wire]:
    """A browser of somebody's own, for a private window asks for less."""
    path, flags = shutil.which("chromium"), ["--no-sandbox", "--disable-gpu"]
    with (
        TemporaryDirectory() as profile,
        chromium.launch_persistent_context(profile, executable_path=path, args=flags) as context,
    ):
        yield Wire(context.new_page())


def main() -> None:
    visits = int(sys.argv[1]) if len(sys.argv) > 1 else VISITS
    with server() as voichat, sync_playwright() as playwright:
        with newcomer(playwright.chromium) as wire:
            wire.open(voichat.url)
            for address, weight in wire.weights.items():
                print(f"{weight:7,} bytes  {address.removeprefix(voichat.url)}")  # noqa: T201
            print(f"{wire.total:7,} bytes in {len(wire.weights)} requests")  # noqa: T201
        painted, typed = zip(*(slow_visit(playwright.chromium, voichat.url) for _ in range(visits)), strict=True)
        for what, times in (("something to see", painted), ("a letter typed", typed)):
            print(f"{what:17} after {median(times):5.0f} ms, at most {max(times):5.0f} ms")  # noqa: T201


@contextmanager
def server() -> Iterator[Voichat]:
    """As on a fresh machine."""
    with TemporaryDirectory() as folder:
        started = Voichat({"VOICHAT_DATA": folder}, Path(folder) / "log")
        servers.migrate(f"sqlite:///{folder}/voichat.sqlite3", Path(folder))
        started.start()
        yield started
        started.stop()


def slow_visit(chromium: BrowserType, url: str) -> tuple[float, float]:
    """Milliseconds from the click on a link until something is painted, and until the composer has taken a letter."""
    with newcomer(chromium) as wire:
        wire.slow_down()
        wire.page.add_init_script(NOTE_TYPING)
        wire.page.goto(url, wait_until="commit")
        wire.page.locator("#message").press("H")
        wire.page.wait_for_function(f"{FIRST_PAINT} && typed", timeout=60_000)
        return float(wire.page.evaluate(FIRST_PAINT)), float(wire.page.evaluate("typed"))


if __name__ == "__main__":
    main()
