"""Alice's chats, Mallory's, one that was deleted: what an address may name, and for whom it is there."""

import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from time import time
from typing import Any
from zipfile import ZipFile

from flask import Flask
from sqlalchemy import delete, update
from werkzeug.test import TestResponse

from tests.support.databases import rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.routes import DELETE_CHAT, ERASE, RESTORE_CHAT, REVOKE, SHARE, SHARED
from webapp.chats import attachments, lease, passages
from webapp.chats.instructions import NOTHING, Instructions, Preset, version
from webapp.chats.records import Picture, Sent
from webapp.db import Database, conversations, messages, metadata, presets, sessions, shares

MADE_UP = "0" * 32
MOMENT = float(int(time()))
OF_THE_DELETED = (DELETE_CHAT, RESTORE_CHAT, ERASE)
ROLES = ("owner", "stranger", "nobody", "guesser")
Dump = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Thing:
    """What stands in an address. `role` is whose it is, empty if there is no such thing for anybody."""

    conversation_id: str = MADE_UP
    reply_id: str = MADE_UP
    role: str = ""
    preset_id: str = MADE_UP
    share_id: str = MADE_UP
    version: str = ""
    preset_version: str = ""
    title_version: str = ""
    """What the forms of its instructions, of its preset and of its title bring back."""
    moment: str = ""
    """When it was deleted by those tests that delete it."""
    message_id: str = MADE_UP
    """The first question, to which the reply is."""
    attachment_id: str = MADE_UP
    """Of that question."""


