"""The frames of ``sanctum.v1``: JSON text, one object per WebSocket message, named by ``op`` (docs/protocol.md).

Client frames refuse unknown fields; clients in turn ignore fields, ops and event types that they do not know.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sanctum_messaging.protocol.requests import MetadataObject
from sanctum_messaging.protocol.resources import (
    ConversationData,
    MessageData,
    MessageResult,
    ParticipantData,
    Problem,
    ReadResult,
    TimeText,
)
from sanctum_messaging.protocol.scalars import (
    BodyText,
    ClientMessageIdText,
    CursorText,
    IdText,
    SeqNumber,
    TypeText,
)

SUBPROTOCOL = "sanctum.v1"

FrameId = Annotated[str, Meta(min_length=1, max_length=64)]
ShortText = Annotated[str, Meta(max_length=64)]
TokenText = Annotated[str, Meta(max_length=8192)]


class ClientFrame(Struct, tag_field="op", rename="camel", frozen=True, forbid_unknown_fields=True):
    """The root of what a client says. With an ``id``, ``ok`` or ``error`` follows; without, only errors do."""


class ClientInfo(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """The client's own name and version, for the operator."""

    name: ShortText
    version: ShortText = ""


class Hello(ClientFrame, frozen=True, tag="hello"):
    """The first frame: who, and from where to go on."""

    id: FrameId | None = None
    token: TokenText | None = None
    cursor: CursorText | None = None
    resume_token: Annotated[str, Meta(max_length=256)] | None = None
    client: ClientInfo | None = None


class Send(ClientFrame, frozen=True, tag="send"):
    """Send a message; the same as ``POST /v1/messages``."""

    id: FrameId
    conversation_id: IdText
    client_message_id: ClientMessageIdText
    body: BodyText
    type: TypeText = "text"
    metadata: MetadataObject | UnsetType = UNSET
    reply_to: IdText | None = None


class Read(ClientFrame, frozen=True, tag="read"):
    """Move one's read marker; the same as ``POST …/read``."""

    conversation_id: IdText
    seq: SeqNumber
    id: FrameId | None = None


class Typing(ClientFrame, frozen=True, tag="typing"):
    """Say that one types, or stopped."""

    conversation_id: IdText
    on: bool
    id: FrameId | None = None


class Ack(ClientFrame, frozen=True, tag="ack"):
    """Everything up to this cursor was handled."""

    cursor: CursorText
    id: FrameId | None = None


class Auth(ClientFrame, frozen=True, tag="auth"):
    """Refresh the access token."""

    token: TokenText
    id: FrameId | None = None


class Ping(ClientFrame, frozen=True, tag="ping"):
    """Ask for a ``pong``."""

    id: FrameId | None = None


class Pong(ClientFrame, frozen=True, tag="pong"):
    """Answer a ``ping``; never answered."""

    id: FrameId | None = None


class Bye(ClientFrame, frozen=True, tag="bye"):
    """Leave for good: the resume state is dropped and the socket closed with 1000."""

    id: FrameId | None = None


AnyClientFrame = Hello | Send | Read | Typing | Ack | Auth | Ping | Pong | Bye


class ServerFrame(Struct, tag_field="op", rename="camel", frozen=True):
    """The root of what the server says. Every ``cursor`` means: all up to it was sent before this frame."""


class Limits(Struct, rename="camel", frozen=True):
    """What the server takes: bytes per frame, characters per body, sends in flight."""

    frame_bytes: int
    body_characters: int
    sends_in_flight: int


class Welcome(ServerFrame, frozen=True, tag="welcome"):
    """The answer to ``hello``; the stream goes on right after ``cursor``."""

    session_id: str
    resume_token: str
    resumed: bool
    cursor: str
    user: str
    heartbeat_ms: int
    limits: Limits
    server_time: TimeText


class EventFrame(ServerFrame, frozen=True, tag="event"):
    """One durable fact; the same bytes live, replayed and in ``GET /v1/sync``."""

    cursor: str
    conversation_id: str
    seq: int
    type: str
    actor_id: str
    at: str
    data: MessageData | ParticipantData | ConversationData | Raw


class Live(ServerFrame, frozen=True, tag="live"):
    """The replay is complete; exactly once per connection."""

    cursor: str


class Ok(ServerFrame, frozen=True, tag="ok"):
    """A frame with an ``id`` was done; ``result`` is the HTTP body of the same call."""

    id: str
    result: MessageResult | ReadResult | Raw
    replayed: Literal[True] | UnsetType = UNSET


class Error(ServerFrame, frozen=True, tag="error"):
    """A frame was refused; the connection lives on."""

    problem: Problem
    id: str | UnsetType = UNSET


class SignalFrame(ServerFrame, frozen=True, tag="signal"):
    """Typing, or a read marker as it moves; never durable."""

    type: Literal["typing", "read"]
    conversation_id: str
    user_id: str
    on: bool | UnsetType = UNSET
    seq: int | UnsetType = UNSET


class Resync(ServerFrame, frozen=True, tag="resync"):
    """The client's picture cannot be mended from the log: read the lists again, then go on from ``cursor``."""

    reason: Literal["too_old", "diverged"]
    cursor: str


class ServerPing(ServerFrame, frozen=True, tag="ping"):
    """A heartbeat; any client frame answers it."""

    cursor: str


class ServerPong(ServerFrame, frozen=True, tag="pong"):
    """The answer to the client's ``ping``."""

    cursor: str


class AuthRequired(ServerFrame, frozen=True, tag="authRequired"):
    """The token ends soon: the client sends a fresh one with ``auth``, or is closed (4005) a while after the end."""

    expires_at: TimeText


class Drain(ServerFrame, frozen=True, tag="drain"):
    """The instance is stopping; open a new socket after ``reconnectInMs``."""

    reconnect_in_ms: int


AnyServerFrame = (
    Welcome | EventFrame | Live | Ok | Error | SignalFrame | Resync | ServerPing | ServerPong | AuthRequired | Drain
)
