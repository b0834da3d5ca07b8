"""Sign-in by the team's password: who knows it comes in, each browser with its own chats."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.databases import away, count
from tests.support.pages import SCRIPT, Page
from tests.support.people import Person
from tests.support.routes import UNASKED
from webapp import create_app
from webapp.db import Database, conversations, failed_sign_ins, sessions
from webapp.settings import load
from webapp.users import attempts
from webapp.web import password
from webapp.web.password import DAY, hashed

SECRET = "correct horse"
PASSWORD = {"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": SECRET}

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings() -> dict[str, str]:
    return PASSWORD


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """`clock[0] += 60`: a minute later."""
    now = [1_800_000_000.0]
    for module in (attempts, password):
        monkeypatch.setattr(module, "time", lambda: now[0])
    return now


def sign_in(person: Person, given: str = SECRET, path: str = "/login", **more: str) -> TestResponse:
    """Fill in the form as it is shown, its box as it stands."""
    form = Page(person.get(path)).fields
    return person.post("/login", **form | {"password": given} | more)


def is_in(person: Person) -> bool:
    return person.get("/chats").status_code == 200


# Coming in


@pytest.mark.parametrize("path", ["/", "/chats", "/providers/", "/chats/" + "0" * 32, "/nowhere"])
def test_who_has_not_signed_in_is_led_to_the_sign_in(mallory: Person, path: str) -> None:
    answer = mallory.get(path)
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/login")
    assert "gpt" not in mallory.get("/login").text


@pytest.mark.parametrize("path", ["/login", "/healthz", "/readyz", "/forget", "/static/style.css", *UNASKED])
def test_what_is_public_answers_to_everybody(mallory: Person, path: str) -> None:
    with mallory.get(path) as answer:
        assert answer.status_code == 200


def test_every_address_that_is_not_public_turns_nobody_in_whatever_the_method(mallory: Person) -> None:
    public = {"static", "auth.login", "auth.sign_in", "auth.logout", "auth.ask_to_forget", "auth.forget"}
    public |= {"ops.is_alive", "ops.is_ready", "site.favicon", "site.apple_touch_icon", "site.manifest", "site.robots"}
    for rule in mallory.app.url_map.iter_rules():
        path = "/".join("0" * 32 if part.startswith("<") else part for part in rule.rule.split("/"))
        for method in (rule.methods or set()) if rule.endpoint not in public else ():
            with mallory.client.open(path, method=method, data={"message": "Hi"}) as answer:
                assert answer.status_code == (303 if method in ("GET", "HEAD") else 403), (method, path)


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/", "/"),
        ("/chats", "/chats"),
        ("/?q=a+%26+b", "/?q=a+%26+b"),
        ("/login?next=//evil.example", "/"),
        ("/login?next=/%5Cevil.example", "/"),
        ("/login?next=https://evil.example", "/"),
        ("/login?next=/%0D%0AX:1", "/"),
    ],
)
@on_sqlite
def test_the_password_leads_to_the_page_that_was_asked_for_and_nowhere_else(
    alice: Person, asked: str, led_to: str
) -> None:
    path = asked if asked.startswith("/login") else alice.get(asked).headers["Location"]
    answer = sign_in(alice, path=path)
    assert (answer.status_code, answer.headers["Location"]) == (303, led_to)
    assert is_in(alice)


@pytest.mark.parametrize("given", ["", "Correct horse", SECRET + " ", "x" * 100_000, SCRIPT, "\0"])
def test_another_password_does_not(mallory: Person, given: str) -> None:
    answer = sign_in(mallory, given)
    assert answer.status_code == 403
    assert "This is not the password." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert not is_in(mallory)


@pytest.mark.parametrize("settings", [PASSWORD | {"VOICHAT_PASSWORD": hashed(SECRET)}], ids=["hash"])
def test_a_password_that_is_given_as_a_hash_counts_and_the_hash_itself_does_not(
    alice: Person, settings: dict[str, str]
) -> None:
    assert sign_in(alice, settings["VOICHAT_PASSWORD"]).status_code == 403
    assert sign_in(alice).status_code == 303
    assert is_in(alice)


@pytest.mark.parametrize("settings", [PASSWORD | {"VOICHAT_PASSWORD": "caf\u00e9 noir"}], ids=["é"])
@on_sqlite
def test_an_accent_may_be_typed_as_one_character_or_as_two(alice: Person) -> None:
    assert sign_in(alice, "cafe\u0301 noir").status_code == 303


def test_the_session_is_another_one_after_the_sign_in(alice: Person) -> None:
    sign_in(alice)
    first = alice.client.get_cookie("voichat")
    assert first
    alice.post("/logout")
    sign_in(alice)
    second = alice.client.get_cookie("voichat")
    assert second
    assert first.value != second.value
    mallory = Person(alice.app)
    mallory.client.set_cookie("voichat", first.value)
    assert not is_in(mallory)


def test_both_halves_of_a_double_click_on_sign_in_are_one_session(alice: Person, app: Flask) -> None:
    sign_in(alice)
    chat = alice.send("Keep me")
    alice.post("/logout")
    form = Page(alice.get("/login")).fields | {"password": SECRET}
    other_half = Person(app)
    cookie = alice.client.get_cookie("voichat")
    assert cookie
    other_half.client.set_cookie("voichat", cookie.value)
    for half in (alice, other_half):
        assert half.post("/login", **form).status_code == 303
    of_one, of_the_other = alice.client.get_cookie("voichat"), other_half.client.get_cookie("voichat")
    assert of_one
    assert of_the_other
    assert of_one.value == of_the_other.value
    assert other_half.get(chat).status_code == 200


def test_a_colleague_who_knows_the_password_sees_nothing_of_alices(alice: Person, bob: Person) -> None:
    sign_in(alice)
    sign_in(bob)
    chat = alice.send("Secret")
    assert bob.get(chat).status_code == 404
    assert "Secret" not in bob.get("/chats").text


# Words on their way


@pytest.mark.parametrize("is_first", [True, False], ids=["first message", "next message"])
def test_words_sent_after_the_sign_in_has_expired_come_back_and_are_sent_by_hand(
    alice: Person, database: Database, clock: list[float], is_first: bool
) -> None:
    sign_in(alice)
    chat = alice.send("One")
    form = Page(alice.get("/" if is_first else chat))
    clock[0] += 8 * DAY
    turned_away = alice.post(form.action, **form.fields | {"message": "My long letter\n& more"})
    assert turned_away.status_code == 403
    kept = Page(turned_away)
    assert kept.words == "My long letter\n& more"
    wrong = Page(alice.post("/login", **kept.fields | {"message": kept.words, "password": "wrong"}))
    assert wrong.words == "My long letter\n& more"
    again = Page(alice.post("/login", **wrong.fields | {"message": wrong.words, "password": SECRET}))
    assert (again.words, again.action) == ("My long letter\n& more", form.action)
    assert again.fields["submit_id"] == form.fields["submit_id"]
    assert count(database, conversations) == 1
    answer = alice.post(again.action, **again.fields | {"message": again.words})
    assert "My long letter" in alice.get(answer.headers["Location"]).text
    assert (answer.headers["Location"] == chat) is not is_first


@on_sqlite
def test_a_button_pressed_after_the_sign_in_has_expired_leads_back_to_its_chat(
    alice: Person, clock: list[float]
) -> None:
    sign_in(alice)
    chat = alice.send("One")
    reply = Page(alice.get(chat)).articles[1].id
    clock[0] += 8 * DAY
    page = Page(alice.post(f"{chat}/replies/{reply}/retry", attempt="1"))
    assert alice.post("/login", **page.fields | {"password": SECRET}).headers["Location"] == chat


@on_sqlite
def test_words_of_somebody_who_has_not_signed_in_are_text(mallory: Person) -> None:
    turned_away = mallory.post("/chats", message=SCRIPT, model=SCRIPT, parent=SCRIPT, submit_id=SCRIPT, next=SCRIPT)
    assert turned_away.status_code == 403
    assert Page(turned_away).is_harmless
    assert Page(turned_away).words == SCRIPT


@on_sqlite
def test_a_body_that_is_too_large_is_no_crash_of_the_sign_in(mallory: Person) -> None:
    assert mallory.post("/chats", message="x" * 1_300_000).status_code in (403, 413)


# How long it lasts


@pytest.mark.parametrize(("days", "is_still_in"), [(6.9, True), (7.1, False)])
def test_a_sign_in_without_a_visit_ends_after_a_week(
    alice: Person, clock: list[float], days: float, is_still_in: bool
) -> None:
    sign_in(alice)
    clock[0] += days * DAY
    assert is_in(alice) is is_still_in
    assert is_in(alice) is is_still_in


def test_a_sign_in_ends_after_thirty_days_however_often_it_is_used(alice: Person, clock: list[float]) -> None:
    sign_in(alice)
    for _ in range(6):
        clock[0] += 4.9 * DAY
        assert is_in(alice)
    clock[0] += 0.7 * DAY
    assert not is_in(alice)


@on_sqlite
def test_a_visit_writes_no_more_than_once_a_day(alice: Person, database: Database, clock: list[float]) -> None:
    sign_in(alice)
    with database.read() as connection:
        before = connection.exec_driver_sql("SELECT data FROM sessions").scalar()
    clock[0] += 0.9 * DAY
    assert is_in(alice)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT data FROM sessions").scalar() == before


def test_a_new_password_asks_everybody_again(alice: Person, environment: dict[str, str]) -> None:
    sign_in(alice)
    chat = alice.send("Keep me")
    with_another = create_app(load(environment | {"VOICHAT_PASSWORD": "another horse"}))
    alice.app, alice.client.application = with_another, with_another
    assert not is_in(alice)
    assert sign_in(alice, "another horse").status_code == 303
    assert alice.get(chat).status_code == 200
    with_another.extensions["voichat"].replies.close()
    with_another.extensions["voichat"].database.close()


# Signing out


def test_sign_out_ends_the_session_on_the_server(alice: Person) -> None:
    sign_in(alice)
    chat = alice.send("Secret")
    cookie = alice.client.get_cookie("voichat")
    assert cookie
    alice.post("/logout")
    assert not is_in(alice)
    thief = Person(alice.app)
    thief.client.set_cookie("voichat", cookie.value)
    assert thief.get(chat).status_code == 303


def test_a_late_request_never_revives_a_session(alice: Person, database: Database) -> None:
    sign_in(alice)
    page, cookie = Page(alice.get("/")), alice.client.get_cookie("voichat")
    assert cookie
    alice.post("/logout")
    late = Person(alice.app)
    late.client.set_cookie("voichat", cookie.value)
    for answer in (late.get("/chats"), late.post("/chats", **page.fields | {"message": "Late"}), late.get("/")):
        assert answer.status_code in (303, 403)
        assert "Set-Cookie" not in answer.headers
    assert count(database, conversations) == 0


def test_both_halves_of_a_double_click_on_sign_out_keep_the_key_to_the_chats(alice: Person, app: Flask) -> None:
    sign_in(alice)
    chat = alice.send("Keep me")
    cookie = alice.client.get_cookie("voichat")
    assert cookie
    other_half = Person(app)
    other_half.client.set_cookie("voichat", cookie.value)
    alice.post("/logout")
    other_half.post("/logout")
    sign_in(other_half)
    assert other_half.get(chat).status_code == 200


@on_sqlite
def test_sign_out_without_a_session_makes_none(mallory: Person, database: Database) -> None:
    mallory.client.set_cookie("voichat", "made-up")
    answer = mallory.post("/logout")
    assert (answer.status_code, "Set-Cookie" in answer.headers, count(database, sessions)) == (303, False, 0)


# The chats of this browser


def test_after_sign_out_the_chats_come_back_with_the_password(alice: Person) -> None:
    sign_in(alice)
    chat = alice.send("Mine")
    alice.post("/logout")
    assert alice.get(chat).status_code == 303
    sign_in(alice)
    assert alice.get(chat).status_code == 200


def test_who_does_not_want_them_begins_with_none(alice: Person) -> None:
    sign_in(alice)
    chat = alice.send("Mine")
    alice.post("/logout")
    form = Page(alice.get("/login")).fields
    assert "chats" in form
    del form["chats"]
    alice.post("/login", **form | {"password": SECRET})
    assert alice.get(chat).status_code == 404
    assert "There are no chats" in alice.get("/chats").text


def test_the_chats_from_before_there_was_a_password_can_be_taken_along(
    environment: dict[str, str], alice: Person
) -> None:
    everybody = create_app(load(environment | {"VOICHAT_AUTH": "open", "VOICHAT_PASSWORD": ""}))
    before = Person(everybody)
    chat = before.send("From before")
    cookie = before.client.get_cookie("voichat")
    assert cookie
    alice.client.set_cookie("voichat", cookie.value)
    assert alice.get(chat).status_code == 303
    sign_in(alice)
    assert "From before" in alice.get(chat).text
    everybody.extensions["voichat"].replies.close()
    everybody.extensions["voichat"].database.close()


# Guessing


def test_after_five_wrong_passwords_an_address_waits_each_time_twice_as_long(
    mallory: Person, clock: list[float]
) -> None:
    assert [sign_in(mallory, "wrong").status_code for _ in range(5)] == [403] * 5
    for seconds in (1, 2, 4, 8):
        refused = sign_in(mallory, SECRET)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(seconds))
        assert f"try again in {seconds} s" in refused.text
        clock[0] += seconds
        assert sign_in(mallory, "wrong").status_code == 403


def test_the_wait_ends_and_the_right_password_clears_the_count(alice: Person, clock: list[float]) -> None:
    for _ in range(5):
        sign_in(alice, "wrong")
    clock[0] += 1
    assert sign_in(alice).status_code == 303
    alice.post("/logout")
    assert [sign_in(alice, "wrong").status_code for _ in range(5)] == [403] * 5


def test_the_wait_grows_to_a_quarter_of_an_hour_and_no_further() -> None:
    assert [attempts.pause(n) for n in (0, 4, 5, 6, 14, 15, 1000)] == [0, 0, 1, 2, 512, 900, 900]


def test_guesses_that_come_all_at_once_are_counted_one_by_one(database: Database) -> None:
    def guess(_: int) -> bool:
        try:
            attempts.begin(database, "a" * 32)
        except attempts.TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(guess, range(40))) == attempts.FREE


@on_sqlite
def test_addresses_are_not_stored_and_are_forgotten_after_an_hour(
    mallory: Person, database: Database, clock: list[float]
) -> None:
    sign_in(mallory, "wrong")
    with database.read() as connection:
        assert "127.0.0.1" not in str(connection.execute(failed_sign_ins.select()).all())
    clock[0] += 3601
    attempts.begin(database, "another")
    assert count(database, failed_sign_ins) == 1


# While the database is away


@pytest.mark.parametrize("path", ["/", "/chats"])
def test_with_the_database_away_a_page_says_so_and_alice_is_still_in_afterwards(alice: Person, path: str) -> None:
    sign_in(alice)
    page = Page(alice.get("/"))
    with away(alice.app.extensions["voichat"].database):
        assert alice.get(path).status_code == 503
        refused = alice.post("/chats", **page.fields | {"message": "My long letter"})
        assert (refused.status_code, Page(refused).words) == (503, "My long letter")
        assert Person(alice.app).get("/").status_code == 303
    assert is_in(alice)
