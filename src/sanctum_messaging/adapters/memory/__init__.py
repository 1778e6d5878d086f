"""Adapters of a single process."""
