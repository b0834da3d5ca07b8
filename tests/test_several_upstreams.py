"""Several upstreams at once, by `providers.toml`: who is asked with which key, and what the picker shows."""

import logging
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from unittest.mock import Mock

import pytest
from flask import Flask

from tests.conftest import application
from tests.providers.upstream import Answer, Asked, Peer, Upstream, delta, openai, reply, reply_json, stream
from tests.support.people import Person
from tests.support.servers import Voichat, refusal, wait_until
from tests.support.visitors import said
from webapp import create_app
from webapp.providers import GUIDE, catalogue
from webapp.providers import upstream as checks
from webapp.settings import SettingsError, load

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LAB_KEY, CLOUD_KEY = "sk-lab-0123456789", "sk-cloud-9876543210"


@pytest.fixture
def lab_says() -> list[Answer]:
    """How the lab's server answers: the last counts."""
    return [openai("From the lab.", models=("small", "large"))]


@pytest.fixture
def lab(lab_says: list[Answer]) -> Iterator[Upstream]:
    with Upstream(lambda asked, peer: lab_says[-1](asked, peer)) as server:
        yield server


@pytest.fixture
def cloud() -> Iterator[Upstream]:
    with Upstream(openai("From the cloud.", models=("never", "listed"))) as server:
        yield server


@pytest.fixture
def written(lab: Upstream, cloud: Upstream) -> str:
    """What stands in providers.toml."""
    return f"""
        default = "cloud/bright"

        [upstreams.lab]
        kind = "openai"
        label = "Our lab"
        url = "{lab.url}/v1"
        key = "{LAB_KEY}"
        context = 4096

        [upstreams.cloud]
        label = "cloud"
        kind = "openai"
        url = "{cloud.url}/v1"
        key = "{CLOUD_KEY}"
        models = ["dim", {{ name = "bright", label = "Bright", context = 32768 }}]
    """


@pytest.fixture
def file(tmp_path: Path, written: str) -> Path:
    path = tmp_path / "providers.toml"
    path.write_text(written)
    path.chmod(0o600)
    return path


@pytest.fixture
def settings(file: Path) -> dict[str, str]:
    return {"VOIGPT_URL": "embedded:", "VOICHAT_PROVIDERS_FILE": str(file)}


def picker(page: str) -> list[tuple[str, list[str]]]:
    """Each group's label and its choices; what stands alone has no label."""
    select = page[page.index("<select") : page.index("</select>")]
    groups: list[tuple[str, list[str]]] = []
    for end, group, value in re.findall(r'<(/optgroup)|<optgroup label="([^"]*)"|<option value="([^"]*)"', select):
        if end or group or not groups:
            groups.append((unescape(group), []))
        if value:
            groups[-1][1].append(unescape(value))
    return [group for group in groups if group[1]]


def selected(page: str) -> str:
    """What a browser shows."""
    found = re.search(r'<option value="([^"]*)" selected', page) or re.search(r'<option value="([^"]*)"', page)
    assert found
    return unescape(found[1])


def knows(person: Person) -> bool:
    return "lab/large" in person.get("/").text


def shown(person: Person, chat: str) -> list[tuple[str, str]]:
    """What was said and how it ended; the first page lasts until it has."""
    assert person.get(chat).text
    return [(each.words, each.status) for each in said(person.get(chat).text)]


# The picker


def test_the_picker_groups_models_by_upstream_the_default_and_its_upstream_first_the_guide_last(alice: Person) -> None:
    wait_until(lambda: knows(alice))
    page = alice.get("/").text
    assert picker(page) == [
        ("cloud", ["cloud/bright", "cloud/dim"]),
        ("Our lab", ["lab/small", "lab/large"]),
        ("", ["guide/gpt-3.5-turbo"]),
    ]
    assert selected(page) == "cloud/bright"
    assert '<option value="cloud/bright">Bright</option>' in page
    assert f">{GUIDE}</option>" in page


@pytest.mark.parametrize("written", ["", '[upstreams.help]\nkind = "openai"\nurl = "embedded:"\nlabel = "Helper"'])
def test_one_upstream_needs_no_group(alice: Person) -> None:
    wait_until(lambda: [label for label, _ in picker(alice.get("/").text)] == [""])


def test_only_the_models_that_the_file_names_are_offered_and_nobody_is_asked_for_others(
    alice: Person, cloud: Upstream
) -> None:
    wait_until(lambda: knows(alice))
    assert alice.post("/chats", message="Hi", model="cloud/listed").status_code == 400
    assert cloud.asked_for("GET") == []


def test_what_upstreams_say_of_their_context_is_known(app: Flask, alice: Person) -> None:
    wait_until(lambda: knows(alice))
    context = app.extensions["providers"].context
    assert [context(f"lab/{model}") for model in ("small", "gone")] == [4096, 4096]
    assert [context(f"cloud/{model}") for model in ("bright", "dim")] == [32768, None]
    assert context("nobody/small") is None


