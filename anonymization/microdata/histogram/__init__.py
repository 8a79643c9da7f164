"""How many persons have which quasi-identifiers: counted from rows, or by an engine."""
