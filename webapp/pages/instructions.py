"""What a chat's model is told besides the chat."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..chats import history, lists
from ..chats.instructions import Changed, version
from . import fields, visitor
from .fields import Typed
from .house import house

blueprint = Blueprint("instructions", __name__)


@dataclass(frozen=True)
class Form:
    """What stands in it. `other` is what another tab has stored since, by label."""

    typed: Typed
    version: str
    problem: str = ""
    other: Mapping[str, str] | None = None


@blueprint.get("/chats/<id:conversation_id>/settings")
def show(conversation_id: str) -> str:
    now = history.instructions(house().database, visitor.owner(), conversation_id)
    return _page(conversation_id, Form(fields.written(now), version(now)))


@blueprint.post("/chats/<id:conversation_id>/settings")
def change(conversation_id: str) -> ResponseReturnValue:
    """They count from the next reply on."""
    lists.conversation(house().database, visitor.owner(), conversation_id)
    typed, seen = fields.typed(), fields.text("version")
    try:
        history.instruct(house().database, visitor.owner(), conversation_id, fields.instructions(typed), seen)
    except HTTPException as error:
        return _page(conversation_id, Form(typed, seen, problem=error.description or "")), error.code or 400
    except Changed as error:
        newer = Form(typed, version(error.now), other=fields.written(error.now).by_label)
        return _page(conversation_id, newer), HTTPStatus.CONFLICT
    return redirect(url_for("chat.show", conversation_id=conversation_id), HTTPStatus.SEE_OTHER)


def _page(conversation_id: str, form: Form) -> str:
    conversation = lists.conversation(house().database, visitor.owner(), conversation_id)
    return render_template("chat/settings.html", conversation=conversation, form=form)