class World:
    """Everything in it is settled, and nothing is written in the background: no page of an unsettled chat is opened.

    The owner is Alice and the stranger Mallory; nobody has no cookie, and the guesser one that no session has.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.alice, self.mallory = Person(app), Person(app)
        self.alices, self.mallorys = self.chat("owner"), self.chat("stranger")
        other, self.deleted, self.binned = self.chat("owner"), self.chat("owner"), self.chat("owner")
        self.delete(self.deleted)
        self.bin(self.binned, MOMENT - 1)
        while passages.index(self.database):
            pass
        self._as_it_was = self._mendable()
        self.chats = {
            "Alice's": self.alices,
            "Mallory's": self.mallorys,
            "deleted": replace(self.deleted, role=""),
            "deleted a moment ago": replace(self.binned, role="", preset_id=MADE_UP),
            "made up": Thing(),
        }
        self.wrong_parents = self._wrong_parents(other)
        revoked, ended = (replace(self.alices, share_id=self.share(self.alices)) for _ in range(2))
        self.alice.post(filled(REVOKE, revoked))
        self.end(ended)
        self.ended = {"revoked": revoked, "ended": ended}
        self.wrong_shares = self._wrong_shares(other)
        self.wrong_files = self._wrong_files(other)
        self.wrong_pictures = {
            f"{name}, by Alice's link": replace(self.alices, attachment_id=thing.attachment_id, role="")
            for name, thing in self.wrong_files.items()
            if thing.attachment_id != self.alices.attachment_id
        }

    @property
    def database(self) -> Database:
        database: Database = self.app.extensions["voichat"].database
        return database

    def person(self, role: str) -> Person:
        if role in ("owner", "stranger"):
            return self.alice if role == "owner" else self.mallory
        person = Person(self.app)
        if role == "guesser":
            person.client.set_cookie("voichat", MADE_UP)
        return person

    def things(self, rule: str) -> dict[str, Thing]:
        """By name, all that a rule's address may be filled with."""
        if "<id:" not in rule:
            return {"": Thing(moment=str(MOMENT))}
        if rule.startswith(SHARED):
            ended = {name: replace(thing, role="") for name, thing in self.ended.items()}
            return self.chats | ended | (self.wrong_pictures if "<id:attachment_id>" in rule else {})
        if "<id:share_id>" in rule:
            return self.chats | self.ended | self.wrong_shares
        if "<id:attachment_id>" in rule:
            return self.chats | self.wrong_files
        if "<id:message_id>" in rule:
            return self.chats | {name: thing for name, thing in self.wrong_parents.items() if "question" not in name}
        binned = {"deleted a moment ago": self.binned} if rule in OF_THE_DELETED else {}
        return self.chats | binned | (self.wrong_parents if rule.count("<id:") > 1 else {})

    def chat(self, role: str) -> Thing:
        """Two turns in words that nobody can guess, a file, a preset, a link.

        The first question, which has the file, and its reply, which failed, are the thing's.
        """
        person, words = self.person(role), secrets.token_hex(8)
        chat = person.send(f"First {words}")
        self.settle("failed", words)
        person.send(f"Second {words}", chat)
        self.settle("complete", words)
        question, reply, *_ = (article.id for article in Page(person.get(chat)).articles)
        person.post("/presets", name=f"Preset {words}", system=f"Prompt {words}")
        kept = next(row["id"] for row in rows(self.database, presets) if words in row["name"])
        preset = Preset(kept, f"Preset {words}", "", Instructions(f"Prompt {words}"))
        versions = {"preset_version": version(preset), "title_version": version(f"First {words}")}
        made = Thing(chat.rpartition("/")[2], reply, role, kept, message_id=question, moment=str(MOMENT))
        attachment_id = self.attach(Sent(made.conversation_id, made.message_id), words)
        more = {"share_id": self.share(made), "attachment_id": attachment_id}
        return replace(made, version=version(NOTHING), **more, **versions)

    def share(self, thing: Thing) -> str:
        """A link to the chat as it goes on."""
        before = {row["id"] for row in rows(self.database, shares)}
        self.person(thing.role).post(filled(SHARE, thing), kind="goes-on")
        [made] = {row["id"] for row in rows(self.database, shares)} - before
        return str(made)

    def end(self, thing: Thing) -> None:
        """The thing's link has ended a minute ago."""
        with self.database.write() as connection:
            connection.execute(update(shares).where(shares.c.id == thing.share_id).values(ends_at=time() - 60))

    def attach(self, sent: Sent, words: str) -> str:
        """The id of a file that holds the words, which are its name too."""
        picture = Picture(f"{words}.png", "image/png", f"Picture {words}".encode(), 3, 2)
        files = self.app.extensions["voichat"].files
        with attachments.kept(self.database, files, [picture]), self.database.write() as connection:
            attachments.add(connection, "", sent, [picture])
        return picture.id

    def owner_id(self, thing: Thing) -> str:
        """As only the database knows it."""
        chats = rows(self.database, conversations)
        return next(str(row["owner_id"]) for row in chats if row["id"] == thing.conversation_id)

    def settle(self, status: str = "complete", words: str = "") -> None:
        """End each reply that waits."""
        problem = "It did not answer." if status == "failed" else ""
        for reply in lease.unsettled(self.database):
            if claim := lease.claim(self.database, reply.id, "test"):
                lease.settle(self.database, claim, lease.Outcome(status, f"Reply {words}", problem))

    def delete(self, thing: Thing) -> None:
        with self.database.write() as connection:
            connection.execute(delete(conversations).where(conversations.c.id == thing.conversation_id))
            connection.execute(delete(presets).where(presets.c.id == thing.preset_id))

    def bin(self, thing: Thing, moment: float = MOMENT) -> None:
        """Delete it so that it can be restored."""
        with self.database.write() as connection:
            chat = update(conversations).where(conversations.c.id == thing.conversation_id)
            connection.execute(chat.values(deleted_at=moment))

    def mend(self) -> None:
        """Each chat is again called, pinned and deleted as it was, with no others, and nobody has chosen colours."""
        chats, browsers = self._as_it_was
        chats_now, browsers_now = self._mendable()
        if chats_now == chats and browsers_now.items() >= browsers.items():
            return
        with self.database.write() as connection:
            connection.execute(delete(conversations).where(conversations.c.id.not_in(chats)))
            for id_hash, data in browsers.items():
                connection.execute(update(sessions).where(sessions.c.id_hash == id_hash).values(data=data))
            for id_, kept in chats.items():
                connection.execute(update(conversations).where(conversations.c.id == id_).values(kept))

    def _mendable(self) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Of each chat and of each browser what `mend` puts right."""
        chats = {
            row["id"]: {name: row[name] for name in ("title", "pinned_at", "deleted_at")}
            for row in rows(self.database, conversations)
        }
        return chats, {row["id_hash"]: row["data"] for row in rows(self.database, sessions)}

    def delete_presets(self, found: list[dict[str, Any]]) -> None:
        with self.database.write() as connection:
            connection.execute(delete(presets).where(presets.c.id.in_([row["id"] for row in found])))

    def wait(self, thing: Thing) -> None:
        """The thing's reply waits, as after its question was sent."""
        with self.database.write() as connection:
            waiting = update(messages).where(messages.c.id == thing.reply_id)
            connection.execute(waiting.values(status="waiting", waiting_since=0.0))

    def ask(self, role: str, verb: str, path: str, **options: Any) -> TestResponse:
        """The whole answer. What it left waiting is left so."""
        with closing(self.person(role).client.open(path, method=verb, **options)) as answer:
            answer.get_data()
        return answer

    def _wrong_parents(self, other: Thing) -> dict[str, Thing]:
        """Messages that are not in the chat of the address; `other` is another chat of Alice's."""
        return {
            "said in another chat of Alice's": self._in_alices(other),
            "said in Mallory's, in Alice's chat": self._in_alices(self.mallorys),
            "said in Alice's, in Mallory's chat": replace(
                self.mallorys, reply_id=self.alices.reply_id, message_id=self.alices.message_id, role=""
            ),
            "deleted, in Alice's chat": self._in_alices(self.deleted),
            "made up, in Alice's chat": self._in_alices(Thing()),
            "question for reply in Alice's chat": self._in_alices(
                Thing(reply_id=self.alices.message_id, message_id=self.alices.reply_id)
            ),
        }

    def _wrong_shares(self, other: Thing) -> dict[str, Thing]:
        """Links that are not to the chat of the address."""
        return {
            "link to another chat of Alice's": replace(other, conversation_id=self.alices.conversation_id, role=""),
            "link to Mallory's in Alice's chat": replace(self.alices, share_id=self.mallorys.share_id, role=""),
            "link to Alice's in Mallory's chat": replace(self.mallorys, share_id=self.alices.share_id, role=""),
            "deleted link in Alice's chat": replace(self.alices, share_id=self.deleted.share_id, role=""),
            "made-up link in Alice's chat": replace(self.alices, share_id=MADE_UP, role=""),
        }

    def _wrong_files(self, other: Thing) -> dict[str, Thing]:
        """Files that are not of the message of the address."""
        found = {
            "file of another chat of Alice's": replace(self.alices, attachment_id=other.attachment_id),
            "file of another message of Alice's": replace(self.alices, message_id=self.alices.reply_id),
            "file of Mallory's in Alice's chat": replace(self.alices, attachment_id=self.mallorys.attachment_id),
            "message and file of Mallory's in Alice's chat": replace(
                self.mallorys, conversation_id=self.alices.conversation_id
            ),
            "deleted file in Alice's chat": replace(self.alices, attachment_id=self.deleted.attachment_id),
            "made-up file in Alice's chat": replace(self.alices, attachment_id=MADE_UP),
        }
        return {name: replace(thing, role="") for name, thing in found.items()}

    def _in_alices(self, other: Thing) -> Thing:
        """What was said elsewhere, under an address of Alice's chat."""
        return Thing(self.alices.conversation_id, other.reply_id, message_id=other.message_id)


