"""Every page in every state that a person may meet, as it was sent, for those who judge pages."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain

from flask import Flask
from werkzeug.test import TestResponse

from tests.providers.upstream import Asked, Peer, Upstream, reply
from tests.support import long
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.pictures import attach, png
from tests.support.routes import CHAT, DELETED, EDIT, PRESET, QUERIES, RENAME, SETTINGS, SHARE, SHARED
from tests.support.servers import ROOT
from tests.support.talk import Talk, speaks
from tests.support.world import MADE_UP, World, filled
from webapp.chats import lease, passages
from webapp.db import Database
from webapp.web import assets

Start = Callable[[dict[str, str]], Flask]
Made = Iterator[tuple[str, TestResponse]]

BROWSER = "Mozilla/5.0"
KINDS = {".svg": "image/svg+xml", ".js": "text/javascript", ".png": "image/png"}
SECRET = "correct horse battery"
LIMITED = {"VOICHAT_LIMIT_OWNER": "1/day", "VOICHAT_RETENTION_DAYS": "30", "VOICHAT_MESSAGE_CHARACTERS": "40"}
PASSWORD = {"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": SECRET}
PROXY = {"VOICHAT_AUTH": "proxy", "VOICHAT_TRUSTED_PROXIES": "127.0.0.1", "VOICHAT_SIGN_OUT_URL": "/oauth2/sign_out"}
MARKDOWN = """# A heading

