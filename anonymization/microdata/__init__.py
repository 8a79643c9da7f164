"""Events to k-anonymous rows: hierarchies, the histogram of quasi-identifiers, criteria, losses, exact search."""
