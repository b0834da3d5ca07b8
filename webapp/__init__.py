"""Voichat: the web chat that a whole team opens from one link."""

from functools import partial

from flask import Flask

from . import cli, pages, providers, providers_file
from .chats import attachments, deleted, erasure, expiry, shares, showing
from .chats.files import Files
from .chats.housekeeping import Chore, Housekeeping
from .chats.indexer import Indexer
from .chats.lease import Caps
from .chats.replies import Replies
from .chats.tidying import Tidying
from .chats.titles import Titles
from .db import Database
from .pages.house import House
from .settings import ROOT, Settings, load, secret_key
from .users import attempts
from .users.limits import Limits
from .web import assets, body, i18n, links, routes, security, signin, templates
from .web.sessions import DatabaseSessions


def create_app(settings: Settings | None = None) -> Flask:
    """The application, in the order in which a request passes through it. Raises `SettingsError`."""
    settings = settings or load()
    app = Flask(__name__, template_folder=ROOT / "templates", static_folder=None)
    app.secret_key = secret_key(settings)
    app.jinja_environment = templates.Templates
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}

    database, files = Database(settings.database), Files(settings.data / "attachments")
    body.init_app(app, settings)
    routes.init_app(app)
    security.init_app(app, settings)
    app.session_interface = sessions = DatabaseSessions(app, database, settings.session_days)
    signin.init_app(app, settings, database)
    i18n.init_app(app, ROOT / "translations")
    assets.init_app(app)
    links.init_app(app)
    upstreams = providers.init_app(app, settings, providers_file.load(settings))
    titles = Titles(database, upstreams.complete, upstreams.is_language_model)
    replies = Replies(
        database,
        upstreams.complete,
        places=settings.replies,
        caps=Caps(settings.replies_each, settings.replies_all),
        seats=settings.seats,
        seats_each=settings.seats_each,
        budget=upstreams.context,
        titles=titles if settings.titles == "model" else None,
        show=partial(showing.shown, database, files, upstreams.takes_images),
    )
    limits = Limits(settings.limit_owner, settings.limit_address, settings.limit_everybody)
    chores = [sessions.forget, *_chores(settings, database, files)]
    house = House(settings, database, files, replies, limits, Housekeeping(chores), Indexer(database))
    pages.init_app(app, house)
    cli.init_app(app, settings, database)
    return app


def _chores(settings: Settings, database: Database, files: Files) -> list[Chore]:
    """What is deleted goes before its files, and those before SQLite's are tidied."""
    return [
        partial(attempts.forget, database),
        partial(deleted.purge, database),
        partial(expiry.temporary, database),
        partial(expiry.old, database, settings.retention_days),
        partial(erasure.late, database, files),
        partial(attachments.sweep, database, files),
        partial(shares.remove_ended, database),
        Tidying(database).step,
        partial(erasure.scrub, database),
    ]
