"""Candidates, decisions, publication and the ledger."""