@pytest.mark.parametrize("settings_more", [{"VOICHAT_MODEL": "lab/mine"}])
def test_the_setting_overrides_the_default_of_the_file(
    environment: dict[str, str], settings_more: dict[str, str]
) -> None:
    with application(environment | settings_more) as app:
        assert selected(Person(app).get("/").text) == "lab/mine"


# A chat keeps its choice


def test_a_chat_goes_on_with_the_model_that_it_has(alice: Person) -> None:
    wait_until(lambda: knows(alice))
    chat = alice.send("Hi", model="lab/large")
    assert shown(alice, chat)[-1] == ("From the lab.", "complete")
    assert selected(alice.get(chat).text) == "lab/large"


def test_a_model_that_has_gone_stays_chosen_and_sending_to_it_offers_another_and_keeps_the_words(
    alice: Person, lab_says: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "ASKED_EVERY_SECONDS", 0.0)
    wait_until(lambda: knows(alice))
    chat = alice.send("Hi", model="lab/large")
    assert shown(alice, chat)[-1] == ("From the lab.", "complete")
    lab_says.append(openai(models=("small",)))
    wait_until(lambda: not knows(alice))
    page = alice.get(chat).text
    assert selected(page) == "lab/large"
    assert '<option value="lab/large" selected>lab/large (not offered now)</option>' in page
    refused = alice.post(f"{chat}/messages", message="And now?", model="lab/large")
    assert refused.status_code == 400
    assert "“lab/large” is not offered here now; choose another, such as Bright." in refused.text
    assert "And now?" in refused.text
    assert selected(refused.text) == "cloud/bright"
    assert "not offered now" not in refused.text


def test_retry_and_regenerate_with_a_model_that_has_gone_say_so_and_keep_what_had_come(
    alice: Person, lab_says: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "ASKED_EVERY_SECONDS", 0.0)
    wait_until(lambda: knows(alice))
    lab_says.append(stream(delta("Half an")))
    chat = alice.send("Hi", model="lab/large")
    assert shown(alice, chat)[-1] == ("Half an", "failed")
    lab_says.append(openai(models=("small",)))
    wait_until(lambda: not knows(alice))
    retry = re.search(r'action="([^"]*/retry)"', alice.get(chat).text)
    assert retry
    for action in (retry[1], retry[1].replace("/retry", "/continue"), retry[1].replace("/retry", "/regenerate")):
        refused = alice.post(action)
        assert (refused.status_code, "is not offered here now; choose another" in refused.text) == (400, True)
    assert shown(alice, chat)[-1] == ("Half an", "failed")


def test_a_model_of_an_upstream_that_is_just_away_can_still_be_sent_to(
    environment: dict[str, str], lab_says: list[Answer]
) -> None:
    lab_says.append(reply("No.", 500))
    with application(environment) as app:
        alice = Person(app)
        chat = alice.send("Hi", model="lab/large")
        assert shown(alice, chat)[-1][1] == "failed"
        assert '<option value="lab/large" selected>lab/large (not offered now)</option>' in alice.get(chat).text
        lab_says.pop()
        again = re.search(r'action="([^"]*/retry)"', alice.get(chat).text)
        assert again
        alice.post(again[1])
        assert shown(alice, chat)[-1] == ("From the lab.", "complete")


def test_a_hostile_choice_is_text(alice: Person) -> None:
    hostile = 'lab/"></select><script>alert(1)</script>'
    sent = alice.post("/chats", message="Hi", model=hostile)
    page = alice.get(sent.headers["Location"]) if sent.status_code == 303 else sent
    assert "<script>alert" not in page.text


def test_the_names_of_models_are_looked_up_once_a_page(
    alice: Person, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: knows(alice))
    chat = alice.send("Hi", model="cloud/bright")
    shown(alice, chat)
    alice.send("Hi", chat, model="cloud/bright")
    assert shown(alice, chat)[-1] == ("From the cloud.", "complete")
    upstreams = app.extensions["providers"]
    asked = Mock(side_effect=upstreams.choices)
    monkeypatch.setattr(upstreams, "choices", asked)
    assert alice.get(chat).text.count('<span class="who">Bright</span>') == 2
    assert asked.call_count == 2  # the picker and the names


# Keys


def test_each_upstream_is_sent_its_own_key(alice: Person, lab: Upstream, cloud: Upstream) -> None:
    for model, words in (("lab/small", "From the lab."), ("cloud/bright", "From the cloud.")):
        assert shown(alice, alice.send("Hi", model=model))[-1] == (words, "complete")
    assert {asked.headers["authorization"] for asked in lab.asked} == {f"Bearer {LAB_KEY}"}
    assert {asked.headers["authorization"] for asked in cloud.asked} == {f"Bearer {CLOUD_KEY}"}


