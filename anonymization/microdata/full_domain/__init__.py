"""One level an attribute for everybody: the exact search for the generalization of least loss."""
