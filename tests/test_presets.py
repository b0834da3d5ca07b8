"""Presets: how a new chat may begin, by the admin for everybody, and of one's own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.upstream import Upstream, openai
from tests.support.databases import count, rows
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.test_forget import forget
from tests.test_instructions import told
from tests.test_signin import PASSWORD, sign_in
from webapp import create_app
from webapp.chats import history
from webapp.chats import presets as saved
from webapp.db import Database, conversations, presets
from webapp.settings import SettingsError, load

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def keep(person: Person, name: str, **form: str) -> str:
    """Save a preset; returns its address."""
    shown = Page(person.get("/presets"))
    assert person.post("/presets", **shown.fields | {"name": name} | form).status_code == 303
    return next(link for link in reversed(Page(person.get("/presets")).links) if link.startswith("/presets/"))


def picked(address: str) -> str:
    return address.rpartition("/")[2]


def test_a_chat_that_is_begun_with_a_preset_keeps_its_copy_of_it(alice: Person, upstream: Upstream) -> None:
    preset = keep(alice, "Terse", system="Be brief.", temperature="0.5")
    chat = alice.send("One", preset=picked(preset))
    alice.get(chat).get_data()
    assert told(upstream) == [("system", "Be brief."), ("user", "One")]
    assert alice.post(preset, name="Rambling", system="Be long.").status_code == 303
    assert alice.post(f"{preset}/delete").status_code == 303
    alice.get(alice.send("Two", chat)).get_data()
    assert told(upstream)[0] == ("system", "Be brief.")
    assert Page(alice.get(f"{chat}/settings")).fields["temperature"] == "0.5"


def test_a_preset_can_be_saved_edited_and_deleted(alice: Person, database: Database) -> None:
    preset = keep(alice, "Terse", system="Be brief.", model="voigpt/gpt-3.5-turbo", seed="7")
    form = Page(alice.get(preset)).fields
    assert (form["name"], form["model"], form["system"], form["seed"]) == (
        "Terse",
        "voigpt/gpt-3.5-turbo",
        "Be brief.",
        "7",
    )
    assert alice.post(preset, **form | {"name": "Kind", "model": "", "seed": ""}).headers["Location"] == "/presets"
    [row] = rows(database, presets)
    assert (row["name"], row["model"], row["system"], row["seed"]) == ("Kind", "", "Be brief.", None)
    assert alice.post(f"{preset}/delete").headers["Location"] == "/presets"
    assert (count(database, presets), alice.get(preset).status_code) == (0, 404)


@on_sqlite
def test_the_picker_is_there_once_there_is_something_to_pick(alice: Person, mallory: Person) -> None:
    assert 'name="preset"' not in alice.get("/").text
    preset = keep(alice, "Terse")
    assert Page(alice.get("/")).presets == ["", picked(preset)]
    assert Page(alice.get(f"/?preset={picked(preset)}")).fields["preset"] == picked(preset)
    assert 'name="preset"' not in mallory.get(f"/?preset={picked(preset)}").text


@on_sqlite
@pytest.mark.parametrize("settings", [{"OPENAI_BASE_URL": "embedded:"}], ids=["two models"])
def test_what_is_typed_counts_over_the_preset_and_the_presets_model_over_the_picked_one(
    alice: Person, database: Database
) -> None:
    preset = keep(alice, "Terse", system="Be brief.", temperature="0.5", model="openai/guide")
    alice.send("Hi", preset=picked(preset), system="Be long.", model="voigpt/gpt-3.5-turbo")
    [row] = rows(database, conversations)
    assert (row["system"], row["temperature"], row["model"]) == ("Be long.", 0.5, "openai/guide")


@on_sqlite
def test_a_preset_of_somebody_else_or_of_before_is_a_400_and_the_words_are_kept(
    alice: Person, mallory: Person, database: Database
) -> None:
    preset = keep(alice, "Terse", system="Be brief.")
    mallory.send("Mine")
    refused = mallory.post("/chats", message="My letter", system="Mine too", preset=picked(preset))
    assert (refused.status_code, Page(refused).words) == (400, "My letter")
    assert "no longer there" in refused.text
    assert "Be brief." not in refused.text
    alice.post(f"{preset}/delete")
    assert alice.post("/chats", message="My letter", preset=picked(preset)).status_code == 400
    assert count(database, conversations) == 1


@on_sqlite
@pytest.mark.parametrize("preset", ["x", "\0", SCRIPT, "x" * 5000, "' OR 1=1 --"])
def test_an_odd_preset_does_no_harm(alice: Person, preset: str) -> None:
    refused = alice.post("/chats", message="Hi", preset=preset)
    assert refused.status_code == 400
    assert Page(refused).is_harmless
    assert Page(alice.get("/", query_string={"preset": preset})).is_harmless


@on_sqlite
def test_a_preset_whose_model_is_gone_says_so(alice: Person, database: Database) -> None:
    preset = keep(alice, "Terse")
    with database.write() as connection:
        connection.execute(presets.update().values(model="gone/model"))
    refused = alice.post("/chats", message="My letter", preset=picked(preset))
    assert (refused.status_code, "not offered" in refused.text, Page(refused).words) == (400, True, "My letter")
    assert "“gone/model”, is not offered here now: choose another preset, or none." in refused.text
    assert "gone/model" in alice.get(preset).text


@on_sqlite
def test_who_saves_a_preset_that_another_tab_has_deleted_is_told_so_and_has_the_words_to_copy(alice: Person) -> None:
    preset = keep(alice, "Terse")
    alice.post(f"{preset}/delete")
    refused = alice.post(preset, name="Terse", system="Be brief.")
    assert (refused.status_code, Page(refused).words) == (404, "Be brief.")
    assert "A preset opens only for the person who saved it, until it is deleted." in refused.text


@pytest.mark.parametrize(
    ("wrong", "status", "sentence"),
    [
        ({"name": " \n"}, 400, "Give the preset a name."),
        ({"name": "x" * 61}, 413, "61 characters; at most 60"),
        ({"system": "x" * 20_001}, 413, "20,001 characters; at most 20,000"),
        ({"temperature": "hot"}, 400, "Temperature must be a number"),
        ({"model": "nobody/x"}, 400, "not offered"),
    ],
)
@on_sqlite
def test_a_preset_that_makes_no_sense_is_refused_and_everything_typed_is_kept(
    alice: Person, database: Database, wrong: dict[str, str], status: int, sentence: str
) -> None:
    good = {"name": "Terse", "system": "Be brief.", "seed": "7"}
    preset = keep(alice, **good)
    for address in ("/presets", preset):
        form = Page(alice.get(address)).fields | good | wrong
        refused = alice.post(address, **form)
        assert (refused.status_code, sentence in Page(refused).text) == (status, True)
        assert Page(refused).fields == form
    assert [row["name"] for row in rows(database, presets)] == ["Terse"]


@on_sqlite
def test_a_person_may_have_fifty_presets_and_the_limit_is_named(alice: Person, database: Database) -> None:
    for number in range(saved.MOST):
        keep(alice, f"Preset {number}")
    refused = alice.post("/presets", name="One more", system="Be brief.")
    assert (refused.status_code, "50 presets" in refused.text) == (409, True)
    assert Page(refused).fields["system"] == "Be brief."
    assert count(database, presets) == saved.MOST
    Person(alice.app).post("/presets", name="Bob's")
    assert count(database, presets) == saved.MOST + 1


def test_a_double_click_saves_one_and_other_words_another(alice: Person, database: Database) -> None:
    form = Page(alice.get("/presets")).fields | {"name": "Terse"}
    for sent in (form, form, form | {"system": "Be brief."}):
        assert alice.post("/presets", **sent).status_code == 303
    assert count(database, presets) == 2


@on_sqlite
def test_of_two_tabs_the_second_is_shown_both_and_saves_hers_over_it(alice: Person) -> None:
    preset = keep(alice, "Terse")
    first, second = (Page(alice.get(preset)).fields for _ in range(2))
    assert alice.post(preset, **first | {"system": "First."}).status_code == 303
    conflict = alice.post(preset, **second | {"system": "Second."})
    assert (conflict.status_code, "First." in conflict.text) == (409, True)
    assert alice.post(preset, **Page(conflict).fields).status_code == 303
    assert Page(alice.get(preset)).fields["system"] == "Second."


def test_a_browser_that_is_forgotten_takes_its_presets_along_if_that_was_asked_for(
    alice: Person, bob: Person, database: Database
) -> None:
    for person in (alice, bob):
        keep(person, "Mine")
    forget(bob)
    assert (count(database, presets), "Mine" in bob.get("/presets").text) == (2, False)
    forget(alice, chats="on")
    assert count(database, presets) == 1


def test_who_takes_chats_along_at_the_sign_in_takes_presets_too(alice: Person, database: Database) -> None:
    keep(alice, "Mine")
    [row] = rows(database, presets)
    history.adopt(database, row["owner_id"], "b" * 32)
    assert [preset.name for preset in saved.saved(database, "b" * 32)] == ["Mine"]
    assert saved.saved(database, row["owner_id"]) == []


@on_sqlite
def test_a_preset_is_text_wherever_it_is_shown(alice: Person) -> None:
    preset = keep(alice, SCRIPT[:60], system=SCRIPT)
    for path in ("/presets", preset, "/"):
        assert Page(alice.get(path)).is_harmless


@on_sqlite
@pytest.mark.parametrize("settings", [{"VOICHAT_LIMIT_ADDRESS": "2/minute"}], ids=["2 a minute"])
def test_saving_counts_as_a_message_so_nobody_stores_without_end(mallory: Person, database: Database) -> None:
    for _ in range(4):
        answer = Person(mallory.app).post("/presets", name="Mine", system="My long prompt")
    assert (answer.status_code, count(database, presets)) == (429, 2)
    assert "My long prompt" in answer.text


# By the admin

DOCS = Path(__file__).parents[1] / "docs" / "presets.md"


def example() -> str:
    """The providers.toml of the manual."""
    [found] = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return str(found)


@pytest.fixture
def lab() -> Iterator[Upstream]:
    with Upstream(openai(models=("llama3.2",))) as server:
        yield server


@pytest.fixture
def by_the_manual(lab: Upstream, environment: dict[str, str]) -> None:
    """The server's settings are the manual's example, but for the upstream's address and a small context."""
    written = example().replace("http://127.0.0.1:11434", lab.url).replace("8192", "480")
    path = Path(environment["VOICHAT_DATA"]).parent / "providers.toml"
    path.write_text(written)
    environment["VOICHAT_PROVIDERS_FILE"] = str(path)


