"""The form that sends a message: what it shows, and what comes back from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from itertools import groupby
from typing import NamedTuple

from flask import abort, request
from werkzeug.exceptions import HTTPException

from .. import providers
from ..chats.instructions import Preset
from ..chats.records import Draft
from ..providers import Choice
from ..sentences import Sentence
from ..web import signin, submit
from ..web.links import url_for
from . import fields, picker, uploads
from .fields import NOTHING_TYPED, Typed
from .house import house

SUBMIT_ID_CHARACTERS = 200

# Whose forms hold what a new chat is told: its own, and the one that keeps it while the person signs in.
TELLING = {"chat.begin", "auth.sign_in"}

# Errors after which the same form would fail again, or bring in the submit id of another site's form.
START_ANEW = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}


class Group(NamedTuple):
    """The choices of one upstream; without a label where they stand for themselves."""

    label: str
    choices: list[Choice]


@dataclass(frozen=True)
class Composer:
    """What `composer.html` shows.

    The message follows the reply `parent`, takes the place of the message `edits`, or goes on where `at` is.
    """

    action: str
    submit_id: str
    words: str = ""
    model: str = ""
    parent: str = ""
    edits: str = ""
    at: str = ""
    typed: Typed = NOTHING_TYPED
    is_temporary: bool = False
    keeps: Mapping[str, str] = field(default_factory=dict)
    """Pictures of the message `edits`, by their ids: their names."""
    lost_files: Sequence[str] = ()
    """The names of those that came and have to be chosen anew: no page can put a file into a form."""

    @cached_property
    def begins_chat(self) -> bool:
        return self.action == url_for("chat.begin")

    @property
    def place(self) -> Mapping[str, str]:
        """Where the message goes, as hidden fields."""
        fields = {"parent": self.parent, "edits": self.edits, "at": self.at}
        return {name: value for name, value in fields.items() if value}

    @cached_property
    def presets(self) -> Mapping[str, Sequence[Preset]]:
        return picker.groups()

    @cached_property
    def groups(self) -> list[Group]:
        """What can be picked, upstream by upstream, the default first; the first of all is a choice that has gone."""
        choices = providers.choices()
        is_there = not self.model or any(choice.value == self.model for choice in choices)
        gone = (
            []
            if is_there
            else [Group("", [Choice(self.model, Sentence("{model} (not offered now)", model=self.model), "")])]
        )
        return gone + _grouped(choices)

    @property
    def takes_files(self) -> bool:
        return bool(self.most_megabytes)

    @property
    def most_megabytes(self) -> int:
        return house().settings.attachment_megabytes


def fresh(action: str, words: str = "", model: str = "", typed: Typed = NOTHING_TYPED) -> Composer:
    return Composer(action, submit.new_id(), words, model, typed=typed)


def kept() -> Composer:
    """The form as it was sent, whatever it was; empty if it cannot be read."""
    try:
        submit_id = fields.text("submit_id")
        is_sane = 0 < len(submit_id) <= SUBMIT_ID_CHARACTERS
        return Composer(
            action=f"{request.script_root}{request.path}",
            submit_id=submit_id if is_sane else submit.new_id(),
            words=fields.text("message"),
            model=fields.text("model"),
            parent=fields.text("parent"),
            edits=fields.text("edits"),
            at=fields.text("at"),
            typed=fields.typed(with_preset=True) if request.endpoint in TELLING else NOTHING_TYPED,
            is_temporary=request.endpoint in TELLING and fields.is_ticked("temporary"),
            keeps=uploads.keeps(),
            lost_files=uploads.names(),
        )
    except HTTPException:
        return fresh("")


def again(status: int) -> Composer | None:
    """The form after an error; None if it held no words, or for somebody who has not signed in."""
    sent = kept()
    if not sent.words.strip() or not signin.is_welcome():
        return None
    if status in START_ANEW or len(fields.text("submit_id")) > SUBMIT_ID_CHARACTERS:
        sent = replace(sent, action=url_for("chat.begin"), submit_id=submit.new_id(), parent="", edits="", at="")
    return sent if not sent.model or providers.offers(sent.model) else replace(sent, model="")


def draft(preset: Preset | None = None) -> Draft:
    """What the person sent. Aborts with 400, 413 or 503 and a sentence."""
    words = fields.text("message")
    if not any(character.isprintable() for character in words.strip()):
        abort(HTTPStatus.BAD_REQUEST, Sentence("Write something first: the message is empty."))
    fields.limit(Sentence("The message"), words, house().settings.message_characters)
    parent, edits, at = (fields.text(name) or None for name in ("parent", "edits", "at"))
    model, sent_as = _model(), submit_id()
    words, pictures = uploads.read(words, preset.model if preset and preset.model else model, edits)
    return Draft(words, model, sent_as, parent, edits=edits, at=at, pictures=pictures)


def first_draft() -> Draft:
    """As `draft`, with what the model of a new chat is told."""
    typed = fields.typed(with_preset=True)
    preset = picker.chosen(typed.preset)
    if preset and preset.model and not providers.offers(preset.model):
        abort(
            HTTPStatus.BAD_REQUEST,
            Sentence(
                "The preset's model, “{model}”, is not offered here now: choose another preset, or none.",
                model=preset.model,
            ),
        )
    told, is_temporary = fields.instructions(typed), fields.is_ticked("temporary")
    return replace(draft(preset), instructions=told, preset=preset, is_temporary=is_temporary)


def submit_id() -> str:
    """Aborts with 413 and a sentence."""
    fields.limit(Sentence("The submit id"), fields.text("submit_id"), SUBMIT_ID_CHARACTERS)
    return fields.text("submit_id")


def _model() -> str:
    return fields.offered(fields.text("model") or providers.choices()[0].value)


def _grouped(choices: list[Choice]) -> list[Group]:
    groups = [list(them) for _, them in groupby(choices, lambda choice: choice.value.partition("/")[0])]
    return [Group("" if len(groups) == 1 or them[0].label == them[0].group else them[0].group, them) for them in groups]
