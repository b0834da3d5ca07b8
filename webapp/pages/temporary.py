"""A temporary chat that is to stay."""

from http import HTTPStatus

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response as Redirect

from ..chats import expiry
from . import fields, visitor
from .house import house

blueprint = Blueprint("temporary", __name__)


@blueprint.post("/chats/<id:conversation_id>/keep")
def keep(conversation_id: str) -> Redirect:
    expiry.keep(house().database, visitor.owner(), conversation_id)
    at = fields.text("at") or None
    return redirect(url_for("chat.show", conversation_id=conversation_id, at=at), HTTPStatus.SEE_OTHER)
