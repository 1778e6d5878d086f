"""What the connections of one server share: its limits, its counts, and who has yet to say what he wants."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import structlog

from sanctum_messaging.server.limits import ServerLimits

if TYPE_CHECKING:
    from sanctum_messaging.server.refusals import Reason

REASONS_TO_TURN_AWAY = ("full", "silent")

_log = structlog.get_logger("sanctum.server")


class Connection(Protocol):
    """A connection, as far as others have to do with it."""

    def abort(self) -> None:
        """End at once, without a word."""


class Intake:
    """Lets connections in. One that never shows a head makes room for others once there are many like it."""

    def __init__(self, limits: ServerLimits | None = None) -> None:
        self.limits = limits or ServerLimits()
        self.refused: Counter[str] = Counter()
        """Requests that were refused, by reason."""
        self.turned_away: Counter[str] = Counter()
        """Connections that were ended before their first request, by reason."""
        self.is_closing = False
        """Whether every answer is the last of its connection, because the server stops."""
        # In the order in which they came.
        self._strangers: dict[Connection, None] = {}

    def enter(self, connection: Connection, open_now: int) -> bool:
        """Take note of a new connection; tell whether there is room for it among those that are open."""
        if open_now > self.limits.max_connections:
            self.turned_away["full"] += 1
            return False
        if len(self._strangers) >= self.limits.max_strangers:
            self.turned_away["silent"] += 1
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.abort()
        self._strangers[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Take note that a connection has shown a head, or is gone."""
        self._strangers.pop(connection, None)

    def count(self, reason: Reason) -> None:
        """Count a request that is refused; nothing of what it held is logged."""
        self.refused[reason] += 1
        _log.debug("request_refused", reason=str(reason))
