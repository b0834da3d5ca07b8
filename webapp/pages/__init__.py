"""The roof: what a person asks for, one file a subject."""

from flask import Flask
from werkzeug.routing import BaseConverter

from . import (
    along,
    articles,
    attachments,
    auth,
    branching,
    chat,
    conversations,
    deleted,
    erasing,
    errors,
    exports,
    instructions,
    kept,
    listing,
    ops,
    preferences,
    presets,
    recovery,
    rendering,
    shared,
    sharing,
    shortcuts,
    site,
    temporary,
)
from .house import House


class IdConverter(BaseConverter):
    """128 bits in hex; anything else is 404 before a database sees it."""

    regex = "[0-9a-f]{32}"


class KeyConverter(IdConverter):
    """As random as an id, but a key: whoever has it has what it opens."""


def init_app(app: Flask, house: House) -> None:
    app.extensions["voichat"] = house
    app.jinja_env.globals.update(retention_days=house.settings.retention_days)
    app.url_map.converters.update(id=IdConverter, key=KeyConverter)
    rendering.init_app(app)
    kept.init_app(app)
    articles.init_app(app)
    listing.init_app(app)
    errors.init_app(app)
    preferences.init_app(app)
    auth.init_app(app)
    app.register_blueprint(chat.blueprint)
    app.register_blueprint(branching.blueprint)
    app.register_blueprint(attachments.blueprint)
    app.register_blueprint(instructions.blueprint)
    app.register_blueprint(exports.blueprint)
    app.register_blueprint(along.blueprint)
    app.register_blueprint(presets.blueprint)
    app.register_blueprint(conversations.blueprint)
    app.register_blueprint(deleted.blueprint)
    app.register_blueprint(temporary.blueprint)
    app.register_blueprint(recovery.blueprint)
    app.register_blueprint(erasing.blueprint)
    app.register_blueprint(shortcuts.blueprint)
    app.jinja_env.globals.update(has_shares=house.settings.shares)
    if house.settings.shares:
        app.register_blueprint(sharing.blueprint)
        app.register_blueprint(shared.blueprint)
    app.register_blueprint(ops.blueprint)
    site.init_app(app, house.settings)
