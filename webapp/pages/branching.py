"""The branches of a chat: write a message anew, take a branch along as a chat of its own."""

from dataclasses import replace
from functools import partial
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as Redirect

from ..chats import attachments, branches, copies, history, lists
from . import composer, fields, visitor
from .house import house

blueprint = Blueprint("branching", __name__)


@blueprint.get("/chats/<id:conversation_id>/messages/<id:message_id>/edit")
def edit(conversation_id: str, message_id: str) -> str:
    """The form's message will stand beside this one."""
    owner = visitor.owner()
    conversation = lists.conversation(house().database, owner, conversation_id)
    said = branches.question(house().database, owner, conversation_id, message_id)
    form = composer.fresh(url_for("chat.go_on", conversation_id=conversation_id), said.text, said.model)
    return render_template(
        "chat/edit.html",
        conversation=conversation,
        composer=replace(form, edits=said.id, keeps=_pictures(conversation_id, said.id)),
        here=url_for("chat.show", conversation_id=conversation_id, at=said.id, _anchor=said.id),
    )


@blueprint.post("/chats/<id:conversation_id>/copy")
def copy(conversation_id: str) -> Redirect:
    """The branch that holds `at`, else the newest, as a new chat. Safe to repeat with the hidden `submit_id`."""
    owner, database = visitor.owner(), house().database
    chat = lists.conversation(database, owner, conversation_id)
    leaf = branches.leaf(database, owner, conversation_id, fields.text("at"))
    told = history.instructions(database, owner, conversation_id)
    source = copies.Source(conversation_id, leaf, chat.title, told, chat.is_temporary)
    admit = partial(house().limits.admit, visitor.sender(owner))
    sent = copies.copy(database, house().files, source, owner, composer.submit_id(), admit)
    return redirect(url_for("chat.show", conversation_id=sent.conversation_id), HTTPStatus.SEE_OTHER)


def _pictures(conversation_id: str, message_id: str) -> dict[str, str]:
    found = attachments.by_message(house().database, conversation_id).get(message_id, [])
    return {each.id: each.name for each in found}
