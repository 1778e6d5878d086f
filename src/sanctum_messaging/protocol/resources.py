"""The nouns as they go over the wire, in answers, in events and in problems (docs/protocol.md, "Resources")."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Metadata = Annotated[
    Raw,
    Meta(
        description="A JSON object of at most 4 KiB and depth 8, returned byte for byte.",
        extra_json_schema={"type": "object"},
    ),
]
# Of `Raw | None` msgspec decodes the null only; Raw alone takes it too.
MetadataOrNull = Annotated[
    Raw,
    Meta(description="As sent; null once the message was deleted.", extra_json_schema={"type": ["object", "null"]}),
]

TimeText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Resource(Struct, rename="camel", frozen=True):
    """The root of everything the server says."""


class FieldProblem(Resource, frozen=True):
    """One field at fault: its path, such as ``participants[0].role``, and a code."""

    field: str
    code: str


class Problem(Resource, frozen=True):
    """A refusal (RFC 9457).

    ``retryAfterMs``: how long to wait; ``scope``: whose rate limit it was; ``version``: the present one after a stale
    If-Match.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    cursor: str | UnsetType = UNSET
    errors: list[FieldProblem] | UnsetType = UNSET


class MessageResource(Resource, frozen=True):
    """A message; a deleted one has no body and no metadata."""

    id: str
    conversation_id: str
    seq: int
    sender_id: str
    device_id: str
    client_message_id: str
    type: str
    body: str | None
    metadata: MetadataOrNull
    reply_to: str | None
    created_at: TimeText
    edited_at: TimeText | None
    deleted_at: TimeText | None
    version: int


class ParticipantResource(Resource, frozen=True):
    """A user in a conversation; the last three are shown to himself alone."""

    user_id: str
    role: Literal["observer", "member", "admin", "owner"]
    joined_at: TimeText
    left_at: TimeText | None
    muted: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class ConversationResource(Resource, frozen=True):
    """A conversation; an event whose seq is not above ``lastSeq`` is already in it."""

    id: str
    kind: Literal["group", "direct"]
    title: str | None
    metadata: Metadata
    history_visibility: Literal["all", "joined"]
    created_by: str
    created_at: TimeText
    version: int
    last_seq: int


class ConversationItem(ConversationResource, frozen=True):
    """A line of one's list of conversations."""

    role: Literal["observer", "member", "admin", "owner"]
    read_seq: int
    unread_count: int
    last_message: MessageResource | None
    muted: bool
    hidden: bool
    pinned: bool


class MessageResult(Resource, frozen=True):
    """The answer to a send."""

    message: MessageResource


class ReadResult(Resource, frozen=True):
    """The answer to a moved read marker; an ``unreadCount`` of 1000 means "or more"."""

    read_seq: int
    unread_count: int


class MessageData(Resource, frozen=True):
    """What a ``message.*`` event carries."""

    message: MessageResource


class ParticipantData(Resource, frozen=True):
    """What a ``participant.*`` event carries; the conversation when added, the reason when removed."""

    participant: ParticipantResource
    conversation: ConversationResource | UnsetType = UNSET
    reason: Literal["removed", "left"] | UnsetType = UNSET


class ConversationData(Resource, frozen=True):
    """What a ``conversation.*`` event carries; the participants when created."""

    conversation: ConversationResource
    participants: list[ParticipantResource] | UnsetType = UNSET
