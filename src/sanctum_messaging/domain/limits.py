"""What callers may do only so often, and how a limit is told to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """What is asked for, as the limits tell it apart."""

    SEND = "send"
    """Messages sent, edited and deleted."""
    READ = "read"
    CREATE = "create"
    """Conversations and participants, created and changed."""
    CONNECT = "connect"


class Scope(StrEnum):
    """Whose limit it is."""

    ADDRESS = "address"
    DEVICE = "device"
    SESSION = "session"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Limit:
    """``max`` pass at once, and then one each ``interval_ms / max``: over any longer time no more than that rate.

    ``name`` is unique, such as ``send-user``; ``max`` is 1 to 10^9.
    """

    name: str
    scope: Scope
    max: int
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One use of a limit by one caller. ``key`` names him within the limit; it may hold any text."""

    limit: Limit
    key: str


@dataclass(frozen=True, slots=True)
class Level:
    """What is left of a limit for a caller, and in how many milliseconds all of it will be there again."""

    limit: Limit
    remaining: int
    reset_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all charges together passed, with the level of each afterwards, in their order.

    If one did not, ``refused`` is the limit that has to be waited for longest, nothing was taken from any, and after
    ``retry_after_ms`` the same charges pass, if nobody else uses the limits meanwhile.
    """

    levels: tuple[Level, ...]
    refused: Limit | None = None
    retry_after_ms: int = 0
