"""Stop: told to whoever writes a reply"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("messages", sa.Column("is_stopping", sa.Boolean, nullable=False, server_default=sa.false()))
