"""The embedded default: one SQLite file, written by one thread of one process."""
