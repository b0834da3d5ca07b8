"""Who gets what at every address: the owner, a stranger who has chats of her own, nobody, and one who guesses.

Each asks every address with every verb for Alice's chat, Mallory's, a deleted one, one made up, and for a reply
under a chat that it is not in. `TABLE` says what they get; a route or a verb that is not in it fails.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import product

import pytest
from werkzeug.test import TestResponse

from tests.support.routes import (
    ATTACHMENT,
    CHAT,
    CONTINUE,
    COPY,
    COPY_SHARED,
    DELETE_ALL,
    DELETE_CHAT,
    DELETE_PRESET,
    DELETED,
    EDIT,
    ERASE,
    EXPORTS,
    FORMS,
    KEEP,
    MESSAGE_FILES,
    MESSAGES,
    MODEL,
    PIN,
    PRESET,
    RECOVER,
    REGENERATE,
    RENAME,
    RESTORE_CHAT,
    RETRY,
    REVOKE,
    SETTINGS,
    SHARE,
    SHARED,
    SHARED_FILE,
    STOP,
    STOP_ALL,
    UNASKED,
    VERBS,
)
from tests.support.world import MADE_UP, ROLES, Thing, World, dump, filled, form, seen


@dataclass(frozen=True)
class Row:
    """The status of an answer. Where an address names nothing private, `others` and `missing` do not matter.

    mine: to the owner, Mallory of her own chat included; and to who has a session, where there is nothing to own.
    others: to one who has a session, of what is somebody else's.
    missing: to one who has a session, of what is deleted, made up, or not in the chat of the address.
    nobody: to one without a session, of anything.
    """

    mine: int
    others: int
    missing: int
    nobody: int
    is_link: bool = False
    """Whoever has it may follow it, while it is there."""

    def status(self, role: str, thing: Thing, is_private: bool) -> int:
        if self.is_link:
            return self.mine if thing.role else self.missing
        if role not in ("owner", "stranger"):
            return self.nobody
        if not is_private or thing.role == role:
            return self.mine
        return self.others if thing.role else self.missing


PUBLIC = Row(200, 200, 200, 200)
OPEN_TO_SEND = Row(303, 303, 303, 303)
OWNERS_PAGE = Row(200, 404, 404, 404)
OWNERS_FORM = Row(303, 404, 404, 404)
SHARED_PAGE = Row(200, 200, 404, 200, is_link=True)
OWN_FORM = Row(303, 303, 303, 404)
WITHOUT_FILE = Row(400, 400, 400, 400)
SHARED_FORM = Row(303, 303, 404, 303, is_link=True)
NOWHERE = Row(404, 404, 404, 404)
WRONG_VERB = Row(405, 405, 405, 405)

# An address or a verb that is not in this table fails the test below: say here who may have it.
TABLE = {
    "/": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/static/<path:filename>": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    **{rule: {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC} for rule in UNASKED},
    "/chats": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    CHAT: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "OPTIONS": PUBLIC},
    MESSAGES: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    COPY: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    EDIT: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "OPTIONS": PUBLIC},
    **{rule: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC} for rule in (RETRY, CONTINUE, REGENERATE, STOP, STOP_ALL)},
    **{rule: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "OPTIONS": PUBLIC} for rule in (*EXPORTS, *MESSAGE_FILES)},
    KEEP: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    ATTACHMENT: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "OPTIONS": PUBLIC},
    SETTINGS: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    "/presets": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    DELETE_PRESET: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    RENAME: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    **{rule: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC} for rule in (PIN, DELETE_CHAT, RESTORE_CHAT, ERASE)},
    DELETE_ALL: {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OWN_FORM, "OPTIONS": PUBLIC},
    DELETED: {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OWN_FORM, "OPTIONS": PUBLIC},
    PRESET: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    "/shares": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    SHARE: {"GET": OWNERS_PAGE, "HEAD": OWNERS_PAGE, "POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    REVOKE: {"POST": OWNERS_FORM, "OPTIONS": PUBLIC},
    SHARED: {"GET": SHARED_PAGE, "HEAD": SHARED_PAGE, "OPTIONS": PUBLIC},
    COPY_SHARED: {"POST": SHARED_FORM, "OPTIONS": PUBLIC},
    SHARED_FILE: {"GET": SHARED_PAGE, "HEAD": SHARED_PAGE, "OPTIONS": PUBLIC},
    "/settings": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    "/take-along": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/take-along.zip": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/import": {"POST": WITHOUT_FILE, "OPTIONS": PUBLIC},
    "/providers/": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/login": {"GET": NOWHERE, "HEAD": NOWHERE, "POST": NOWHERE, "OPTIONS": PUBLIC},
    "/logout": {"POST": NOWHERE, "OPTIONS": PUBLIC},
    "/forget": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    "/recovery": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": Row(200, 200, 200, 404), "OPTIONS": PUBLIC},
    RECOVER: {"GET": NOWHERE, "HEAD": NOWHERE, "POST": NOWHERE, "OPTIONS": PUBLIC},
    "/erase": {"GET": PUBLIC, "HEAD": PUBLIC, "POST": OPEN_TO_SEND, "OPTIONS": PUBLIC},
    "/shortcuts": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/healthz": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
    "/readyz": {"GET": PUBLIC, "HEAD": PUBLIC, "OPTIONS": PUBLIC},
}
# They end the session of whoever asks, or count guesses: test_forget, test_erasure, test_recovery; or take their thing
# away: below.
APART = [("/forget", "POST"), ("/erase", "POST"), (RECOVER, "POST"), (DELETE_PRESET, "POST"), (REVOKE, "POST")]
CASES = [case for case in product(TABLE, VERBS) if case not in APART]
WRONG = [(rule, verb) for rule, verb in CASES if verb not in TABLE[rule]]
PRIVATE = [(rule, verb) for rule in TABLE for verb in VERBS if TABLE[rule].get(verb) in (OWNERS_PAGE, OWNERS_FORM)]
LINKS = [(rule, verb) for rule, verb in CASES if TABLE[rule].get(verb, WRONG_VERB).is_link]

# Whatever somebody sends, and however wrong: in a form, or in the query of a GET.
WORDS = {"message": "Hi", "model": MODEL, "name": "Mine", "system": "Be rude.", "version": "x"}
NONSENSE = {"name": "", "system": "x" * 20_001, "temperature": "hot"}
ATTEMPTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "words": WORDS,
    "no words": {"message": " "},
    "too many words": WORDS | NONSENSE | {"message": "x" * 40_000},
    "a long submit id": WORDS | {"submit_id": "x" * 300},
    "no such model": WORDS | {"model": "guide/none"},
    "a made-up message": WORDS
    | {"parent": MADE_UP, "at": MADE_UP, "before": MADE_UP, "edits": MADE_UP, "attempt": "1"},
    "what is Alice's": WORDS | {"parent": "<reply_id>", "at": "<reply_id>", "attempt": "1", "preset": "<preset_id>"},
    "an edit of what is Alice's": WORDS | {"edits": "<message_id>"},
    "no message": WORDS | {"parent": "x" * 50, "at": "'", "before": "nan", "attempt": "x"},
}


def answers(world: World, rule: str, verb: str) -> dict[tuple[str, str], TestResponse]:
    """What each gets for each thing."""
    found = {}
    for role, (name, thing) in product(ROLES, world.things(rule).items()):
        sent = form(FORMS.get(rule, {}), thing) if verb == "POST" else None
        found[role, name] = world.ask(role, verb, filled(rule, thing), data=sent)
        world.settle()
        world.mend()
    return found


def tried(world: World, role: str, verb: str, rule: str, thing: Thing, attempt: str) -> tuple[object, ...]:
    """What is seen of the answer to an attempt; a message of Alice's is that of her own chat, whatever the address."""
    sent = form(ATTEMPTS[attempt], world.alices)
    options = {"data": sent} if verb == "POST" else {"query_string": sent}
    return seen(world.ask(role, verb, filled(rule, thing), **options))


