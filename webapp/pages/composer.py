"""The form that sends a message: what it shows, and what comes back from it."""

from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from itertools import groupby
from typing import NamedTuple

from flask import abort, request, url_for
from werkzeug.exceptions import HTTPException

from .. import providers
from ..chats.records import Draft
from ..chats.text import cleaned
from ..providers import Choice
from ..providers.base import ProviderError
from ..web import signin, submit
from .house import house

SUBMIT_ID_CHARACTERS = 200

# Errors after which the same form would fail again, or bring in the submit id of another site's form.
START_ANEW = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}


class Group(NamedTuple):
    """The choices of one upstream; without a label where they stand for themselves."""

    label: str
    choices: list[Choice]


@dataclass(frozen=True)
class Composer:
    """What `composer.html` shows. `parent` is the reply that the message follows, if not the newest."""

    action: str
    submit_id: str
    words: str = ""
    model: str = ""
    parent: str = ""

    @cached_property
    def groups(self) -> list[Group]:
        """What can be picked, upstream by upstream, the default first; the first of all is a choice that has gone."""
        choices = providers.choices()
        is_there = not self.model or any(choice.value == self.model for choice in choices)
        gone = [] if is_there else [Group("", [Choice(self.model, f"{self.model} (not offered now)", "")])]
        return gone + _grouped(choices)

    @property
    def most_characters(self) -> int:
        return house().settings.message_characters


def fresh(action: str, words: str = "", model: str = "", parent: str = "") -> Composer:
    return Composer(action, submit.new_id(), words, model, parent)


def kept() -> Composer:
    """The form as it was sent, whatever it was; empty if it cannot be read."""
    try:
        submit_id = _field("submit_id")
        is_sane = 0 < len(submit_id) <= SUBMIT_ID_CHARACTERS
        action = f"{request.script_root}{request.path}"
        return Composer(
            action, submit_id if is_sane else submit.new_id(), _field("message"), _field("model"), _field("parent")
        )
    except HTTPException:
        return fresh("")


def again(status: int) -> Composer | None:
    """The form after an error; None if it held no words, or for somebody who has not signed in."""
    sent = kept()
    if not sent.words.strip() or not signin.is_welcome():
        return None
    if status in START_ANEW or len(_field("submit_id")) > SUBMIT_ID_CHARACTERS:
        sent = fresh(url_for("chat.begin"), sent.words, sent.model)
    return sent if not sent.model or providers.offers(sent.model) else replace(sent, model="")


def draft() -> Draft:
    """What the person sent. Aborts with 400 or 413 and a sentence."""
    words = _field("message")
    if not any(character.isprintable() for character in words.strip()):
        abort(HTTPStatus.BAD_REQUEST, "Write something first: the message is empty.")
    _limit("message", words, house().settings.message_characters)
    return Draft(words, _model(), submit_id(), _field("parent") or None)


def submit_id() -> str:
    """Aborts with 413 and a sentence."""
    _limit("submit id", _field("submit_id"), SUBMIT_ID_CHARACTERS)
    return _field("submit_id")


def _model() -> str:
    choice = _field("model") or providers.choices()[0].value
    try:
        providers.get(choice)
    except ProviderError as error:
        abort(HTTPStatus.BAD_REQUEST, str(error))
    return choice


def _grouped(choices: list[Choice]) -> list[Group]:
    found = [Group(label, list(them)) for label, them in groupby(choices, lambda choice: choice.group)]
    is_one = len(found) == 1
    return [Group("", them) if is_one or them[0].label == label else Group(label, them) for label, them in found]


def _limit(what: str, text: str, most: int) -> None:
    if len(text) > most:
        abort(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The {what} has {len(text):,} characters; at most {most:,} are taken. Shorten it and send it again.",
        )


def _field(name: str) -> str:
    return cleaned(request.form.get(name, ""))
