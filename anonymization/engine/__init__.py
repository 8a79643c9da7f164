"""One portable SQL text, two engines."""
