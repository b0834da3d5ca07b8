"""What a model thought before its answer, why it ended, and what it counted"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("messages", sa.Column("reasoning", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("messages", sa.Column("finish_reason", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("messages", sa.Column("prompt_tokens", sa.BigInteger))
    op.add_column("messages", sa.Column("completion_tokens", sa.BigInteger))
