"""One command a stage, and the `noren` command."""
