"""How the pages look and speak to one browser."""

from functools import partial
from http import HTTPStatus

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from ..sentences import Sentence
from ..web import i18n, sessions, signin, submit
from . import composer, fields, visitor
from .house import house

blueprint = Blueprint("preferences", __name__)

THEMES: dict[str, str] = {"": Sentence("As the system does"), "light": Sentence("Light"), "dark": Sentence("Dark")}
SHORTCUTS: dict[str, str] = {"": Sentence("On"), "off": Sentence("Off")}


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals.update(preferred=sessions.preferred)


@blueprint.get("/settings")
def show() -> str:
    owner = signin.owner()
    return render_template(
        "preferences.html",
        choices=_choices(),
        submit_id=submit.new_id(),
        is_saved=bool(request.args.get("saved")),
        has_history=owner is not None,
        has_chats_from_before=sessions.owner() not in (None, owner),
    )


@blueprint.post("/settings")
def choose() -> Redirect:
    """What is not among the choices is none."""
    given = {name: fields.text(name) for name in _choices()}
    chosen = {name: given[name] if given[name] in known else "" for name, known in _choices().items()}
    admit = partial(house().limits.admit, visitor.sender(""), reply_id="")
    sessions.prefer(composer.submit_id(), chosen, admit)
    return redirect(url_for(".show", saved=1), HTTPStatus.SEE_OTHER)


def _choices() -> dict[str, dict[str, str]]:
    """By the field's name: what may be chosen, with its label. Empty is what a browser has that never chose."""
    names = {code: language.name for code, language in i18n.languages().items()}
    return {"theme": THEMES, "language": {"": Sentence("As the browser asks"), **names}, "shortcuts": SHORTCUTS}
