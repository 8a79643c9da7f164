"""What differential privacy spent, by source and month: one row a draw."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; on SQLite, triggers keep what was spent."""
    op.create_table(
        "privacy_spent",
        sa.Column("source", sa.String(63), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("draw", sa.String(64), primary_key=True),
        sa.Column("candidate", sa.String(200), nullable=False),
        sa.Column("rho", sa.String(64), nullable=False),
        sa.Column("delta", sa.String(64), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER privacy_spent_no_{action.lower()} BEFORE {action} ON privacy_spent"
                " BEGIN SELECT RAISE(ABORT, 'what was spent stays spent'); END"
            )


def downgrade() -> None:
    """Refuse: what was spent stays spent."""
    raise NotImplementedError("what was spent stays spent")