def test_every_address_and_verb_is_in_the_table(world: World) -> None:
    found: dict[str, set[str]] = {}
    for rule in world.app.url_map.iter_rules():
        found.setdefault(rule.rule, set()).update(rule.methods or ())
    assert found == {rule: set(row) for rule, row in TABLE.items()}


@pytest.mark.parametrize(("rule", "verb"), CASES)
def test_each_gets_what_the_table_says(world: World, rule: str, verb: str) -> None:
    row, is_private = TABLE[rule].get(verb, WRONG_VERB), "<id:" in rule
    assert {case: answer.status_code for case, answer in answers(world, rule, verb).items()} == {
        (role, name): row.status(role, thing, is_private)
        for role, (name, thing) in product(ROLES, world.things(rule).items())
    }


@pytest.mark.parametrize(("rule", "verb"), WRONG)
def test_a_verb_that_an_address_does_not_take_is_refused_to_all_alike(world: World, rule: str, verb: str) -> None:
    assert len({repr(seen(answer)) for answer in answers(world, rule, verb).values()}) == 1


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize(("rule", "verb"), PRIVATE)
def test_nobody_can_tell_what_is_not_theirs_from_what_is_not_there(
    world: World, rule: str, verb: str, attempt: str
) -> None:
    """Whatever is sent, the answers are equal byte for byte, and they change nothing."""
    before = dump(world.database)
    for role in ROLES:
        refused = [thing for thing in world.things(rule).values() if thing.role != role]
        assert len({repr(tried(world, role, verb, rule, thing, attempt)) for thing in refused}) == 1
    assert dump(world.database) == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("rule", "verb"), LINKS)
