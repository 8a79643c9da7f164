"""The ledger's schema, from its first day on."""
