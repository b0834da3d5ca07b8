"""Migrations make exactly the tables that the code needs."""

import json
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect

from tests.support.databases import rows
from tests.support.people import Person
from tests.support.servers import ROOT, migrate
from webapp.db import Database, conversations, messages, metadata, newest_version


def shape(database: Database) -> Any:
    """All that the database says about each of our tables."""
    found = inspect(database.engine)
    look = (found.get_columns, found.get_pk_constraint, found.get_foreign_keys, found.get_unique_constraints)
    said = {
        table: [*(ask(table) for ask in look), sorted(found.get_indexes(table), key=str)] for table in metadata.tables
    }
    return json.loads(json.dumps(said, default=str))  # types and conditions as text, which can be compared


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Beside `passages` SQLite has the tables of its index, which only triggers know."""
    return kind != "table" or name in metadata.tables


@pytest.mark.filterwarnings("ignore:autogenerate skipping .*expression-based index:UserWarning")
def test_a_migrated_database_has_the_tables_of_the_code(database: Database) -> None:
    opts = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_down_to_the_names_of_constraints_and_the_conditions_of_indexes(database: Database) -> None:
    migrated = shape(database)
    metadata.drop_all(database.engine)
    metadata.create_all(database.engine)
    assert migrated == shape(database)


def test_migrating_again_changes_nothing(alice: Person, database: Database, database_url: str, tmp_path: Path) -> None:
    alice.get(alice.send("Hi")).close()
    before = shape(database), rows(database, messages)[0], database.version()
    database.close()
    migrate(database_url, tmp_path)
    assert (shape(database), rows(database, messages)[0], database.version()) == before


@pytest.mark.parametrize("name", ["conversations", "messages"])
def test_what_was_said_before_an_update_is_there_after_it(database: Database, tmp_path: Path, name: str) -> None:
    metadata.drop_all(database.engine)
    with database.write() as connection:
        for table in ("alembic_version", "passages_index", "passages_removed"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
    migrate(str(database.engine.url), tmp_path, to="0001")
    sent = dict(id="c", owner_id="a" * 32, title="Hi", model="m", last_seq=1, created_at=1.0, updated_at=2.0)
    said = dict(id="m", conversation_id="c", seq=1, role="user", status="complete", text="Hi 🙂", html="", renderer=0)
    with database.write() as connection:
        connection.execute(insert(conversations).values(sent))
        connection.execute(insert(messages).values(**said, model="m", problem="", attempt=0, created_at=1.0))
        before = connection.exec_driver_sql(f"SELECT * FROM {name}").mappings().one()
    migrate(str(database.engine.url), tmp_path)
    [after] = rows(database, metadata.tables[name])
    assert {column: after[column] for column in before} == before
    assert database.version() == newest_version()


def test_a_migrated_database_stands_at_the_newest_version(database: Database) -> None:
    assert database.version() == newest_version()


def test_the_newest_version_is_the_one_head_of_all_migrations() -> None:
    scripts = ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml"))
    assert scripts.get_heads() == [newest_version()]


def test_an_empty_database_has_no_version(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty'}")
    empty.create()
    assert empty.version() is None
    empty.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_writes_ahead_afterwards(database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
