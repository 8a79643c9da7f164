"""Disclosure control over cells and linear relations: what a reader can derive, and what must be hidden; no tables."""
