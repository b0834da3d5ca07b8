"""Tables, engine, transactions: SQLite in WAL mode or PostgreSQL, from one SQL text."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    ExceptionContext,
    Executable,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RootTransaction,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    false,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import SQLAlchemyError as DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from .outages import may_outlast
from .sentences import Sentence, packed, unpacked
from .turns import Writer

__all__ = [
    "TEMPORARY",
    "UNINDEXED",
    "UNSETTLED",
    "Database",
    "DatabaseError",
    "accounts",
    "attachments",
    "conversations",
    "erasures",
    "failed_sign_ins",
    "messages",
    "metadata",
    "meters",
    "passages",
    "presets",
    "recoveries",
    "sessions",
    "shares",
    "submissions",
]

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BUSY_SECONDS = 10
CHECKPOINT_SECONDS = 0.5  # for as long nobody else can write
# A server that accepts and then says nothing must not hold us up. Seconds, the second one milliseconds.
POSTGRESQL = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 30}


class Said(TypeDecorator[str]):
    """A sentence that pages say in the reader's language."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else packed(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Sentence | None:
        return None if value is None else unpacked(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _instructions() -> list[Column[Any]]:
    """What a model is told besides a chat; NULL is left to the model."""
    return [
        Column("system", Text, nullable=False, server_default=text("''")),
        Column("temperature", Double),
        Column("top_p", Double),
        Column("max_tokens", Integer),
        Column("seed", BigInteger),
    ]


# Ids are 128 random bits in hex; times are seconds since 1970, UTC.

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("data", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False, index=True),
    Column("ended", Boolean, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner_id", String(32), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False, index=True),
    *_instructions(),
    Column("pinned_at", Double),
    Column("deleted_at", Double),
    Column("is_temporary", Boolean, nullable=False, server_default=false()),
    Column("is_indexed", Boolean, nullable=False, server_default=false()),
)
TEMPORARY = text("conversations.is_temporary")
_TEMPORARY = text("is_temporary")
# As each of the two spells it; only then can it prove that the index serves the list of a person's conversations.
_LISTED = text("deleted_at IS NULL AND is_temporary = 0"), text("deleted_at IS NULL AND NOT is_temporary")
_PINNED, _DELETED = text("pinned_at IS NOT NULL"), text("deleted_at IS NOT NULL")
Index("ix_conversations_pinned", conversations.c.owner_id, sqlite_where=_PINNED, postgresql_where=_PINNED)
Index("ix_conversations_deleted", conversations.c.deleted_at, sqlite_where=_DELETED, postgresql_where=_DELETED)
Index(
    "ix_conversations_listed",
    *(conversations.c[name] for name in ("owner_id", "updated_at", "id")),
    sqlite_where=_LISTED[0],
    postgresql_where=_LISTED[1],
)
Index("ix_conversations_temporary", conversations.c.updated_at, sqlite_where=_TEMPORARY, postgresql_where=_TEMPORARY)

messages = Table(
    "messages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation_id", String(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", String(32), ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("seq", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("renderer", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("problem", Said, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("runner", String(32)),
    Column("lease_until", Double),
    Column("waiting_since", Double),
    Column("created_at", Double, nullable=False),
    Column("settled_at", Double),
    Column("address", String(32)),
    Column("is_stopping", Boolean, nullable=False, server_default=false()),
    Column("reasoning", Text, nullable=False, server_default=text("''")),
    Column("finish_reason", Text, nullable=False, server_default=text("''")),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("seen_from", String(32)),
    Column("is_indexed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("conversation_id", "seq"),
)
# Literal words, not parameters: only then can SQLite prove that the partial index serves a query.
UNSETTLED = text("messages.status IN ('waiting', 'live')")
_OF_THE_INDEX = text("status IN ('waiting', 'live')")
Index("ix_messages_unsettled", messages.c.status, sqlite_where=_OF_THE_INDEX, postgresql_where=_OF_THE_INDEX)
_FIRST = text("parent_id IS NULL")
Index("ix_messages_first", messages.c.conversation_id, sqlite_where=_FIRST, postgresql_where=_FIRST)

# What search finds, and what it still has to learn. PostgreSQL indexes `folded` by `search_terms` and by owner; in
# SQLite triggers keep the table `passages_index`, and in `passages_removed` that something has been taken out of it.
passages = Table(
    "passages",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column(
        "conversation_id", String(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("message_id", String(32), ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("folded", Text, nullable=False),
)
_BY_TERMS, _BY_OWNER = text("search_terms(folded)"), text('"left"(folded, 3)')
Index("ix_passages_terms", _BY_TERMS, _table=passages, postgresql_using="gin").ddl_if("postgresql")
Index("ix_passages_owner", _BY_OWNER, passages.c.number).ddl_if("postgresql")
UNINDEXED = text("NOT messages.is_indexed AND messages.status NOT IN ('waiting', 'live')")
_UNINDEXED = text("NOT is_indexed AND status NOT IN ('waiting', 'live')")
Index("ix_messages_unindexed", messages.c.created_at, sqlite_where=_UNINDEXED, postgresql_where=_UNINDEXED)
_UNINDEXED_TITLE = text("NOT is_indexed")
Index(
    "ix_conversations_unindexed",
    conversations.c.created_at,
    sqlite_where=_UNINDEXED_TITLE,
    postgresql_where=_UNINDEXED_TITLE,
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "conversation_id", String(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("message_id", String(32), ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("size", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
)

shares = Table(
    "shares",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "conversation_id", String(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("leaf_id", String(32), ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("goes_on", Boolean, nullable=False),
    Column("title", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ends_at", Double, index=True),
)

recoveries = Table(
    "recoveries",
    metadata,
    Column("owner_id", String(32), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("owner_id", String(32), primary_key=True),
    Column("erased_at", Double, nullable=False),
    Column("is_in_files", Boolean, nullable=False),
)

submissions = Table(
    "submissions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("message_id", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
)

presets = Table(
    "presets",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner_id", String(32), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("model", Text, nullable=False),
    *_instructions(),
    Column("created_at", Double, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner_id", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
)

failed_sign_ins = Table(
    "failed_sign_ins",
    metadata,
    Column("address", String(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Double, nullable=False, index=True),
)

meters = Table(
    "meters",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("empty_at", Double, nullable=False, index=True),
)


class Pool(QueuePool):
    """Once disposed of, it keeps none of the connections that come back: else they would stay open until collected."""

    _is_over = False

    def dispose(self) -> None:
        self._is_over = True
        super().dispose()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self._is_over:
            super().dispose()


class Database:
    """One engine. Connections open at the first use, never before a fork."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        # Errors are logged, and their parameters are what people said.
        self.engine = create_engine(
            url,
            poolclass=Pool,
            pool_size=20,
            max_overflow=0,
            pool_use_lifo=True,  # the fewest that do are open, and none is opened for one question
            pool_timeout=10,
            pool_pre_ping=not self.is_sqlite,
            hide_parameters=True,
            connect_args={} if self.is_sqlite else POSTGRESQL,
        )
        self.writer, self._here = Writer(self._begin_writing, BUSY_SECONDS), local()
        self._path = str(self.engine.url.database)
        event.listen(self.engine, "handle_error", self._distrust)
        if self.is_sqlite:
            event.listen(self.engine, "do_connect", _open_sqlite)
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "connect", self._note_file)
            event.listen(self.engine, "checkout", self._check_file)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for a few queries; keep none of it over a pause. What is read within shares it."""
        outer: Connection | None = getattr(self._here, "connection", None)
        if outer:
            yield outer
            return
        with self.engine.connect() as connection:
            self._here.connection = connection
            try:
                yield connection
            finally:
                self._here.connection = None

    def write(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """One short transaction. `durable=False` may be lost at a power cut, never at a crash of ours."""
        return self.writer.write(durable) if self.is_sqlite else self._write(durable)

    def write_little(self) -> AbstractContextManager[Connection]:
        """One durable transaction of a few rows. On SQLite, those that come at the same time share a commit."""
        return self.writer.share() if self.is_sqlite else self._write()

    def insert_once(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert `row` unless its key is there; a rival's open transaction is waited for. False if it was there."""
        return connection.execute(_insert_once(table, self.is_sqlite), row).first() is not None

    def version(self) -> str | None:
        """The migration that the database stands at; None before the first."""
        with self.read() as connection:
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    @property
    def file(self) -> Path | None:
        """SQLite's."""
        return Path(self._path) if self.is_sqlite else None

    def create(self) -> None:
        """Make SQLite's file, which nothing else does: who has lost it is to hear of that. Raises `OSError`."""
        if self.file:
            self.file.touch(mode=0o600)

    def damage(self) -> str:
        """What SQLite finds wrong with its file, all of which it reads; empty if nothing."""
        if not self.is_sqlite:
            return ""
        with self.read() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return "" if found == "ok" else " ".join(found.split())

    def rewrite(self) -> None:
        """SQLite's file without what was deleted: of rows that moved from page to page it has kept copies.

        Nobody else writes meanwhile: about 3 s for each 100 MB.
        """
        if self.is_sqlite:
            with self.writer.alone(), closing(self.engine.raw_connection()) as raw:
                raw.cursor().execute("VACUUM")

    def checkpoint(self) -> bool:
        """Bring what SQLite has written ahead into its file, and leave none of it beside; False if somebody reads."""
        if not self.is_sqlite:
            return True
        with closing(self.engine.raw_connection()) as raw:
            cursor = raw.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {int(CHECKPOINT_SECONDS * 1000)}")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (is_busy, *_) = cursor.fetchone() or (True,)
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        return not is_busy

    def close(self) -> None:
        self.engine.dispose()

    def _distrust(self, context: ExceptionContext) -> None:
        """Idle connections are closed too: SQLite's share what they know of their file, as that it is read-only."""
        if may_outlast(context.original_exception):
            context.is_disconnect = True
            if context.execution_context:
                context.execution_context.cursor.close()  # an open one keeps its connection open
            self.engine.dispose()

    def _begin_writing(self, durable: bool) -> RootTransaction:
        """SQLite's."""
        options = {"begin": "IMMEDIATE", "synchronous": "FULL" if durable else "NORMAL"}
        connection = self.engine.connect().execution_options(**options)
        try:
            return connection.begin()
        except DatabaseError:
            connection.close()
            raise

    @contextmanager
    def _write(self, durable: bool = True) -> Iterator[Connection]:
        """PostgreSQL's."""
        with self.engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
            if not durable:
                connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield connection

    def _note_file(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = self._file_there()

    def _check_file(self, _connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        """A file that was moved or deleted goes on to take what its connections write, and nobody sees it again."""
        if record.info["file"] != self._file_there():
            raise DisconnectionError

    def _file_there(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


@cache
def _insert_once(table: Table, is_sqlite: bool) -> Executable:
    insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    return insert.on_conflict_do_nothing().returning(*table.primary_key)


def newest_version() -> str:
    """The migration that this code needs: migrations are named by number."""
    return max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _open_sqlite(dialect: Dialect, _record: Any, args: list[str], options: dict[str, Any]) -> Any:
    return dialect.connect(f"file:{quote(args[0])}?mode=rw", uri=True, **options)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if synchronous := options.get("synchronous"):
        connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")
    if begin := options.get("begin"):
        connection.exec_driver_sql(f"BEGIN {begin}")
    else:  # which touches no file, so nothing can be wrong with it
        connection.connection.cursor().execute("BEGIN")
