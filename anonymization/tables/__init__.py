"""Events to safe statistics tables."""