Words, **bold**, *slanted*, ~~struck~~, `code` and a [link](https://example.org/), with a footnote[^1].

1. One
2. Two
   - [x] done
   - [ ] to do

> A quotation.

```python
@cache
def double(x: int = 2, *, name="it") -> int:
    return 2 * x  # a comment
```

```
plain
```

| left | right |
|:-----|------:|
| a    |     1 |

Inline $e^{i\\pi} + 1 = 0$, and $$\\sum_{k=1}^n k = \\frac{n(n+1)}{2}$$

---

[^1]: The footnote.
"""


@dataclass(frozen=True)
class Picture:
    """A page as it was sent, or as far as it had come."""

    html: str
    status: int
    policy: str


def collected(start: Start, talk: Talk) -> dict[str, Picture]:
    """By what they show. `start` makes an application with these settings and an empty database."""
    app = start(speaks(talk))
    world = World(app)
    made = chain(
        *(_addresses(world), _bare(app), _refused(world), _endings(app), _live(app, talk), _long(app)),
        *(
            _without_a_model(start({})),
            _limited(start(LIMITED)),
            _by_password(start(PASSWORD)),
            _by_proxy(start(PROXY)),
        ),
    )
    pictures = {what: _picture(answer) for what, answer in made}
    return {what: picture for what, picture in pictures.items() if picture.html}


def _picture(answer: TestResponse) -> Picture:
    with closing(answer):
        html = answer.text if answer.mimetype == "text/html" else ""
    return Picture(html, answer.status_code, answer.headers["Content-Security-Policy"])


def different(gallery: dict[str, Picture]) -> list[str]:
    """Those that are not built of the very elements of one before."""
    first = {built_of(picture): what for what, picture in reversed(gallery.items())}
    return [what for what in gallery if what in first.values()]


def covering(gallery: dict[str, Picture]) -> list[str]:
    """Fewer, in which every kind of element stands at least once."""
    known: set[str] = set()
    chosen = []
    for what, picture in gallery.items():
        if not built_of(picture) <= known:
            known |= built_of(picture)
            chosen.append(what)
    return chosen


def built_of(picture: Picture) -> frozenset[str]:
    """Its start tags, without ids, numbers, addresses with a query, and what stands in fields."""
    tags = re.findall(r"<[a-z][^>]*>", picture.html)
    return frozenset(re.sub(r'[0-9a-f]{16,}|[0-9]+|"[^"]*\?[^"]*"|value="[^"]*"', "", tag) for tag in tags)


class Wall(Upstream):
    """Where browsers see them: a server that has the pages, and the files that they load."""

    def __init__(self, gallery: dict[str, Picture]) -> None:
        self._pictures = {f"/{number}": picture for number, picture in enumerate(gallery.values())}
        self._paths = dict(zip(gallery, self._pictures, strict=True))
        super().__init__(self._show)

    def address(self, what: str) -> str:
        return self.url + self._paths[what]

    def _show(self, asked: Asked, peer: Peer) -> None:
        path = asked.path.partition("?")[0]
        file = ROOT / path.removeprefix("/")
        if path in self._pictures:
            picture = self._pictures[path]
            headers = {"content_type": "text/html; charset=utf-8", "content_security_policy": picture.policy}
            return reply(picture.html, picture.status, **headers)(asked, peer)
        if path == "/static/style.css":
            return reply(assets.style(), content_type="text/css")(asked, peer)
        if path.startswith("/static/") and file.exists():
            return reply(file.read_bytes(), content_type=KINDS[file.suffix])(asked, peer)
        return reply("", 404)(asked, peer)


# The states


def _somebody(app: Flask) -> Person:
    person = Person(app)
    person.client.environ_base["HTTP_USER_AGENT"] = BROWSER
    return person


def _addresses(world: World) -> Made:
    """Every address that shows a page, as its owner finds it, with every query."""
    world.alice.client.environ_base["HTTP_USER_AGENT"] = BROWSER
    for rule, query in QUERIES.items():
        path = filled(rule, world.alices)
        for each in (path, *(f"{path}?{name}={filled(value, world.alices)}" for name, value in query.items())):
            yield f"{rule}{each.removeprefix(path)}", world.alice.get(each)
    yield "nothing is found", world.alice.get("/chats?q=nowhere")
    yield "a search that is too long", world.alice.get(f"/chats?q={'x' * 300}")
    gone = world.binned
    yield "just deleted", world.alice.get(f"/chats?deleted={gone.conversation_id}&deleted_at={gone.moment}")
    yield "a shared chat, by whoever has the link", _somebody(world.app).get(filled(SHARED, world.alices))
    world.alice.post(filled(f"{CHAT}/pin", world.alices), pinned="1")
    yield "a pinned chat", world.alice.get("/chats")


def _bare(app: Flask) -> Made:
    """Of somebody who has nothing yet."""
    for path in ("/", "/chats", DELETED, "/presets", "/shares", "/take-along", "/recovery", "/nowhere"):
        yield f"{path}, with nothing there", _somebody(app).get(path)


def _refused(world: World) -> Made:
    post, chat = world.alice.post, world.alices
    yield "no words", post("/chats", message="")
    yield "a model that has gone", post("/chats", message="Hi", model="gone/gone")
    yield "no words in a chat", post(filled(f"{CHAT}/messages", chat), message="")
    yield "no name", post(filled(RENAME, chat), name="", version=chat.title_version)
    yield "a name that somebody changed", post(filled(RENAME, chat), name="Mine", version="0")
    yield "instructions that make no sense", post(filled(SETTINGS, chat), temperature="hot", version=chat.version)
    yield "a preset without a name", post("/presets", name="", system="Be brief.")
    yield "a preset that somebody changed", post(filled(PRESET, chat), name="Mine", version="0")
    yield "a link that ends on no day", post(filled(SHARE, chat), kind="goes-on", ends="on", day="never")
    yield "no file to import", post("/import")
    yield "a file that is no archive", attach(world.alice, ("x.json", b"{"), to="/import")
    yield "a file that is no text", attach(world.alice, ("x.bin", b"\0\1\2"))
    yield "a message that is too long", post("/chats", message="x" * 100_001)
    yield "an edit of nothing", world.alice.get(filled(EDIT, chat).replace(chat.message_id, MADE_UP))
    yield "a wrong verb", world.alice.client.put("/chats")


def _endings(app: Flask) -> Made:
    """Replies that ended in every way, and the first of them in two versions."""
    carol, database = _somebody(app), app.extensions["voichat"].database
    begun = attach(carol, ("a picture.png", png(300, 200)), message="A picture, with *marks*\n\nin two lines")
    chat = begun.headers["Location"]
    counted = partial(lease.Outcome, reasoning="Hm.", prompt_tokens=1234, completion_tokens=56)
    _settle(database, counted("complete", MARKDOWN))
    for outcome in (
        lease.Outcome("failed", "", "The upstream refused it."),
        lease.Outcome("stopped", "As far as it", reasoning="Hm."),
        lease.Outcome("interrupted", "As far as it", "The server was restarted."),
        counted("complete", "As far as it", finish_reason="length"),
    ):
        carol.send("Go on", chat)
        _settle(database, outcome)
    yield "replies that ended in every way", carol.get(chat)
    first, answered, *_ = (article.id for article in Page(carol.get(chat)).articles)
    carol.post(f"{chat}/messages", message="Or rather", edits=first)
    _settle(database, lease.Outcome("complete", "Hello."))
    carol.post(f"{chat}/replies/{answered}/regenerate", submit_id="again")
    _settle(database, lease.Outcome("complete", "Hello again."))
    yield "versions of a question and of its reply", carol.get(f"{chat}?at={answered}")
    yield "a message with a picture, to edit", carol.get(f"{chat}/messages/{first}/edit")
    while passages.index(database):
        pass
    yield "hits", carol.get("/chats?q=as far")
    kept = carol.send("Between us", temporary="on")
    _settle(database, lease.Outcome("complete", "Hello."))
    yield "a temporary chat", carol.get(kept)


def _settle(database: Database, outcome: lease.Outcome) -> None:
    [waiting] = lease.unsettled(database)
    claim = lease.claim(database, waiting.id, "test")
    assert claim
    lease.settle(database, claim, outcome)


def _live(app: Flask, talk: Talk) -> Made:
    """Replies while they are written and just when they have ended."""
    dave = _somebody(app)
    chat = dave.send("Hi")
    dave.post(f"{chat}/messages", message="And then")
    page = dave.client.get(chat)
    talk.think("Hm, let me think. ")
    talk.say("Words, and\n\n", "```python\nprint(1)\n```\n\n", "then some more")
    pieces = page.iter_encoded()
    came = _until(pieces, "then some more")
    yield "replies that are being written and that wait", _as_sent(page, came)
    talk.end(read=3, written=5)
    talk.say("The second.")
    talk.end()
    yield "replies that were written just now", _as_sent(page, came + "".join(piece.decode() for piece in pieces))


def _until(pieces: Iterator[bytes], words: str) -> str:
    came = ""
    while words not in came:
        came += next(pieces).decode()
    return came


def _as_sent(page: TestResponse, came: str) -> TestResponse:
    return TestResponse([came.encode()], page.status, page.headers, page.request)


def _long(app: Flask) -> Made:
    erin, database = _somebody(app), app.extensions["voichat"].database
    chat = erin.send("Hi")
    _settle(database, lease.Outcome("complete", "Hello."))
    ids = long.lengthen(database, chat.rpartition("/")[2], 200)
    yield "the newest of a long chat", erin.get(chat)
    yield "the middle of a long chat", erin.get(f"{chat}?before={ids[100]}")


def _without_a_model(app: Flask) -> Made:
    frank = _somebody(app)
    yield "a new chat without a model", frank.get("/")
    yield "a chat with the Guide", frank.get(frank.send("Show me a table"))
    yield "providers without a model", frank.get("/providers/")


def _limited(app: Flask) -> Made:
    grace = _somebody(app)
    yield "a new chat that will be deleted", grace.get("/")
    yield "too many characters", grace.post("/chats", message="x" * 41)
    grace.send("Hi")
    yield "too many messages", grace.post("/chats", message="Hi")


def _by_password(app: Flask) -> Made:
    heidi = _somebody(app)
    yield "the sign-in", heidi.get("/login")
    yield "words that wait for the sign-in", heidi.post("/chats", message="Hi")
    yield "a wrong password", heidi.post("/login", password="wrong")
    heidi.post("/login", password=SECRET)
    for path in ("/", "/chats", "/recovery"):
        yield f"{path}, signed in", heidi.get(path)


def _by_proxy(app: Flask) -> Made:
    ivan = _somebody(app)
    yield "whom no proxy names", ivan.get("/")
    ivan.client.environ_base["HTTP_X_FORWARDED_USER"] = "ivan@example.org"
    for path in ("/", "/chats"):
        yield f"{path}, by a proxy", ivan.get(path)
