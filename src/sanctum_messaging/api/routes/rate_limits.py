"""What a caller may do, and what is left of it."""

from __future__ import annotations

from sanctum_messaging.api.calls import Call, Reply, find_address
from sanctum_messaging.api.reading import NoQuery
from sanctum_messaging.api.routing import AnyRoute, NoBody, Route
from sanctum_messaging.presenters import present_level
from sanctum_messaging.protocol.answers import RateLimitsResult


async def list_rate_limits(call: Call[NoBody, NoQuery]) -> Reply:
    """List one's limits, with what is left of each."""
    levels = await call.services.rate_limits.look(call.actor, find_address(call.scope))
    return Reply(200, RateLimitsResult(limits=[present_level(level) for level in levels]))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "GET",
        "/v1/rate-limits",
        list_rate_limits,
        summary="List one's limits, and what is left of each",
        description=(
            "Those of the caller's address, device, session and user that are in force. A limit of `max` lets so many "
            "pass at once, and then one each `intervalMs / max`: `resetMs` tells when all of them will be there again. "
            "Messages sent over the socket draw on the same limits. The call itself is a reading one."
        ),
        tag="rate limits",
        replies={200: RateLimitsResult},
    ),
)
