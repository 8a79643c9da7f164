"""The append-only record of what was requested, decided and published, in its database."""
