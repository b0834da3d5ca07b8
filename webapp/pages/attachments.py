"""The pictures of messages: where they stand on a page, and each by itself."""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from flask import Blueprint, Response, request, url_for
from werkzeug.wsgi import wrap_file

from ..chats import attachments
from ..chats.records import Attachment, NotFound
from .house import house
from .visitor import owner

blueprint = Blueprint("attachments", __name__)

# Nothing in a picture runs anywhere, whatever a browser takes it for.
POLICY = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Shown(NamedTuple):
    """What a page needs to know of a picture; its size, so that the page does not jump."""

    url: str
    name: str
    width: int
    height: int


@blueprint.get("/chats/<id:conversation_id>/messages/<id:message_id>/files/<id:attachment_id>")
def show(conversation_id: str, message_id: str, attachment_id: str) -> Response:
    return response(attachments.one(house().database, owner(), conversation_id, message_id, attachment_id))


def response(attachment: Attachment) -> Response:
    """The file. Raises `NotFound` if it has been lost."""
    try:
        file = house().files.open(attachment.id)
    except FileNotFoundError:
        raise NotFound from None
    answer = Response(wrap_file(request.environ, file), mimetype=attachment.kind, direct_passthrough=True)
    answer.content_length = attachment.size
    answer.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(attachment.name, safe='')}"
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def shown(conversation_id: str, address: Callable[[Attachment], str] | None = None) -> dict[str, list[Shown]]:
    """By message; at the owner's addresses, or at others. Whose the conversation is, the caller knows."""
    found = attachments.by_message(house().database, conversation_id)
    url = address or _address
    return {
        message_id: [Shown(url(each), each.name, each.width, each.height) for each in theirs]
        for message_id, theirs in found.items()
    }


def _address(attachment: Attachment) -> str:
    return url_for(
        "attachments.show",
        conversation_id=attachment.conversation_id,
        message_id=attachment.message_id,
        attachment_id=attachment.id,
    )
