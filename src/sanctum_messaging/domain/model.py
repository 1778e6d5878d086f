"""Actors, conversations, participants and messages, as every layer speaks of them.

Times are milliseconds since the Unix epoch (UTC); ``metadata`` is JSON text, carried byte for byte as it was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType, Self

from sanctum_messaging.domain.errors import InvalidCursorError

TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
DeviceId = NewType("DeviceId", str)
SessionId = NewType("SessionId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
Position = NewType("Position", int)
"""An event's number in the log: global, gapless, in commit order. The first is 1."""
Seq = NewType("Seq", int)
"""An event's number in its conversation: gapless, in commit order. The first is 1."""
Millis = NewType("Millis", int)

DEFAULT_TENANT = TenantId("default")
SERVICE_SCOPE = "messaging:admin"

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})-([0-9a-f]{8})")
_MAX_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a client holds: a position and the random tag of the event there (docs/protocol.md, "Cursors").

    The tag is drawn when the event is appended and never derived, so that a log which lost commits and grew again
    cannot be mistaken for the one that the client read.
    """

    position: Position
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"<position>-<tag>"``.

        Raises:
            InvalidCursorError: the text was never given out by this service.
        """
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[1]) > _MAX_POSITION:
            raise InvalidCursorError
        return cls(Position(int(found[1])), found[2])

    def __str__(self) -> str:
        """Write the cursor as it goes over the wire."""
        return f"{self.position}-{self.tag}"


ORIGIN = Cursor(Position(0), "00000000")
"""The cursor before the first event."""


class ProvingKey(NamedTuple):
    """Which key proved a token, and whose it is."""

    issuer: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated caller.

    ``service`` is true for a token whose scope holds ``messaging:admin``: no rank is asked of it. ``impersonating`` is
    true when such a token names another user with ``Act-As``; ``user`` is then that user and ``subject`` the token's
    own. ``token_id`` and ``issued_at`` are what a revocation may name; a token that does not say when it was issued
    counts as older than any. ``proven_by`` is what the token rests on, and so does a socket, for as long as it is open.
    """

    tenant: TenantId
    user: UserId
    device: DeviceId
    session: SessionId
    expires_at: Millis
    scopes: frozenset[str] = frozenset()
    service: bool = False
    impersonating: bool = False
    subject: UserId | None = None
    token_id: str | None = None
    issued_at: Millis = Millis(0)
    proven_by: ProvingKey | None = None

    @property
    def bearer(self) -> UserId:
        """The user whom the token is of."""
        return self.user if self.subject is None else self.subject


class Role(StrEnum):
    """What a participant may do; each role may do all that the ones before it may."""

    OBSERVER = "observer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """A number that orders the roles; higher may do more."""
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class ConversationKind(StrEnum):
    """A group has any participants; a direct conversation has two, for ever."""

    GROUP = "group"
    DIRECT = "direct"


class HistoryVisibility(StrEnum):
    """How far back a participant sees: everything, or only what fell into the times of his membership."""

    ALL = "all"
    JOINED = "joined"


class RemovalReason(StrEnum):
    """Why a participation ended."""

    REMOVED = "removed"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it stands at its event ``last_seq``."""

    id: ConversationId
    tenant: TenantId
    kind: ConversationKind
    title: str | None
    metadata: str
    visibility: HistoryVisibility
    created_by: UserId
    created_at: Millis
    version: int
    last_seq: Seq
    deleted_at: Millis | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """A user's place in a conversation; ``left_at`` is none while he is in it.

    ``version`` counts every change of the row but the read marker; 0 is the version of a row that does not exist.
    ``muted``, ``hidden`` and ``pinned`` are the participant's own and shown to nobody else.
    """

    conversation_id: ConversationId
    user_id: UserId
    role: Role
    joined_at: Millis
    left_at: Millis | None = None
    version: int = 1
    muted: bool = False
    hidden: bool = False
    pinned: bool = False


# Of what every send makes one, nothing is frozen: that would take four times as long. Nobody changes one all the same.


@dataclass(slots=True)
class Message:
    """A message; ``body`` and ``metadata`` are none once it was deleted."""

    id: MessageId
    conversation_id: ConversationId
    seq: Seq
    sender_id: UserId
    device_id: DeviceId
    client_message_id: str
    type: str
    body: str | None
    metadata: str | None
    reply_to: MessageId | None
    created_at: Millis
    edited_at: Millis | None = None
    deleted_at: Millis | None = None
    version: int = 1


@dataclass(slots=True)
class MessageDraft:
    """A send that was checked for form, and not yet for what only the log can know.

    ``content_hash`` covers type, body, metadata and ``reply_to``: a repeat of the client message id with the same hash
    is the same message, with another it is a conflict.
    """

    id: MessageId
    tenant: TenantId
    conversation_id: ConversationId
    sender_id: UserId
    device_id: DeviceId
    client_message_id: str
    type: str
    body: str
    metadata: str
    reply_to: MessageId | None
    content_hash: str
    created_at: Millis
    any_rank: bool = False


@dataclass(frozen=True, slots=True)
class Participation:
    """A conversation and the caller's open place in it, read in one statement."""

    conversation: Conversation
    participant: Participant
    members_version: int
    present: int
    owners: int


@dataclass(frozen=True, slots=True)
class ConversationView:
    """One line of a user's list of conversations."""

    conversation: Conversation
    participant: Participant
    read_seq: Seq
    unread_count: int
    last_message: Message | None
    last_position: Position


@dataclass(frozen=True, slots=True)
class ReadMarker:
    """How far a user has read, and what remains (up to 1,000, which means "or more")."""

    read_seq: Seq
    unread_count: int


@dataclass(frozen=True, slots=True)
class UnreadTotals:
    """The sum for an app badge: unread messages, and the conversations that hold any."""

    total: int
    conversations: int
