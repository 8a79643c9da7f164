"""How tables are protected: a module a method, and what its figures still tell a reader."""