@on_sqlite
@pytest.mark.usefixtures("by_the_manual")
def test_everybody_may_begin_with_the_admins_preset_and_nobody_can_change_it(alice: Person, lab: Upstream) -> None:
    page = alice.get("/presets")
    assert "Translator" in page.text
    assert Page(alice.get("/")).presets == ["", "translator", "brief"]
    chat = alice.send("Guten Tag", preset="translator", max_tokens="50")
    alice.get(chat).get_data()
    asked = lab.asked_for("POST")[-1].json
    assert asked["messages"][0]["content"].startswith("Translate whatever comes")
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("llama3.2", 0.2, 50)
    assert not {"top_p", "seed"} & asked.keys()
    assert alice.get("/presets/translator").status_code == 404


@on_sqlite
@pytest.mark.usefixtures("by_the_manual")
def test_of_a_chat_that_is_too_long_the_newest_turns_are_sent_with_the_system_prompt(
    alice: Person, lab: Upstream
) -> None:
    chat = alice.send("One " * 150, system="Be brief.", model="lab/llama3.2")
    alice.get(chat).get_data()
    alice.get(alice.send("Two " * 150, chat, model="lab/llama3.2")).get_data()
    assert told(lab) == [("system", "Be brief."), ("user", "Two " * 150)]
    assert re.search("One.*no longer sees.*Two", alice.get(chat).text, re.DOTALL)
    assert "too long for the model" in alice.get(alice.send("Three " * 300, chat, model="lab/llama3.2")).text
    assert len(lab.asked_for("POST")) == 2


