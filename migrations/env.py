"""Runs migrations on the database of the settings."""

from contextlib import closing

from alembic import context

from webapp.db import Database, metadata
from webapp.settings import load

database = Database(load().database)
database.create()
if database.is_sqlite:
    # Kept in the file. Here, because two workers that set it at once find the database locked.
    with closing(database.engine.raw_connection()) as raw:
        raw.cursor().execute("PRAGMA journal_mode = WAL")
# All in one transaction, which a second start waits for: a migration that is killed leaves nothing behind.
with database.write() as connection:
    if not database.is_sqlite:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8601967)")
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
database.close()
