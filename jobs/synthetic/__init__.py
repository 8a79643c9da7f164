"""Realistic logs of people who do not exist."""
