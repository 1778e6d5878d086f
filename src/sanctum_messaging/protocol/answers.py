"""What the HTTP API answers with, made of the resources."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw

from sanctum_messaging.protocol.resources import (
    ConversationItem,
    ConversationResource,
    MessageResource,
    ParticipantResource,
    Resource,
    TimeText,
)

NextCursor = Annotated[str | None, Meta(description="For the next page; null on the last one.")]


class ConversationResult(Resource, frozen=True):
    """One conversation."""

    conversation: ConversationResource


class ConversationsPage(Resource, frozen=True):
    """A page of one's conversations, the most recently active first."""

    conversations: list[ConversationItem]
    next_cursor: NextCursor
    stream_cursor: Annotated[
        str,
        Meta(description="The log's end when this page was read: load the list, then stream from page one's."),
    ]


class ParticipantResult(Resource, frozen=True):
    """One participant."""

    participant: ParticipantResource


class ParticipantsResult(Resource, frozen=True):
    """The participants that were named, in the order in which they were."""

    participants: list[ParticipantResource]


class ParticipantsPage(Resource, frozen=True):
    """A page of those present, by user id."""

    participants: list[ParticipantResource]
    next_cursor: NextCursor


class MessagesPage(Resource, frozen=True):
    """Messages, ascending by seq; ``hasMore`` tells whether there are more beyond in the direction asked for."""

    messages: list[MessageResource]
    has_more: bool


class UnreadResult(Resource, frozen=True):
    """The sum for an app badge; each conversation counts up to 1,000."""

    total: int
    conversations: int


class EventResource(Resource, frozen=True):
    """One durable fact: the ``event`` frame of the socket, written down for readers of the API."""

    op: Literal["event"]
    cursor: str
    conversation_id: str
    seq: int
    type: Literal[
        "conversation.created",
        "conversation.updated",
        "conversation.deleted",
        "participant.added",
        "participant.updated",
        "participant.removed",
        "message.created",
        "message.updated",
        "message.deleted",
    ]
    actor_id: str
    at: TimeText
    data: Annotated[
        Raw,
        Meta(
            extra_json_schema={
                "anyOf": [
                    {"$ref": "#/components/schemas/MessageData"},
                    {"$ref": "#/components/schemas/ParticipantData"},
                    {"$ref": "#/components/schemas/ConversationData"},
                ]
            }
        ),
    ]


class SyncPage(Resource, frozen=True):
    """Events as on the socket. ``events`` may be empty while ``hasMore`` is true: go on from ``cursor``."""

    events: list[Annotated[Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/EventResource"})]]
    cursor: str
    has_more: bool


class RateLimitResource(Resource, frozen=True):
    """A limit: ``max`` pass at once, then one each ``intervalMs / max``; all will be there again after ``resetMs``."""

    name: str
    scope: Literal["address", "device", "session", "user"]
    max: int
    interval_ms: int
    remaining: int
    reset_ms: int


class RateLimitsResult(Resource, frozen=True):
    """The limits that a caller draws on."""

    limits: list[RateLimitResource]


class HealthResult(Resource, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class ReadinessResult(Resource, frozen=True):
    """The service takes requests.

    ``degraded`` means that something is wrong which does not keep it from that, and ``reasons`` says what: words such
    as ``writes_fail``, ``bus_silent`` or ``fsync_off`` (docs/operations.md).
    """

    status: Literal["ready", "degraded"]
    reasons: list[str]
