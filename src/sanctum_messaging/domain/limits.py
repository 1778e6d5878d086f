"""What callers may do only so often."""

from __future__ import annotations

from enum import StrEnum


class Use(StrEnum):
    """What is asked for, as the limits tell it apart."""

    SEND = "send"
    """Messages sent, edited and deleted."""
    READ = "read"
    CREATE = "create"
    """Conversations and participants, created and changed."""
    CONNECT = "connect"
