"""How far one has read, and what one has not."""

from __future__ import annotations

from sanctum_messaging.actions import read_markers as actions
from sanctum_messaging.api.calls import Call, Reply
from sanctum_messaging.api.reading import NoQuery
from sanctum_messaging.api.routing import AnyRoute, NoBody, Route
from sanctum_messaging.domain.model import ConversationId, Seq
from sanctum_messaging.presenters import present_read_marker
from sanctum_messaging.protocol.answers import UnreadResult
from sanctum_messaging.protocol.requests import MoveReadMarker
from sanctum_messaging.protocol.resources import ReadResult


async def post_read(call: Call[MoveReadMarker, NoQuery]) -> Reply:
    """Move one's read marker."""
    marker = await actions.move_read_marker(
        call.ports, call.actor, ConversationId(call.params["conversationId"]), seq=Seq(call.body.seq)
    )
    return Reply(200, present_read_marker(marker))


async def get_unread(call: Call[NoBody, NoQuery]) -> Reply:
    """Sum up what one has not read."""
    totals = await actions.count_unread(call.ports, call.actor)
    return Reply(200, UnreadResult(total=totals.total, conversations=totals.conversations))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        "/v1/conversations/{conversationId}/read",
        post_read,
        summary="Move one's read marker",
        description=(
            "A marker never moves back: below the present one, the answer is the present one. `unreadCount` "
            "counts up to 1,000, which means or more."
        ),
        tag="read markers",
        body=MoveReadMarker,
        replies={200: ReadResult},
        problems=("seq_out_of_range",),
    ),
    Route(
        "GET",
        "/v1/unread",
        get_unread,
        summary="Sum up what one has not read",
        description="For the badge of an app: the messages, and the conversations that hold any.",
        tag="read markers",
        replies={200: UnreadResult},
    ),
)