def filled(pattern: str, thing: Thing) -> str:
    """A rule as an address, or a field's value: `<new>` is an id that nothing has."""
    values = asdict(thing) | {"filename": "style.css", "token": MADE_UP, "new": secrets.token_hex(16)}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], pattern)


def form(fields: Mapping[str, str], thing: Thing) -> dict[str, str]:
    return {name: filled(value, thing) for name, value in fields.items()}


def text_of(answer: TestResponse) -> str:
    """All that can be read in it; of a zip what its files hold, but for the one that says when it was made."""
    if answer.mimetype != "application/zip" or not answer.data:
        return bytes(answer.data).decode(errors="replace")
    with ZipFile(BytesIO(answer.data)) as archive:
        files = [name for name in archive.namelist() if name != "manifest.json"]
        return "\n".join(f"{name}\n{archive.read(name).decode(errors='replace')}" for name in files)


def seen(answer: TestResponse) -> tuple[object, ...]:
    """All that can be seen of an answer, but for its random submit id, its time and the address it was asked for."""
    text = re.sub('(name="submit_id" value=)"[0-9a-f]{64}"', r"\1", text_of(answer))
    headers = sorted(header for header in answer.headers if header[0] != "Date")
    return answer.status_code, headers, text.replace(f'action="{answer.request.path}"', "")


def dump(database: Database) -> Dump:
    """All that is stored, in the order of the keys."""
    return {
        table.name: sorted(rows(database, table), key=lambda row: [row[column.name] for column in table.primary_key])
        for table in metadata.sorted_tables
    }


def changes(database: Database, act: Callable[[], object]) -> Dump:
    """The rows that an act has added or written anew, and those that it has deleted, as they were."""
    before = dump(database)
    act()
    after = dump(database)
    return {
        name: [row for key, row in now.items() if was.get(key) != row]
        + [row for key, row in was.items() if key not in now]
        for name, was, now in ((name, _by_key(name, before), _by_key(name, after)) for name in after)
        if was != now
    }


def _by_key(name: str, found: Dump) -> dict[tuple[Any, ...], dict[str, Any]]:
    key = [column.name for column in metadata.tables[name].primary_key]
    return {tuple(row[part] for part in key): row for row in found[name]}
