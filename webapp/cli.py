"""Commands: `./run <command>`, which is `flask --app wsgi <command>`."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
from flask import Flask

from .db import Database, DatabaseError, newest_version
from .outages import DAMAGED, outage
from .parsers import Address
from .settings import ROOT, Settings, SettingsError, make_data_folder
from .web.password import hashed


def init_app(app: Flask, settings: Settings, database: Database) -> None:
    @app.cli.command()
    def serve() -> None:
        """Prepare what is missing and serve behind gunicorn."""
        refuse_busy_port(settings.bind)
        prepare(settings, database)
        os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "wsgi:app"])  # noqa: S606 - no shell is meant

    @app.cli.command("hash-password")
    @click.password_option()
    def hash_password(password: str) -> None:
        """Print what may stand in VOICHAT_PASSWORD instead of the password itself."""
        click.echo(hashed(password))

    @app.cli.command()
    def compact() -> None:
        """Write SQLite's file anew, without what was deleted; nobody else can write meanwhile."""
        database.rewrite()
        database.checkpoint()

    @app.cli.command("migrate")
    def migrate_command() -> None:
        """Bring the database to this version of Voichat."""
        prepare(settings, database)


def prepare(settings: Settings, database: Database) -> None:
    """Make the data folder and migrate the database, as far as either is missing. Raises `ClickException`."""
    os.umask(0o077)
    try:
        make_data_folder(settings)
        if database.file and not database.file.exists():
            begin_anew(database, database.file)
        if damage := database.damage():
            raise click.ClickException(f"The database {DAMAGED}: {damage}.")
        version = database.version() or ""
        if version > newest_version():
            raise click.ClickException(f"The database is newer ({version}) than this Voichat: update Voichat.")
        if version < newest_version():
            migrate()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except DatabaseError as error:
        raise click.ClickException(f"The database {outage(error) or 'fails'}: {_reason(error)}.") from None
    finally:
        database.close()


def begin_anew(database: Database, file: Path) -> None:
    """Make the database's file and say so: it may be that another was lost. Raises `ClickException`."""
    written_last = Path(f"{file}-wal")
    if written_last.exists():
        raise click.ClickException(
            f"The database {file} is gone, but {written_last.name} beside it is not:"
            f" put the database back, or remove {written_last.name} too to begin without history."
        )
    try:
        database.create()
    except OSError as error:
        raise click.ClickException(f"The database {file} cannot be made: {error.strerror}.") from None
    click.echo(f"Voichat begins with a new, empty database: {file}")


def _reason(error: DatabaseError) -> str:
    """The driver's words, which may fill several lines, without SQL."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return said[0].rstrip(".") if said else type(error).__name__


def migrate() -> None:
    """In a process of its own: Alembic's 37 MB are not for the workers."""
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
        raise click.ClickException("The database could not be migrated; the lines above say why.")


def refuse_busy_port(address: Address) -> None:
    """Raises `ClickException` with one sentence where gunicorn would retry and print a page."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {address} ({error.strerror}): stop what does, or set VOICHAT_BIND to another port."
        ) from None
