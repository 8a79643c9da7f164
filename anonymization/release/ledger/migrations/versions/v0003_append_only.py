"""On PostgreSQL too, triggers keep entries and spendings as they were appended."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEPT = {"entries": "the ledger is append-only", "privacy_spent": "what was spent stays spent"}


def upgrade() -> None:
    """Make the triggers; SQLite has had its own from the beginning."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, message in KEPT.items():
        op.execute(
            f"CREATE OR REPLACE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{message}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_kept()"
        )


def downgrade() -> None:
    """Refuse: a ledger is never unmade."""
    raise NotImplementedError("a ledger is never unmade")
