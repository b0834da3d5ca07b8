"""Chats that are pinned, deleted or temporary; attachments, shares and recovery links"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

PINNED = sa.text("pinned_at IS NOT NULL")
DELETED = sa.text("deleted_at IS NOT NULL")
TEMPORARY = sa.text("is_temporary")
FIRST = sa.text("parent_id IS NULL")
LISTED = sa.text("deleted_at IS NULL AND is_temporary = 0"), sa.text("deleted_at IS NULL AND NOT is_temporary")


def upgrade() -> None:
    extend_conversations()
    op.create_index("ix_messages_first", "messages", ["conversation_id"], sqlite_where=FIRST, postgresql_where=FIRST)
    create_attachments()
    create_shares()
    create_recoveries()
    create_erasures()


def extend_conversations() -> None:
    table = "conversations"
    op.add_column(table, sa.Column("pinned_at", sa.Double))
    op.add_column(table, sa.Column("deleted_at", sa.Double))
    op.add_column(table, sa.Column("is_temporary", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_conversations_updated_at", table, ["updated_at"])
    op.create_index("ix_conversations_pinned", table, ["owner_id"], sqlite_where=PINNED, postgresql_where=PINNED)
    op.create_index("ix_conversations_deleted", table, ["deleted_at"], sqlite_where=DELETED, postgresql_where=DELETED)
    op.drop_index("ix_conversations_owner_id_updated_at", table)
    op.create_index("ix_conversations_owner_id", table, ["owner_id"])
    in_order = ["owner_id", "updated_at", "id"]
    op.create_index("ix_conversations_listed", table, in_order, sqlite_where=LISTED[0], postgresql_where=LISTED[1])
    op.create_index(
        "ix_conversations_temporary", table, ["updated_at"], sqlite_where=TEMPORARY, postgresql_where=TEMPORARY
    )


def create_attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("conversation_id", sa.String(32), nullable=False),
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_attachments_conversation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_attachments_message_id", ondelete="CASCADE"),
    )
    op.create_index("ix_attachments_conversation_id", "attachments", ["conversation_id"])
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])


def create_shares() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("conversation_id", sa.String(32), nullable=False),
        sa.Column("leaf_id", sa.String(32), nullable=False),
        sa.Column("goes_on", sa.Boolean, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_shares"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_shares_conversation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["leaf_id"], ["messages.id"], name="fk_shares_leaf_id", ondelete="CASCADE"),
    )
    op.create_index("ix_shares_conversation_id", "shares", ["conversation_id"])
    op.create_index("ix_shares_ends_at", "shares", ["ends_at"])


def create_recoveries() -> None:
    op.create_table(
        "recoveries",
        sa.Column("owner_id", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name="pk_recoveries"),
        sa.UniqueConstraint("token_hash", name="uq_recoveries_token_hash"),
    )


def create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("owner_id", sa.String(32), nullable=False),
        sa.Column("erased_at", sa.Double, nullable=False),
        sa.Column("is_in_files", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name="pk_erasures"),
    )
