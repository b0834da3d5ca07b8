"""The new chat of a fresh machine says what it is and how to go on; once a model is connected, it says nothing."""

import re
from html import unescape

import pytest

from tests.support.people import Person

FRESH = pytest.mark.parametrize(
    "settings", [{"VOIGPT_URL": "embedded:"}, {"VOIGPT_URL": ""}], ids=["embedded", "unset"]
)
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def questions(page: str) -> list[tuple[str, str]]:
    """The addresses that lead to a question, and what they say."""
    return [
        (unescape(address), unescape(said)) for address, said in re.findall(r'<a href="(/\?q=[^"]*)">(.*?)</a>', page)
    ]


@FRESH
def test_on_a_fresh_machine_it_says_who_answers_and_where_to_look(alice: Person) -> None:
    page = alice.get("/").text

    assert "No model is connected yet, so the built-in Guide answers: no language model" in page
    assert '<a href="/providers/">Providers</a> shows what is connected' in page
    assert len(questions(page)) == 3


@FRESH
def test_each_question_is_written_into_the_form_and_the_guide_has_an_answer(alice: Person) -> None:
    for address, said in questions(alice.get("/").text):
        asked = alice.get(address).text
        assert f">\n{said}</textarea>" in asked
        chat = alice.send(said, address)
        answer = alice.get(chat).text
        assert "The manual has nothing" not in answer
        assert 'data-status="complete"' in answer


def test_once_a_model_is_connected_the_page_is_only_a_form(alice: Person) -> None:
    page = alice.get("/").text

    assert "What is on your mind?" in page
    assert "Guide" not in page
    assert questions(page) == []
