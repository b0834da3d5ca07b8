"""A chat as a file: what was said, by whom, and all of it."""

import json
from pathlib import Path

import pytest

from tests.providers.upstream import Upstream, reply, voigpt
from tests.support.pages import Page
from tests.support.people import Person
from webapp.chats import exports
from webapp.chats.records import Conversation

HOSTILE = 'Fa\u202ecade / ..\\ "über" <b>\x1b[31m'


def chat_of_two_turns(alice: Person) -> str:
    chat = alice.send("Hi *there*", system="Be brief.", temperature="0.5")
    alice.get(chat).get_data()
    alice.get(alice.send("And again", chat)).get_data()
    return chat


def test_markdown_says_who_wrote_what_and_when(alice: Person) -> None:
    chat = chat_of_two_turns(alice)
    answer = alice.get(f"{chat}.md")
    lines = [line for line in answer.text.splitlines() if line]
    said = [line for line in lines if not line.startswith("#")]
    assert answer.content_type == "text/markdown; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Hi there.md"'
    assert lines[0] == "# Hi *there*"
    assert said == ["Hi *there*", "Hello.", "And again", "Hello."]
    assert [line.partition(",")[0] for line in lines[1:] if line.startswith("#")] == ["## You", "## VoiGpt"] * 2


def test_text_is_what_curl_reads(alice: Person) -> None:
    chat = chat_of_two_turns(alice)
    assert alice.get(f"{chat}.txt").text == alice.get(chat, headers={"Accept": "text/plain"}).text


def test_json_has_every_branch_and_what_the_model_was_told(alice: Person) -> None:
    chat = chat_of_two_turns(alice)
    whole = alice.get(f"{chat}.json").json
    assert whole
    first = whole["messages"][1]
    alice.post(f"{chat}/messages", message="Or rather", parent=first["id"])
    alice.get(chat).get_data()
    whole = json.loads(alice.get(f"{chat}.json").data)
    assert (whole["format"], whole["version"], whole["title"]) == ("voichat-chat", 1, "Hi *there*")
    assert whole["instructions"] == {"system": "Be brief.", "temperature": 0.5}
    assert [message["text"] for message in whole["messages"]][::2] == ["Hi *there*", "And again", "Or rather"]
    assert [message["parent_id"] for message in whole["messages"]][2::2] == [first["id"]] * 2
    assert list(whole["messages"][0]) == exports.KEPT


def test_a_branch_is_taken_along_by_its_address(alice: Person) -> None:
    chat = chat_of_two_turns(alice)
    messages = json.loads(alice.get(f"{chat}.json").data)["messages"]
    alice.post(f"{chat}/messages", message="Or rather", parent=messages[1]["id"])
    alice.get(chat).get_data()
    for ending in ("md", "txt"):
        assert "Or rather" in alice.get(f"{chat}.{ending}").text
        other = alice.get(f"{chat}.{ending}?at={messages[2]['id']}").text
        assert ("And again" in other, "Or rather" in other) == (True, False)
        assert alice.get(f"{chat}.{ending}?at={'0' * 32}").status_code == 404


def test_how_a_reply_failed_is_in_the_file(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), reply("Broken", 500))
    chat = alice.send("Hi")
    alice.get(chat).get_data()
    assert "*(failed: The upstream has a fault of its own" in alice.get(f"{chat}.md").text


def test_a_page_that_is_finished_offers_the_files(alice: Person) -> None:
    chat = chat_of_two_turns(alice)
    page = alice.get(chat).text
    assert all(f'href="{chat}.{ending}"' in page for ending in ("md", "txt", "json"))


def test_each_message_can_be_read_as_markdown_and_as_text_to_copy_it(alice: Person, upstream: Upstream) -> None:
    upstream.queue(voigpt(), voigpt("Use **`ls`**:\n\n```sh\nls -l\n```"))
    chat = alice.send("Which *command*?")
    question, answer = Page(alice.get(chat)).articles
    said = {
        f"{chat}/messages/{message.id}.{ending}": alice.get(f"{chat}/messages/{message.id}.{ending}")
        for message in (question, answer)
        for ending in ("md", "txt")
    }
    assert [found.text for found in said.values()] == [
        *["Which *command*?"] * 2,
        "Use **`ls`**:\n\n```sh\nls -l\n```",
        "Use ls:\n\nls -l\n",
    ]
    assert {found.content_type for found in said.values()} == {"text/plain; charset=utf-8"}
    assert not any("Content-Disposition" in found.headers for found in said.values())
    assert all(f'href="{address}"' in alice.get(chat).text for address in said)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (HOSTILE, "Fa cade .. über b 31m"),
        ("../../etc/passwd", "etc passwd"),
        ("Привет, 世界", "Привет 世界"),
        ("…", "chat"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_files_name_is_safe_everywhere(title: str, name: str, tmp_path: Path) -> None:
    found = exports.name(Conversation("0" * 32, title, 0.0, is_temporary=False))
    assert found == name
    (tmp_path / f"{found}.md").touch()


def test_a_name_beyond_ascii_is_in_the_header_as_rfc_6266_wants_it(alice: Person) -> None:
    chat = alice.send("Привет")
    alice.get(chat).get_data()
    sent = alice.get(f"{chat}.md").headers["Content-Disposition"]
    assert sent == "attachment; filename*=UTF-8''%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82.md"
