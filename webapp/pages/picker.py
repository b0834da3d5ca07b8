"""The presets among which a new chat may choose: those of `providers.toml` for everybody, and one's own."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import abort

from .. import providers
from ..chats import presets
from ..chats.instructions import Instructions, Preset
from ..chats.records import NotFound
from ..db import DatabaseError
from ..sentences import Sentence
from ..web import signin
from .house import house

GONE = Sentence("This preset is no longer there: choose another.")


def groups() -> Mapping[str, Sequence[Preset]]:
    """By heading; without those that are empty. With the database away one's own are missing, and the page is there."""
    found = {Sentence("For everybody"): shared(), Sentence("Yours"): _own()}
    return {heading: members for heading, members in found.items() if members}


def shared() -> list[Preset]:
    return [
        Preset(
            preset.name,
            preset.label,
            preset.model,
            Instructions(preset.system, preset.temperature, preset.top_p, preset.max_tokens, preset.seed),
        )
        for preset in providers.presets()
    ]


def chosen(preset_id: str) -> Preset | None:
    """None for none. Aborts with 400 and a sentence."""
    if not preset_id:
        return None
    for preset in shared():
        if preset.id == preset_id:
            return preset
    try:
        return presets.find(house().database, signin.owner() or "", preset_id)
    except NotFound:
        abort(HTTPStatus.BAD_REQUEST, GONE)


def _own() -> list[Preset]:
    try:
        owner = signin.owner()
        return presets.saved(house().database, owner) if owner else []
    except DatabaseError:
        return []
