"""One's own presets: save one, edit it, delete it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Redirect

from ..chats import presets
from ..chats.instructions import NAME_CHARACTERS, Changed, Preset, version
from ..chats.text import title
from ..sentences import Sentence
from ..web import signin, submit
from . import composer, fields, picker, visitor
from .fields import NOTHING_TYPED, Typed
from .house import house

blueprint = Blueprint("presets", __name__)

TOO_MANY = Sentence("You have {most} presets, which is the most: delete one to save another.", most=presets.MOST)


@dataclass(frozen=True)
class Form:
    """What stands in it. `other` is what another tab has stored since, by label."""

    name: str = ""
    model: str = ""
    typed: Typed = NOTHING_TYPED
    version: str = ""
    submit_id: str = ""
    problem: str = ""
    other: Mapping[str, str] | None = None

    @property
    def by_label(self) -> Mapping[str, str]:
        return {"Name": self.name, "Model": self.model, **self.typed.by_label}


@blueprint.get("/presets")
def index() -> str:
    return _index(Form(submit_id=submit.new_id()))


@blueprint.post("/presets")
def save() -> ResponseReturnValue:
    submit_id = composer.submit_id()
    try:
        _add(_preset(""), submit_id)
    except HTTPException as error:
        return _index(replace(_sent(error.description), submit_id=submit_id)), error.code or 400
    except presets.TooMany:
        return _index(replace(_sent(TOO_MANY), submit_id=submit_id)), HTTPStatus.CONFLICT
    return _to_list()


@blueprint.get("/presets/<id:preset_id>")
def show(preset_id: str) -> str:
    return _show(preset_id, _stored(_find(preset_id)))


@blueprint.post("/presets/<id:preset_id>")
def change(preset_id: str) -> ResponseReturnValue:
    """Chats that were begun with it stay as they are."""
    _find(preset_id)
    seen = fields.text("version")
    try:
        presets.change(house().database, visitor.owner(), _preset(preset_id), seen)
    except HTTPException as error:
        return _show(preset_id, replace(_sent(error.description), version=seen)), error.code or 400
    except Changed as error:
        newer = _stored(error.now)
        return _show(preset_id, replace(_sent(), version=newer.version, other=newer.by_label)), HTTPStatus.CONFLICT
    return _to_list()


@blueprint.post("/presets/<id:preset_id>/delete")
def delete(preset_id: str) -> Redirect:
    presets.remove(house().database, visitor.owner(), preset_id)
    return _to_list()


def _add(preset: Preset, submit_id: str) -> None:
    """Counts as a message does: who sends no cookie could store as many as they like."""
    limits = house().limits
    owner = signin.owner_for(submit_id, partial(limits.check, visitor.sender("")))
    presets.add(house().database, owner, preset, submit_id, partial(limits.admit, visitor.sender(owner), reply_id=""))


def _find(preset_id: str) -> Preset:
    return presets.find(house().database, visitor.owner(), preset_id)


def _preset(preset_id: str) -> Preset:
    """What was sent. Aborts with 400 or 413 and a sentence."""
    fields.limit(Sentence("The name"), fields.text("name"), NAME_CHARACTERS)
    name = title(fields.text("name")) or abort(HTTPStatus.BAD_REQUEST, Sentence("Give the preset a name."))
    model = fields.text("model") and fields.offered(fields.text("model"))
    return Preset(preset_id, name, model, fields.instructions(fields.typed()))


def _sent(problem: str | None = "") -> Form:
    return Form(fields.text("name"), fields.text("model"), fields.typed(), problem=problem or "")


def _stored(preset: Preset) -> Form:
    return Form(preset.name, preset.model, fields.written(preset.instructions), version(preset))


def _index(form: Form) -> str:
    return render_template("presets.html", form=form, presets=picker.groups(), models=_models(form))


def _show(preset_id: str, form: Form) -> str:
    return render_template("preset.html", preset_id=preset_id, form=form, models=_models(form))


def _models(form: Form) -> list[composer.Group]:
    return composer.fresh("", model=form.model).groups


def _to_list() -> Redirect:
    return redirect(url_for(".index"), HTTPStatus.SEE_OTHER)
