"""What a failed statement left behind, read off the driver's errors: the one place that knows SQLSTATEs.

Every statement is a transaction of its own. An error that the server reports rolled it back, so nothing was written.
The one exception is a connection that ends before the answer: the commit may have happened just before, and nobody can
tell, whatever the server said last (it may be told to shut down between the commit and the answer).
"""

from __future__ import annotations

from enum import Enum, auto

import asyncpg

from sanctum_messaging.domain.errors import UnavailableError


class Failure(Enum):
    """What is known about a statement that failed for no fault of its own."""

    UNSENT = auto()
    """There was no connection to send it on."""
    CONFLICT = auto()
    """It was rolled back in favour of another transaction; a repeat at once may do better."""
    REFUSED = auto()
    """It was rolled back; the server can't do it now: a lock or time ran out, disk or memory are full, no writes."""
    LOST = auto()
    """The connection ended before the answer: it was committed, or not."""


class ConnectFailedError(Exception):
    """No connection came about; the driver's error is the cause."""


class ConnectionLostError(Exception):
    """The connection ended, or could no longer be trusted, while a statement was under way."""


_CONFLICTS = frozenset({"40001", "40P01"})
_LOCK_TIMEOUT = "55P03"
_STATEMENT_TIMEOUT = "57014"
_READ_ONLY = "25006"
_STARTING_OR_STOPPING = "57P03"
_REFUSALS = frozenset({_LOCK_TIMEOUT, _STATEMENT_TIMEOUT, _READ_ONLY, _STARTING_OR_STOPPING})
_REFUSING_CLASSES = frozenset({"53", "58"})
"""Insufficient resources, and errors outside of the database such as those of its disk."""
_UNKNOWN = frozenset({"08007", "40003"})
"""The server itself says that it doesn't know, as one does that forwards to others."""


def failure_of(error: Exception) -> Failure | None:
    """Tell what an error left behind; none for one that says nothing but that our statement is wrong."""
    match error:
        case ConnectFailedError():
            return Failure.UNSENT
        case ConnectionLostError():
            return Failure.LOST
        case asyncpg.PostgresError():
            return _failure_of_state(error.sqlstate or "")
        case _:
            return None


def unavailable(failure: Failure, *, unknown: bool) -> UnavailableError:
    """Make the error that a caller gets; ``unknown`` if this attempt or an earlier one may have been committed."""
    if unknown:
        return UnavailableError("Whether it was written is not known; repeat it.", code="outcome_unknown")
    if failure in {Failure.UNSENT, Failure.LOST}:
        return UnavailableError("The database does not answer.")
    return UnavailableError("The database does not take this now.")


def _failure_of_state(sqlstate: str) -> Failure | None:
    if sqlstate in _CONFLICTS:
        return Failure.CONFLICT
    if sqlstate in _REFUSALS or sqlstate[:2] in _REFUSING_CLASSES:
        return Failure.REFUSED
    return Failure.LOST if sqlstate in _UNKNOWN else None
