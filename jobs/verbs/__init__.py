"""The verbs of the `noren` command, a file each: its help, its command, and what it does."""
