"""The fields of forms: as they were typed, and what they mean. What makes no sense aborts with a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import abort, request

from .. import providers
from ..chats.instructions import PARAMETERS, SYSTEM_CHARACTERS, Instructions
from ..chats.text import cleaned
from ..providers.base import ProviderError
from ..sentences import Sentence

PARAMETER_CHARACTERS = 50


@dataclass(frozen=True)
class Typed:
    """A system prompt, parameters by name and a preset's id, letter by letter."""

    system: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    preset: str = ""

    @property
    def has_any(self) -> bool:
        return any(self.by_name.values())

    @property
    def by_label(self) -> Mapping[str, str]:
        """For reading."""
        return {Sentence("System prompt"): self.system} | {
            parameter.label: self.parameters.get(parameter.name, "") for parameter in PARAMETERS
        }

    @property
    def by_name(self) -> Mapping[str, str]:
        return {"preset": self.preset, "system": self.system, **self.parameters}


NOTHING_TYPED = Typed()


def typed(*, with_preset: bool = False) -> Typed:
    parameters = {parameter.name: text(parameter.name) for parameter in PARAMETERS}
    return Typed(text("system"), parameters, text("preset") if with_preset else "")


def written(told: Instructions) -> Typed:
    """What stands in a form for what is stored."""
    return Typed(told.system, {name: f"{value}".removesuffix(".0") for name, value in told.parameters.items()})


def instructions(typed: Typed) -> Instructions:
    limit(Sentence("The system prompt"), typed.system, SYSTEM_CHARACTERS)
    values: dict[str, Any] = {}
    for parameter in PARAMETERS:
        given = typed.parameters.get(parameter.name, "")
        limit(parameter.label, given, PARAMETER_CHARACTERS)
        try:
            values[parameter.name] = parameter.value(given)
        except ValueError as error:
            abort(HTTPStatus.BAD_REQUEST, str(error))
    return Instructions(typed.system if typed.system.strip() else "", **values)


def offered(choice: str) -> str:
    """The choice, if it names a model that is offered here."""
    try:
        providers.get(choice)
    except ProviderError as error:
        abort(HTTPStatus.BAD_REQUEST, str(error))
    return choice


def limit(what: str, text: str, most: int) -> None:
    if len(text) > most:
        abort(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            Sentence(
                "{what} has {length} characters; at most {most} are taken. Shorten it and send it again.",
                what=what,
                length=len(text),
                most=most,
            ),
        )


def is_ticked(name: str) -> bool:
    return bool(text(name))


def text(name: str) -> str:
    return cleaned(request.form.get(name, ""))
