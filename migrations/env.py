"""Runs migrations on the database of the settings."""

from alembic import context
from sqlalchemy import create_engine

from webapp.db import metadata
from webapp.settings import load

url = context.config.attributes.get("url") or load().database
engine = create_engine(url)
with engine.connect() as connection:
    if engine.dialect.name == "sqlite":
        # Kept in the file. Here, because two workers that set it at once find the database locked.
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.commit()
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