def test_a_link_that_was_revoked_or_has_ended_looks_like_one_that_never_was(
    world: World, rule: str, verb: str, role: str
) -> None:
    before = dump(world.database)
    gone = [thing for thing in world.things(rule).values() if not thing.role]
    sent = [{"data": form(FORMS[rule], thing)} if verb == "POST" else {} for thing in gone]
    answers = [world.ask(role, verb, filled(rule, thing), **data) for thing, data in zip(gone, sent, strict=True)]
    assert [answer.status_code for answer in answers] == [404] * len(gone)
    assert len({repr(seen(answer)) for answer in answers}) == 1
    assert dump(world.database) == before


def test_a_link_is_revoked_by_its_owner_alone_and_again_without_harm(world: World) -> None:
    thing = world.chat("owner")
    for role in ("stranger", "nobody", "guesser"):
        assert world.ask(role, "POST", filled(REVOKE, thing)).status_code == 404
    assert world.ask("nobody", "GET", filled(SHARED, thing)).status_code == 200
    for _ in range(2):
        assert world.ask("owner", "POST", filled(REVOKE, thing)).status_code == 303
        assert world.ask("nobody", "GET", filled(SHARED, thing)).status_code == 404
    for wrong in (found for found in world.things(REVOKE).values() if found.role != "owner"):
        assert world.ask("owner", "POST", filled(REVOKE, wrong)).status_code == 404
    world.delete(thing)


def test_a_preset_is_deleted_by_its_owner_alone(world: World) -> None:
    thing = world.chat("owner")
    for role in ("stranger", "nobody", "guesser"):
        assert world.ask(role, "POST", filled(DELETE_PRESET, thing)).status_code == 404
    assert world.ask("owner", "GET", filled(PRESET, thing)).status_code == 200
    assert world.ask("owner", "POST", filled(DELETE_PRESET, thing)).status_code == 303
    assert world.ask("owner", "POST", filled(DELETE_PRESET, thing)).status_code == 404
    world.delete(thing)


# Odd ids, and odd cookies

ODD_IDS = [
    "",
    "0",
    "0" * 31,
    "0" * 33,
    "{}%0A",
    "%20{}",
    "{}%00",
    "{}'",
    "{}/",
    "{}.",
    "{}?at={}",
    "%2e%2e/{}",
    "١" * 32,
]

# What one who guesses, or who has read the database, may send in place of Alice's cookie.
GUESSES = {
    "nothing": "",
    "of the right length": MADE_UP,
    "hers as the second": "x; voichat={sid}",
    "hers in capitals": "{SID}",
    "hers and more": "{sid}0",
    "hers, cut": "{sid!}",
    "hers, spaced": '" {sid}"',
    "hers under other names": "; session={sid}; __Host-voichat={sid}; __Secure-voichat={sid}; VOICHAT={sid}",
    "what the database keeps of it": "{hash}",
    "her owner id": "{owner}",
    "a session": '{"owner": "{owner}"}',
    "SQL": "' OR 1=1 --",
    "a pattern": "%",
    "much": "x" * 100_000,
    "not UTF-8": "\xff",
}


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_id_that_is_none_is_not_found(world: World, odd: str) -> None:
    path = "/chats/" + odd.replace("{}", world.alices.conversation_id)
    assert world.ask("owner", "GET", path).status_code == 404


def test_an_id_in_capitals_is_another(world: World) -> None:
    assert world.ask("owner", "GET", f"/chats/{world.alices.conversation_id.upper()}").status_code == 404


@pytest.mark.parametrize("guess", GUESSES)
def test_no_cookie_but_hers_opens_alices_chat(world: World, guess: str) -> None:
    sid = world.alice.sid
    owner = world.owner_id(world.alices)
    known = {"sid": sid, "SID": sid.upper(), "sid!": sid[:-1], "hash": sha256(sid.encode()).hexdigest(), "owner": owner}
    cookie = GUESSES[guess]
    for name, value in known.items():
        cookie = cookie.replace(f"{{{name}}}", value)
    browser = world.app.test_client(use_cookies=False)
    chat = filled(CHAT, world.alices)
    assert browser.get(chat, headers={"Cookie": f"voichat={sid}"}).status_code == 200
    assert browser.get(chat, headers={"Cookie": f"voichat={cookie}"}).status_code == 404
