"""Limits: a meter for each, and on a reply that is due the address that asked for it"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "meters",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("empty_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meters"),
    )
    op.create_index("ix_meters_empty_at", "meters", ["empty_at"])
    op.add_column("messages", sa.Column("address", sa.String(32)))
