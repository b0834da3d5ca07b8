"""A chat that somebody shares: whoever has the link reads it, and may go on with it as their own."""

from flask import Blueprint, Response, render_template

from ..chats import shares
from .house import house

blueprint = Blueprint("shared", __name__)


@blueprint.get("/shares/<id:share_id>")
def read(share_id: str) -> Response:
    share = shares.find(house().database, share_id)
    messages = shares.messages(house().database, share)
    page = Response(render_template("share/shown.html", share=share, messages=messages))
    page.headers["X-Robots-Tag"] = "noindex"
    return page
