"""The people and the places: Alice owns, Bob is in the team, Mallory must see nothing."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect, sync_playwright

from tests.providers.upstream import Answer, Upstream, voigpt
from tests.support import once, servers
from tests.support.databases import Spares, create_database
from tests.support.firefox import Firefox, firefox
from tests.support.held import by_words, held
from tests.support.people import Person
from tests.support.servers import Voichat
from tests.support.talk import Talk
from tests.support.world import World
from webapp import create_app
from webapp.db import Database
from webapp.providers.voigpt import VoiGpt
from webapp.settings import load

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP chat.intranet 127.0.0.1",
]
NO_LIMITS = {f"VOICHAT_LIMIT_{whose}": "none" for whose in ("OWNER", "ADDRESS", "EVERYBODY")}
NOTHING_FROM_HERE = {"VOICHAT_DISCOVER": "off"}
PRODUCT = "wsgi:app"
TEMPLATES = once.Compiled()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long versions of kill, chaos and fuzz tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item.get_closest_marker("long") is None]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("VOICHAT_", "VOIGPT_", "OPENAI_")) or name in ("DATABASE_URL", "SECRET_KEY"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        once.share(monkeypatch)
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    servers.migrate(f"sqlite:///{folder / 'template'}", folder)
    return folder / "template"


@pytest.fixture(scope="session")
def postgresql_spares() -> Iterator[Spares]:
    with TemporaryDirectory() as folder, servers.postgresql(Path(folder)) as server:
        create_database(server.url, "template_voichat")
        servers.migrate(f"{server.url}/template_voichat", Path(folder))
        yield Spares(server.url, "template_voichat")


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """An empty, migrated database of the kind that the parameter of the request names."""
    if request.param == "sqlite":
        path = folder / "voichat.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        spares: Spares = request.getfixturevalue("postgresql_spares")
        with spares.lent() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same tests on both."""
    with empty_database(request, tmp_path) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def may_answer() -> Iterator[Event]:
    """Set, unless a test wants the upstream to think for as long as it is clear."""
    event = Event()
    event.set()
    yield event
    event.set()


@pytest.fixture
def upstream(may_answer: Event) -> Iterator[Upstream]:
    """A VoiGpt server whose answers the test scripts."""
    VoiGpt._tokens.clear()  # an earlier test's upstream may have had this port
    with Upstream(held(voigpt(), may_answer)) as server:
        yield server
        may_answer.set()


@pytest.fixture
def talk() -> Iterator[Talk]:
    with Talk() as upstream:
        yield upstream
        upstream.end()


@pytest.fixture
def settings() -> dict[str, str]:
    """What an admin set besides; a test says it by `parametrize("settings", [{…}])`."""
    return {}


@pytest.fixture
def environment(database_url: str, upstream: Upstream, tmp_path: Path, settings: dict[str, str]) -> dict[str, str]:
    return basic(database_url, upstream, tmp_path) | settings


def basic(database_url: str, upstream: Upstream, folder: Path) -> dict[str, str]:
    basic = {"DATABASE_URL": database_url, "VOIGPT_URL": upstream.url, "VOICHAT_DATA": str(folder / "data")}
    return basic | NO_LIMITS | NOTHING_FROM_HERE


@pytest.fixture
def app(environment: dict[str, str]) -> Iterator[Flask]:
    with application(environment) as made:
        yield made


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of a module, which leave what was in it as it was."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copy(sqlite_template, folder / "voichat.sqlite3")
    environment = {"DATABASE_URL": f"sqlite:///{folder / 'voichat.sqlite3'}", "VOICHAT_DATA": str(folder / "data")}
    with application(environment | NO_LIMITS | NOTHING_FROM_HERE) as made:
        yield World(made)


@contextmanager
def application(environment: dict[str, str]) -> Iterator[Flask]:
    (Path(environment["VOICHAT_DATA"])).mkdir(mode=0o700, exist_ok=True)
    made = create_app(load(environment))
    made.testing = True
    made.jinja_env.bytecode_cache = TEMPLATES
    made.config["PROPAGATE_EXCEPTIONS"] = False
    yield made
    house = made.extensions["voichat"]
    house.replies.close()
    house.database.close()


@pytest.fixture
def alice(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def bob(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def mallory(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Voichat]]:
    """Starts the product behind gunicorn; `serve(VOICHAT_REPLIES="1")` sets more."""
    with ExitStack() as stack:

        def start(app: str = "", **more: str) -> Voichat:
            server = Voichat(environment | more, tmp_path / "log", app)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture
def voichat(serve: Callable[..., Voichat]) -> Voichat:
    """The product with two workers, on a database that is ready; it is up when the test begins."""
    return serve(PRODUCT)


@pytest.fixture(scope="session")
def answers() -> dict[str, Answer]:
    """What the upstream of `standing` says to certain words; to others “Hello.”."""
    return {}


@pytest.fixture(scope="session")
def stand(
    sqlite_template: Path, answers: dict[str, Answer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Voichat]]:
    """As `serve`, for many tests that leave the server running; who comes is new to it each time."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream(by_words(answers, voigpt())))

        def start(**more: str) -> Voichat:
            folder = tmp_path_factory.mktemp("standing")
            shutil.copy(sqlite_template, folder / "voichat.sqlite3")
            environment = basic(f"sqlite:///{folder / 'voichat.sqlite3'}", upstream, folder)
            server = Voichat(environment | more, folder / "log", PRODUCT)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def standing(stand: Callable[..., Voichat]) -> Voichat:
    return stand()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        servers.missing("Chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=1000 * servers.START_SECONDS)  # a loaded machine is slow, and not wrong
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


WITH_JAVASCRIPT = pytest.param((True, "dark"), marks=pytest.mark.long, id="javascript")


@pytest.fixture(scope="session", params=[pytest.param((False, "light"), id="no-javascript"), WITH_JAVASCRIPT])
def running_firefox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Twice, for it takes seconds to start: without JavaScript in light, with it in dark."""
    javascript, scheme = request.param
    with firefox(tmp_path_factory.mktemp("firefox"), javascript=javascript, scheme=scheme) as running:
        yield running
