"""The calls of the API, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.routes import conversations, messages, participants, rate_limits, read_markers, sync

if TYPE_CHECKING:
    from sanctum_messaging.api.routing import AnyRoute

ROUTES: tuple[AnyRoute, ...] = (
    *conversations.ROUTES,
    *participants.ROUTES,
    *messages.ROUTES,
    *read_markers.ROUTES,
    *sync.ROUTES,
    *rate_limits.ROUTES,
)
