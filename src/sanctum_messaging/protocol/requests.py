"""The bodies and query parameters of the HTTP API; the OpenAPI document is made of the same types that validate."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sanctum_messaging.protocol.scalars import (
    MAX_METADATA_BYTES,
    MAX_METADATA_DEPTH,
    MAX_PARTICIPANTS_PER_CALL,
    BodyText,
    ClientMessageIdText,
    CursorText,
    IdText,
    PositionCursorText,
    SeqNumber,
    TitleText,
    TypeText,
    UserCursorText,
    UserIdText,
)

MAX_PAGE = 200
MAX_EVENTS_PER_PAGE = 500
MAX_WAIT_MS = 30_000

RoleName = Literal["observer", "member", "admin", "owner"]
VisibilityName = Literal["all", "joined"]
MetadataObject = Annotated[
    Raw,
    Meta(
        description=f"A JSON object of at most {MAX_METADATA_BYTES} bytes and depth {MAX_METADATA_DEPTH}.",
        extra_json_schema={"type": "object"},
    ),
]
MetadataPatch = Annotated[
    Raw,
    Meta(
        description="A JSON merge patch; what comes out keeps to the bounds of metadata.",
        extra_json_schema={"type": ["object", "null"]},
    ),
]
PageLimit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]


class Request(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """The root of every body and query."""


class SendMessage(Request, frozen=True):
    """A message to send. A repeat of the ``clientMessageId`` with the same content returns the first message."""

    conversation_id: IdText
    client_message_id: ClientMessageIdText
    body: BodyText
    type: TypeText = "text"
    metadata: MetadataObject | UnsetType = UNSET
    reply_to: IdText | None = None


class EditMessage(Request, frozen=True):
    """A message's new body; ``metadata`` is replaced as a whole where it is given, and else stays."""

    body: BodyText
    metadata: MetadataObject | UnsetType = UNSET


class NewParticipant(Request, frozen=True):
    """A user to add, as a member unless said otherwise."""

    user_id: UserIdText
    role: RoleName = "member"


NewParticipants = Annotated[list[NewParticipant], Meta(max_length=MAX_PARTICIPANTS_PER_CALL)]


class CreateConversation(Request, frozen=True):
    """A conversation to create; the caller is in it as its owner, in a direct one as a member.

    ``direct`` names exactly one other user, as a member.
    """

    kind: Literal["group", "direct"]
    participants: NewParticipants
    title: TitleText | None = None
    metadata: MetadataObject | UnsetType = UNSET
    history_visibility: VisibilityName = "all"


class UpdateConversation(Request, frozen=True):
    """A JSON merge patch: what is absent stays, ``null`` takes away, and ``metadata`` is merged field by field."""

    title: TitleText | UnsetType | None = UNSET
    metadata: MetadataPatch | UnsetType = UNSET
    history_visibility: VisibilityName | UnsetType = UNSET


class AddParticipants(Request, frozen=True):
    """One user (``userId``, ``role``) or several (``participants``)."""

    user_id: UserIdText | UnsetType = UNSET
    role: RoleName | UnsetType = UNSET
    participants: NewParticipants | UnsetType = UNSET


class AddSeveralParticipants(Request, frozen=True):
    """Several users to add in one call; this and ``NewParticipant`` are the two forms of ``AddParticipants``."""

    participants: Annotated[list[NewParticipant], Meta(min_length=1, max_length=MAX_PARTICIPANTS_PER_CALL)]


class UpdateParticipant(Request, frozen=True):
    """A new role, or one's own marks: only oneself sets and sees ``muted``, ``hidden`` and ``pinned``."""

    role: RoleName | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class MoveReadMarker(Request, frozen=True):
    """How far the caller has read; a marker never moves back."""

    seq: SeqNumber


class ConversationsQuery(Request, frozen=True):
    """Which page of one's conversations."""

    limit: PageLimit = 50
    cursor: PositionCursorText | UnsetType = UNSET


class ParticipantsQuery(Request, frozen=True):
    """Which page of a conversation's participants."""

    limit: PageLimit = 50
    cursor: UserCursorText | UnsetType = UNSET


class MessagesQuery(Request, frozen=True):
    """Which messages: at most one of the three bounds; without any, the newest page."""

    before_seq: SeqNumber | UnsetType = UNSET
    after_seq: SeqNumber | UnsetType = UNSET
    around_seq: SeqNumber | UnsetType = UNSET
    limit: PageLimit = 50


class SyncQuery(Request, frozen=True):
    """From where to read the stream, how much, and how long to wait where there is nothing yet."""

    cursor: CursorText | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_EVENTS_PER_PAGE)] = 100
    wait_ms: Annotated[int, Meta(ge=0, le=MAX_WAIT_MS)] = 0
