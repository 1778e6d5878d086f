"""Reading one's stream by polling: the same events, in the same bytes, as on the socket."""

from __future__ import annotations

from msgspec import Raw, UnsetType

from sanctum_messaging.api.calls import Call, Reply
from sanctum_messaging.api.routing import HANDLER_SECONDS, AnyRoute, NoBody, Route
from sanctum_messaging.domain.model import Cursor
from sanctum_messaging.protocol.answers import SyncPage
from sanctum_messaging.protocol.requests import MAX_WAIT_MS, SyncQuery


async def get_sync(call: Call[NoBody, SyncQuery]) -> Reply:
    """Read what follows a cursor."""
    query = call.query
    page = await call.services.streams.read(
        call.actor,
        cursor=None if isinstance(query.cursor, UnsetType) else Cursor.parse(query.cursor),
        limit=query.limit,
        wait_ms=query.wait_ms,
    )
    events = [Raw(each) for each in page.events]
    return Reply(200, SyncPage(events=events, cursor=str(page.cursor), has_more=page.has_more))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "GET",
        "/v1/sync",
        get_sync,
        summary="Read one's stream, waiting where there is nothing yet",
        description=(
            "The same events as on the socket. Go on from `cursor`, which moves over everything that was "
            "examined, also where `events` is empty. Without a cursor the stream begins at its end. After a 410, "
            "read the conversations again and go on from the `cursor` in the problem. A service token that acts "
            "for nobody reads all events of its tenant."
        ),
        tag="stream",
        query=SyncQuery,
        seconds=MAX_WAIT_MS / 1000 + HANDLER_SECONDS,
        replies={200: SyncPage},
        problems=("invalid_cursor", "cursor_too_old", "cursor_diverged"),
    ),
)
