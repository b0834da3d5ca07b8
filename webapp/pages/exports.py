"""A chat as a file, to take along. However long it is, it is sent as it is read."""

from collections.abc import Iterable, Iterator
from itertools import chain
from urllib.parse import quote

from flask import Blueprint, Response, request, stream_with_context

from ..chats import archive, attachments, branches, exports, history, lists
from ..chats.records import Conversation, Message
from ..chats.text import cleaned
from ..words import words
from . import plain, visitor
from .house import house
from .rendering import writer

blueprint = Blueprint("exports", __name__)


@blueprint.get("/chats/<id:conversation_id>.md")
def markdown(conversation_id: str) -> Response:
    chat = _chat(conversation_id)
    return _file(chat, "md", "text/markdown", exports.markdown(chat, _branch(chat), writer, _files(chat)))


@blueprint.get("/chats/<id:conversation_id>.txt")
def text(conversation_id: str) -> Response:
    chat = _chat(conversation_id)
    return _file(chat, "txt", "text/plain", plain.pieces(_branch(chat), None, _files(chat)))


@blueprint.get("/chats/<id:conversation_id>.json")
def in_json(conversation_id: str) -> Response:
    """All branches, whichever is shown."""
    chat, owner = _chat(conversation_id), visitor.owner()
    told = history.instructions(house().database, owner, chat.id)
    messages = branches.messages_of(house().database, owner, chat.id)
    more = archive.more(house().database, owner, chat.id)
    return _file(chat, "json", "application/json", exports.in_json(chat, told, messages, more))


@blueprint.get("/chats/<id:conversation_id>/messages/<id:message_id>.md")
def message_in_markdown(conversation_id: str, message_id: str) -> Response:
    """One message as it was written, on a page of its own: to read, and to copy without a script."""
    return Response(_message(conversation_id, message_id).text, mimetype="text/plain")


@blueprint.get("/chats/<id:conversation_id>/messages/<id:message_id>.txt")
def message_in_text(conversation_id: str, message_id: str) -> Response:
    """Its words, without the markup of a reply."""
    message = _message(conversation_id, message_id)
    return Response(message.text if message.role == "user" else words(message.text), mimetype="text/plain")


def _message(conversation_id: str, message_id: str) -> Message:
    return branches.message(house().database, visitor.owner(), conversation_id, message_id)


def _chat(conversation_id: str) -> Conversation:
    return lists.conversation(house().database, visitor.owner(), conversation_id)


def _branch(chat: Conversation) -> Iterator[Message]:
    ids = branches.ids(house().database, visitor.owner(), chat.id, cleaned(request.args.get("at", "")))
    return chain.from_iterable(branches.read(house().database, ids))


def _files(chat: Conversation) -> exports.Files:
    return attachments.names(house().database, chat.id)


def _file(chat: Conversation, ending: str, kind: str, pieces: Iterable[str]) -> Response:
    response = Response(stream_with_context(iter(pieces)), mimetype=kind)
    name = f"{exports.name(chat)}.{ending}"
    called = f'filename="{name}"' if name.isascii() else f"filename*=UTF-8''{quote(name)}"  # RFC 6266
    response.headers["Content-Disposition"] = f"attachment; {called}"
    return response
