"""A person with a browser, in front of the application in this process."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass
class Person:
    """`get`, `post` as the browser would; `send` types words into the composer of a page and presses Send."""

    app: Flask
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    @property
    def sid(self) -> str:
        """What the browser keeps: the only key to its chats."""
        cookie = self.client.get_cookie("voichat")
        assert cookie
        return cookie.value

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, **form: str) -> TestResponse:
        return self.client.post(path, data=form)

    def send(self, words: str, page: str = "/", **form: str) -> str:
        """Returns the address of the chat that the words went to."""
        shown = self.get(page).text
        answer = self.post(action(shown), message=words, **({"submit_id": submit_id(shown)} | form))
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]


def submit_id(page: str) -> str:
    return _found(r'name="submit_id" value="([^"]*)"', page)


def action(page: str) -> str:
    return _found(r'<form id="composer"[^>]* action="([^"]*)"', page)


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, page
    return unescape(match[1])
