"""Rows in, k-anonymous rows out, and what an attacker finds in rows."""
