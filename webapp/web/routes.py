"""Tells the log which route a request took: the address itself holds ids and words."""

from flask import Flask, request

from ..log import ROUTE


def init_app(app: Flask) -> None:
    app.before_request(_note)


def _note() -> None:
    if request.url_rule:
        request.environ[ROUTE] = request.url_rule.rule