@pytest.mark.parametrize(
    ("preset", "sentence"), [('model = "lab/x"\nfoo = 1', "no key foo"), ('model = "no/x"', "nobody offers")]
)
def test_a_preset_that_makes_no_sense_stops_the_start_and_says_where(
    tmp_path: Path, preset: str, sentence: str
) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(f"{example()}\n[presets.wrong]\n{preset}\n")
    path.chmod(0o600)
    given = {"VOICHAT_PROVIDERS_FILE": str(path), "VOICHAT_DATA": str(tmp_path), "DATABASE_URL": "sqlite:///none"}
    with pytest.raises(SettingsError, match=f"providers.toml, line \\d+.*{sentence}"):
        create_app(load(given))


@on_sqlite
@pytest.mark.parametrize("settings", [PASSWORD], ids=["password"])
def test_whose_sign_in_ran_out_meanwhile_gets_back_to_the_preset_with_the_words_to_copy(alice: Person) -> None:
    sign_in(alice)
    preset = keep(alice, "Terse")
    alice.post("/logout")
    turned_away = alice.post(preset, name="Terse", system=f"Be brief.\n{SCRIPT}")
    wrong = alice.post("/login", **Page(turned_away).fields | {"password": "a guess"})
    for page in (turned_away, wrong):
        assert (Page(page).fields["system"], Page(page).is_harmless) == (f"Be brief.\n{SCRIPT}", True)
    form = Page(alice.post(f"{preset}/delete")).fields
    answer = alice.post("/login", **form | {"password": PASSWORD["VOICHAT_PASSWORD"]})
    assert answer.headers["Location"] == preset
    assert alice.get(preset).status_code == 200
