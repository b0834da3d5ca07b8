"""The presets that a person has saved: found by owner and id together."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, fields
from hashlib import sha256
from time import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, delete, func, select, update

from ..db import Database, presets
from .instructions import Changed, Instructions, Preset, version
from .records import NotFound

MOST = 50
_SAVED = (
    select(presets).where(presets.c.owner_id == bindparam("owner")).order_by(func.lower(presets.c.name), presets.c.id)
)


class TooMany(Exception):
    """The owner has `MOST` presets."""


def saved(database: Database, owner: str) -> list[Preset]:
    """The owner's, by name."""
    with database.read() as connection:
        return [_preset(row) for row in connection.execute(_SAVED, {"owner": owner}).mappings()]


def find(database: Database, owner: str, preset_id: str) -> Preset:
    """Raises `NotFound`."""
    with database.read() as connection:
        return _found(connection, select(presets).where(_mine(owner, preset_id)))


def add(database: Database, owner: str, preset: Preset, submit_id: str, admit: Callable[[Connection], None]) -> None:
    """Save it as a new one, under an id of its own, unless this submit was stored before.

    Raises `TooMany`, and what `admit` raises: then nothing is stored. On PostgreSQL, those that come at the same
    moment may exceed `MOST` by as many.
    """
    row = _values(preset) | {"id": _new_id(owner, preset, submit_id), "owner_id": owner, "created_at": time()}
    mine = select(func.count()).select_from(presets).where(presets.c.owner_id == owner)
    with database.write() as connection:
        if not database.insert_once(connection, presets, row):
            return
        if connection.execute(mine).scalar_one() > MOST:
            raise TooMany
        admit(connection)


def change(database: Database, owner: str, preset: Preset, seen: str) -> None:
    """Store it anew. Raises `NotFound`, and `Changed` unless `seen` is empty or the version that is stored."""
    mine = _mine(owner, preset.id)
    with database.write() as connection:
        now = _found(connection, select(presets).where(mine).with_for_update())
        if seen and version(now) not in (seen, version(preset)):
            raise Changed(now)
        connection.execute(update(presets).where(mine).values(_values(preset)))


def remove(database: Database, owner: str, preset_id: str) -> None:
    """Raises `NotFound`."""
    with database.write() as connection:
        if connection.execute(delete(presets).where(_mine(owner, preset_id))).rowcount == 0:
            raise NotFound


def _new_id(owner: str, preset: Preset, submit_id: str) -> str:
    """The same for the same submit of the same words; random for a form without a submit id."""
    if not submit_id:
        return secrets.token_hex(16)
    return sha256("\0".join([owner, submit_id, version(preset)]).encode()).hexdigest()[:32]


def _mine(owner: str, preset_id: str) -> ColumnElement[bool]:
    return (presets.c.id == preset_id) & (presets.c.owner_id == owner)


def _found(connection: Connection, query: Select[Any]) -> Preset:
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound
    return _preset(row)


def _preset(row: RowMapping) -> Preset:
    told = {item.name: row[item.name] for item in fields(Instructions)}
    return Preset(row["id"], row["name"], row["model"], Instructions(**told))


def _values(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "model": preset.model, **asdict(preset.instructions)}
