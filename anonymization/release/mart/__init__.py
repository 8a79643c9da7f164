"""The published figures as tables that analysts query."""