def test_no_redirect_takes_a_key_along(alice: Person, cloud: Upstream, lab_says: list[Answer]) -> None:
    chat = "/"
    for status in (301, 302, 303, 307, 308):
        lab_says.append(reply("", status, location=f"{cloud.url}/v1/chat/completions"))
        chat = alice.send("Hi", chat, model="lab/small")
        assert shown(alice, chat)[-1] == ("", "failed")
    assert alice.get(chat).text.count("The upstream redirects to another place") == 5
    assert cloud.asked == []


ECHOES = [
    reply_json({"error": {"message": f"Bad key {LAB_KEY}."}}, 401),
    reply(f"Who is {LAB_KEY}?", 500),
    reply(f"<!doctype html><title>{LAB_KEY}</title>", content_type="text/html"),
    reply_json({"key": LAB_KEY}),
    stream(b'data: {"error": "%s"}\n\n' % LAB_KEY.encode()),
]


def test_a_key_that_the_upstream_echoes_is_neither_shown_nor_logged(
    alice: Person, lab_says: list[Answer], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(checks, "CHECKED_FOR_SECONDS", 0.0)
    for echo in ECHOES:
        lab_says.append(echo)
        chat = alice.send("Hi", model="lab/small")
        assert shown(alice, chat)[-1][1] == "failed"
        pages = alice.get(chat).text + alice.get("/providers/").text
        assert "…" in alice.get(chat).text
        for secret in (LAB_KEY, CLOUD_KEY):
            assert secret not in pages
    for secret in (LAB_KEY, CLOUD_KEY):
        assert secret not in caplog.text
        assert secret not in repr([record.args for record in caplog.records])


# The status page


def test_the_status_page_has_them_all(alice: Person) -> None:
    page = alice.get("/providers/").text
    assert re.findall(r"<strong>([^<]*)</strong>", page) == ["Our lab", "cloud", GUIDE]
    assert page.count('data-status="up"') == 3


def test_the_status_page_asks_them_all_at_once(alice: Person, cloud: Upstream, lab_says: list[Answer]) -> None:
    def after_the_cloud_was_asked(asked: Asked, peer: Peer) -> None:
        cloud.wait_for_requests(1)
        openai()(asked, peer)

    lab_says.append(after_the_cloud_was_asked)
    assert alice.get("/providers/").text.count('data-status="up"') == 3


@pytest.mark.parametrize("written", ['[upstreams.lab]\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\n'])
def test_an_upstream_that_is_not_running_fails_at_once_and_the_status_page_says_when_it_is_tried(alice: Person) -> None:
    assert shown(alice, alice.send("Hi", model="lab/small"))[-1] == ("", "failed")
    told = r"The upstream is not running: it refused the connection; try again after [0-9:]{8}\."
    assert re.search(told, alice.get("/providers/").text)


# The start


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('default = "lab/large"', "line 1: default is “lab/large”, which nobody offers; there is guide/gpt-3.5-turbo."),
        (
            'default = "lab/b"\n[upstreams.lab]\nkind = "openai"\nurl = "http://x/v1"\nmodels = ["a"]',
            "line 1: default is “lab/b”, which nobody offers; there is lab/a, guide/gpt-3.5-turbo.",
        ),
        (
            '\n[upstreams.guide]\nkind = "openai"\nurl = "http://x/v1"',
            "line 2: the name guide is that of the built-in Guide; choose another.",
        ),
        (
            '[upstreams.openai]\nkind = "openai"\nurl = "http://x/v1"',
            "line 1: the name openai is that of OPENAI_BASE_URL; choose another.",
        ),
        ("[upstreams.lab]\nkind = 1", "line 2: kind must be openai or voigpt."),
    ],
)
def test_a_mistake_in_the_file_stops_the_start_with_one_sentence(
    environment: dict[str, str], file: Path, text: str, sentence: str
) -> None:
    file.write_text(text)
    given = {"OPENAI_BASE_URL": "http://y/v1"} if "upstreams.openai" in text else {}
    with pytest.raises(SettingsError) as refused:
        create_app(load(environment | given))
    assert str(refused.value) == f"{file}, {sentence}"


def test_an_admin_reads_the_sentence_and_nothing_else(environment: dict[str, str], file: Path) -> None:
    file.write_text("[upstreams.lab]\nkynd = 1")
    assert refusal(environment) == f"Error: {file}, line 2: there is no key kynd; did you mean kind?"


def test_the_start_warns_of_a_key_that_goes_over_plain_http(serve: Callable[..., Voichat], file: Path) -> None:
    file.write_text('[upstreams.lab]\nkind = "openai"\nurl = "http://10.0.0.1/v1"\nkey = "sk-0"')
    file.chmod(0o600)
    output = serve(WEB_CONCURRENCY="1").output()
    assert f"Warning: {file}, line 1: the key goes over plain http, where others may read it: use https." in output
