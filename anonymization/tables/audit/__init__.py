"""Published tables as one system of figures, and what whoever solves it finds out."""
