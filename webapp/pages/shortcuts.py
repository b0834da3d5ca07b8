"""The keys that the script of the pages knows."""

from flask import Blueprint, render_template

blueprint = Blueprint("shortcuts", __name__)


@blueprint.get("/shortcuts")
def show() -> str:
    return render_template("shortcuts.html")
