"""Raw logs to pseudonymous events."""
