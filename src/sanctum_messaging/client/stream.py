"""The stream by polling, and what else can be asked of the service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from sanctum_messaging.client.calls import Calls
from sanctum_messaging.client.events import present_event
from sanctum_messaging.client.http import Call
from sanctum_messaging.protocol.answers import RateLimitsResult, ReadinessResult, SyncPage
from sanctum_messaging.protocol.client_session import ReceivedEvent
from sanctum_messaging.protocol.requests import SyncQuery

if TYPE_CHECKING:
    from sanctum_messaging.client.events import Event
    from sanctum_messaging.protocol.answers import RateLimitResource


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of the stream; it goes on at ``cursor``, right away with ``has_more``, even if there are no events."""

    events: tuple[Event, ...]
    cursor: str
    has_more: bool


class StreamCalls(Calls):
    """What can be asked about the stream and the service. Every method raises ``Refused`` or ``Unreachable``."""

    async def sync(self, cursor: str | None = None, *, limit: int = 100, wait_ms: int = 0) -> EventsPage:
        """Read the stream from a cursor; without one, its end. A service token reads all events of its tenant.

        Refused with ``cursor_diverged`` or ``cursor_too_old``, read the lists again and go on at ``problem.cursor``.
        """
        query = SyncQuery(cursor=UNSET if cursor is None else cursor, limit=limit, wait_ms=wait_ms)
        page = await self._http.fetch(SyncPage, Call("GET", "/v1/sync", query=query, wait_seconds=wait_ms / 1000))
        events = (present_event(_event_decoder.decode(each)) for each in page.events)
        return EventsPage(tuple(events), page.cursor, page.has_more)

    async def list_rate_limits(self) -> list[RateLimitResource]:
        """Read the caller's limits and what is left of them."""
        return (await self._http.fetch(RateLimitsResult, Call("GET", "/v1/rate-limits"))).limits

    async def check_ready(self) -> ReadinessResult:
        """Ask whether the service takes requests; Refused or Unreachable if it doesn't."""
        return await self._http.fetch(ReadinessResult, Call("GET", "/readyz"))


_event_decoder = msgspec.json.Decoder(ReceivedEvent)
