"""System prompts, parameters, presets, and from where on a reply's model saw its chat"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def instructions() -> list[sa.Column[object]]:
    return [
        sa.Column("system", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("temperature", sa.Double),
        sa.Column("top_p", sa.Double),
        sa.Column("max_tokens", sa.Integer),
        sa.Column("seed", sa.BigInteger),
    ]


def upgrade() -> None:
    for column in instructions():
        op.add_column("conversations", column)
    op.add_column("messages", sa.Column("seen_from", sa.String(32)))
    op.create_table(
        "presets",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        *instructions(),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_presets"),
    )
    op.create_index("ix_presets_owner_id", "presets", ["owner_id"])
