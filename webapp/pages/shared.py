"""A chat that somebody shares: whoever has the link reads it, and may go on with it as their own."""

from functools import partial
from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from ..chats import copies, shares
from ..chats.records import Attachment
from ..web import signin, submit
from . import attachments, composer, visitor
from .house import house

blueprint = Blueprint("shared", __name__)


@blueprint.get("/shares/<id:share_id>")
def read(share_id: str) -> Response:
    share = shares.find(house().database, share_id)
    part = shares.part(house().database, share, request.args.get("page", 1, type=int))
    files = attachments.shown(share.conversation_id, partial(_address, share_id))
    page = render_template("share/shown.html", share=share, part=part, files=files, submit_id=submit.new_id())
    return _unlisted(Response(page))


@blueprint.get("/shares/<id:share_id>/files/<id:attachment_id>")
def file(share_id: str, attachment_id: str) -> Response:
    share = shares.find(house().database, share_id)
    return _unlisted(attachments.response(shares.picture(house().database, share, attachment_id)))


@blueprint.post("/shares/<id:share_id>/copy")
def copy(share_id: str) -> Redirect:
    """A chat of the reader's own, which counts as a message does. Safe to repeat with the hidden `submit_id`."""
    database, limits, submit_id = house().database, house().limits, composer.submit_id()
    source = shares.source(database, shares.find(database, share_id))
    owner = signin.owner_for(submit_id, partial(limits.check, visitor.sender("")))
    admit = partial(limits.admit, visitor.sender(owner))
    sent = copies.copy(database, house().files, source, owner, submit_id, admit)
    return redirect(url_for("chat.show", conversation_id=sent.conversation_id), HTTPStatus.SEE_OTHER)


def _address(share_id: str, picture: Attachment) -> str:
    return url_for(".file", share_id=share_id, attachment_id=picture.id)


def _unlisted(response: Response) -> Response:
    """Search engines leave it out."""
    response.headers["X-Robots-Tag"] = "noindex"
    return response
