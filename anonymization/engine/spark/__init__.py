"""The engine of many machines: its session, its workers, its messages, and a Java for it."""
