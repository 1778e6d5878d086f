"""Sanctum Messaging: a self-hosted messaging backend that a team adds to its own product."""

__version__ = "0.1.0"
