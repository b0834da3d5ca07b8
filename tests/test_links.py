"""An address on a page is the one that Flask would have made, wherever the page is."""

from typing import Any

import pytest
from flask import Flask

from webapp.web.links import url_for

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ONE, OTHER = "0" * 31 + "1", "a" * 32

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("chat.new", {}),
    ("chat.new", {"q": "100 % of 1&2, ж"}),
    ("chat.show", {"conversation_id": ONE}),
    ("chat.show", {"conversation_id": ONE, "at": None}),
    ("chat.show", {"conversation_id": ONE, "at": ONE, "_anchor": ONE}),
    ("chat.show", {"conversation_id": OTHER, "at": ONE, "all": 1}),
    ("chat.show", {"conversation_id": OTHER, "at": ONE, "all": "1"}),
    ("chat.stop", {"conversation_id": ONE, "reply_id": OTHER}),
    ("shared.read", {"share_id": OTHER, "_external": True}),
    ("static", {"filename": "style.css"}),
    ("static", {"filename": "js/chat.js"}),
]


@ON_SQLITE
def test_it_is_the_one_that_flask_makes_each_time(app: Flask) -> None:
    for prefix in ("", "/chat", "/100%", ""):
        for _ in range(2):
            with app.test_request_context("/", base_url=f"http://localhost{prefix}"):
                for endpoint, values in KINDS:
                    assert url_for(endpoint, **values) == app.url_for(endpoint, **values)
