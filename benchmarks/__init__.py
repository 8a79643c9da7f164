"""Side-by-side measurements: each figure is a ratio to something measured in the same run."""
