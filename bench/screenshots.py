"""The pictures in the manual, taken anew: a server of its own, a person with a few chats, and what she sees.

./run screenshots [folder]
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import time

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import update

from tests.conftest import CHROMIUM_FLAGS
from tests.providers.upstream import DONE, END, Answer, Asked, Peer, Upstream, chunked, delta, openai, stream
from tests.support.firefox import Scheme
from tests.support.held import by_words
from tests.support.servers import ROOT, Voichat, migrate, missing, wait_until
from tests.support.talk import speaks
from tests.support.visitors import Visitor
from webapp.db import Database, conversations

IMAGES = ROOT / "docs" / "images"
WHAT = ("new", "chat", "live", "list", "search")
SCHEMES: list[Scheme] = ["light", "dark"]
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
COLOURS = 128
MODELS = ("qwen3-32b", "llama-3.3-70b")

CODE = "How do I find duplicates in a Python list?"
LIVE = "Explain the Fourier transform to a musician"
FOUND = "duplicates"
HOUR = 3600.0
# Each with the hours since.
ASKED = {
    "Translate our opening hours into French": 75.0,
    "Which index helps a LIKE query in PostgreSQL?": 51.0,
    "A polite reply to a late invoice": 27.0,
    "Three days in Lisbon with two children": 25.0,
    "Names for a reading group": 3.0,
    CODE: 0.2,
}
ANSWERS = {
    CODE: """### Count, then keep what comes twice

1. `Counter` goes through the list **once**.
2. What it counted more than once is a duplicate.

```python
from collections import Counter

def duplicates(items: list[str]) -> list[str]:
    return [item for item, n in Counter(items).items() if n > 1]

print(duplicates(["ada", "grace", "ada"]))  # ['ada']
```

| way | time | keeps the order |
|:----|:----:|:---------------:|
| `Counter` | $O(n)$ | yes |
| sort first | $O(n \\log n)$ | no |
""",
    "Which index helps a LIKE query in PostgreSQL?": "A trigram index (`pg_trgm`); an index of words finds duplicates.",
}
SO_FAR = """### A chord, taken apart

Play three notes at once, and the air carries **one** wave. The Fourier transform hears which notes are in it:

- how high each of them is: its *frequency*
- how loud each of them is: its *amplitude*

$$\\hat f(\\xi) = \\int_{-\\infty}^{\\infty} f(t)\\, e^{-2\\pi i \\xi t}\\, dt$$

A tuner does just that. It listens to a string for a moment, and"""
THE_REST = " names the strongest note."


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    with chats() as (alice, addresses), chromium() as browser:
        for (what, path), scheme, size in product(addresses.items(), SCHEMES, SIZES):
            with seen(browser, alice, path, scheme, size) as page:
                file = folder / name(what, size, scheme)
                page.screenshot(path=file)
                shrink(file)
                print(f"{file.name:28} {file.stat().st_size // 1000:4} KB")  # noqa: T201


def names() -> Iterator[str]:
    """Of the files that the manual may show."""
    return (name(*each) for each in product(WHAT, SIZES, SCHEMES))


def name(what: str, size: str, scheme: str) -> str:
    return f"{what}-{size}-{scheme}.png"


@contextmanager
def chats() -> Iterator[tuple[Visitor, dict[str, str]]]:
    """Somebody who has talked for some days and is talking, and the addresses of what she looks at."""
    may_end = Event()
    answers = {words: openai(answer) for words, answer in ANSWERS.items()} | {LIVE: growing(may_end)}
    with TemporaryDirectory() as folder, Upstream(by_words(answers, openai("Gladly.", MODELS))) as upstream:
        url = f"sqlite:///{folder}/voichat.sqlite3"
        migrate(url, Path(folder))
        environment = {"DATABASE_URL": url, "VOICHAT_DATA": folder, "VOICHAT_MODEL": f"openai/{MODELS[0]}"}
        voichat = Voichat(speaks(upstream) | environment, Path(folder) / "log")
        voichat.start()
        alice = Visitor(voichat)
        code = begin(alice, url)
        live = alice.send(LIVE)
        wait_until(lambda: "<mark>" in alice.get(f"/chats?q={FOUND}").text)
        try:
            yield alice, dict(zip(WHAT, ("/", code, live, "/chats", f"/chats?q={FOUND}"), strict=True))
        finally:
            may_end.set()
            voichat.stop()


def begin(alice: Visitor, url: str) -> str:
    """Her chats until now; returns the last."""
    chat = ""
    database = Database(url)
    for words, hours in ASKED.items():
        chat = alice.send(words)
        alice.until_settled(chat)
        with database.write() as connection:
            mine = update(conversations).where(conversations.c.id == chat.rpartition("/")[2])
            connection.execute(mine.values(updated_at=time() - hours * HOUR))
    database.close()
    return chat


def growing(may_end: Event) -> Answer:
    """A reply that stays as it is for a while."""

    def end(peer: Peer) -> None:
        may_end.wait()
        peer.send(chunked(delta(THE_REST), delta(finish_reason="stop"), DONE), END)

    def answer(asked: Asked, peer: Peer) -> None:
        stream(delta("", role="assistant"), delta(SO_FAR), then=end)(asked, peer)

    return answer


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@contextmanager
def seen(browser: Browser, alice: Visitor, path: str, scheme: Scheme, size: str) -> Iterator[Page]:
    width, height = SIZES[size]
    cookie, _, value = alice.cookie.partition("=")
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}) as context:
        context.add_cookies([{"name": cookie, "value": value, "url": alice.voichat.url}])
        page = context.new_page()
        page.goto(alice.voichat.url + path, wait_until="commit")
        page.locator("#composer, form.search").first.wait_for()
        if path.startswith("/chats/"):
            show_the_reply(page)
        yield page


def show_the_reply(page: Page) -> None:
    """From its beginning, and as far as it has come."""
    page.locator("article .text table, article .text math[display=block]").last.wait_for()
    page.get_by_text("for a moment, and").or_(page.get_by_role("button", name="Regenerate")).last.wait_for()
    page.locator("article .byline").last.evaluate("line => line.scrollIntoView()")


def shrink(file: Path) -> None:
    with Image.open(file) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
