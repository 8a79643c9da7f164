"""Generalization hierarchies: as files hold them, by rule, and as codes and their ancestors; of whoever wrote them."""
