"""Passages of messages and titles, as search compares them, with an index of all their terms of three characters"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

UNINDEXED = sa.text("NOT is_indexed AND status NOT IN ('waiting', 'live')")
UNINDEXED_TITLE = sa.text("NOT is_indexed")

# Each term is looked up by itself: positions are of no use. An entry of what was deleted goes when segments are merged.
SQLITE = [
    """
    CREATE VIRTUAL TABLE passages_index USING fts5 (
        folded,
        content='passages', content_rowid='number',
        tokenize='trigram case_sensitive 1', detail='none', columnsize=0
    )
    """,
    "CREATE TABLE passages_removed (id INTEGER PRIMARY KEY)",
    """
    CREATE TRIGGER passages_inserted AFTER INSERT ON passages BEGIN
        INSERT INTO passages_index (rowid, folded) VALUES (new.number, new.folded);
    END
    """,
    """
    CREATE TRIGGER passages_deleted AFTER DELETE ON passages BEGIN
        INSERT INTO passages_index (passages_index, rowid, folded) VALUES ('delete', old.number, old.folded);
        INSERT INTO passages_removed VALUES (NULL);
    END
    """,
    """
    CREATE TRIGGER passages_updated AFTER UPDATE ON passages BEGIN
        INSERT INTO passages_index (passages_index, rowid, folded) VALUES ('delete', old.number, old.folded);
        INSERT INTO passages_index (rowid, folded) VALUES (new.number, new.folded);
        INSERT INTO passages_removed VALUES (NULL);
    END
    """,
]

# Three arrays side by side, for the elements of one are found by counting. Costly: never for each row of a table.
POSTGRESQL = [
    """
    CREATE OR REPLACE FUNCTION search_terms(folded text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 100000
    RETURN (
        SELECT array_to_tsvector(coalesce(array_agg(a || b || c), '{}'))
        FROM (SELECT string_to_array(folded, NULL) AS characters) AS text,
            unnest(characters, characters[2:], characters[3:]) AS term (a, b, c)
        WHERE c IS NOT NULL
    )
    """,
    "CREATE INDEX ix_passages_terms ON passages USING gin (search_terms(folded))",
    "CREATE INDEX ix_passages_owner ON passages (left(folded, 3), number)",
]


def upgrade() -> None:
    for table in ("conversations", "messages"):
        op.add_column(table, sa.Column("is_indexed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_messages_unindexed", "messages", ["created_at"], sqlite_where=UNINDEXED, postgresql_where=UNINDEXED
    )
    op.create_index(
        "ix_conversations_unindexed",
        "conversations",
        ["created_at"],
        sqlite_where=UNINDEXED_TITLE,
        postgresql_where=UNINDEXED_TITLE,
    )
    create_passages()
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def create_passages() -> None:
    op.create_table(
        "passages",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=False),
        sa.Column("conversation_id", sa.String(32), nullable=False),
        sa.Column("message_id", sa.String(32)),
        sa.Column("folded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_passages"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_passages_conversation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_passages_message_id", ondelete="CASCADE"),
    )
    op.create_index("ix_passages_conversation_id", "passages", ["conversation_id"])
    op.create_index("ix_passages_message_id", "passages", ["message_id"])
