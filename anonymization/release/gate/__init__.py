"""Whether a candidate may go out: its figures counted again, attacked, and the verdict."""
