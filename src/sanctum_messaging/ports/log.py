"""The log: the one way in which anything durable happens, and the ways in which it is read.

``Log`` appends; ``workers.writer`` implements it by group commit. ``EventLog`` reads; the stores implement it. The hub
needs nothing but the latter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

# Adapters keep an Answer as JSON and look its types up at run time.
from sanctum_messaging.domain.model import Conversation, Cursor, Participant

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence

    from sanctum_messaging.domain.events import Event, Memberships, NewEvent
    from sanctum_messaging.domain.model import (
        ConversationId,
        Message,
        MessageDraft,
        MessageId,
        Position,
        TenantId,
        UserId,
    )


@dataclass(frozen=True, slots=True)
class ExpectedConversation:
    """A decision rests on this conversation's version, and on its set of participants where that is named too."""

    id: ConversationId
    version: int
    members_version: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectedParticipant:
    """A decision rests on this participant's row version; 0 says that there is no row."""

    conversation_id: ConversationId
    user_id: UserId
    version: int


@dataclass(frozen=True, slots=True)
class ExpectedMessage:
    """A decision rests on this message's version."""

    id: MessageId
    version: int


@dataclass(frozen=True, slots=True)
class ExpectedNoDirect:
    """A decision rests on there being no direct conversation between these two yet."""

    users: tuple[UserId, UserId]


Expected = ExpectedConversation | ExpectedParticipant | ExpectedMessage | ExpectedNoDirect


@dataclass(frozen=True, slots=True)
class Answer:
    """What a creating call answered, kept with its idempotency key so that a repeat gets the same."""

    created: bool
    conversation: Conversation | None = None
    participants: tuple[Participant, ...] = ()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An ``Idempotency-Key``: whose it is, and a fingerprint of the call and its body."""

    user_id: UserId
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be appended if the rows that the decision rests on are still as they were.

    ``events`` may be empty where only the answer is to be kept with its ``idempotency`` key. All events are of one
    conversation, and their bodies say what is written to the state tables.
    """

    tenant: TenantId
    expected: tuple[Expected, ...]
    events: tuple[NewEvent, ...]
    answer: Answer
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """A change was committed; ``events`` are its events as they stand in the log."""

    answer: Answer
    events: tuple[Event, ...] = field(default=())
    replayed: bool = False


Stale = Literal["stale"]
"""The rows that a decision rests on have changed: decide again."""


@dataclass(slots=True)
class AppendedMessage:
    """A message that is on disk; ``replayed`` if an earlier send of the same client message id put it there."""

    message: Message
    replayed: bool = False


class Log(Protocol):
    """Where actions append. What either call is awaited for is there after the commit only: it is on disk."""

    def append_message(self, draft: MessageDraft) -> Future[AppendedMessage]:
        """Append one ``message.created``, or find the message that the same client message id made before.

        The draft is in the queue when this returns, so that a caller's order is kept.

        Raises:
            NotFoundError: the sender is not in the conversation now, or there is none in his tenant.
            ForbiddenError: the sender's role does not send.
            InvalidError: ``reply_to`` is not a visible message of the conversation.
            ConflictError: ``client_message_id_reused``.
            UnavailableError: ``overloaded`` (nothing was written) or ``outcome_unknown``.
        """
        ...

    def append_change(self, change: Change) -> Future[Appended | Stale]:
        """Append a change whole or not at all; it is in the queue when this returns.

        A repeat of an idempotency key with the same fingerprint returns the first answer, ``replayed``.

        Raises:
            InvalidError: ``idempotency_key_reused``, with another fingerprint.
            UnavailableError: ``overloaded`` (nothing was written) or ``outcome_unknown``.
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamPage:
    """The events of a user's stream in the window (after, upto], ascending, as many as the limit allowed.

    ``upto`` is the position up to which everything was examined; ``tag`` is that of the event there.
    """

    events: tuple[Event, ...]
    upto: Cursor
    complete: bool
    """Whether the whole window was examined; otherwise the limit cut the page off at ``upto``."""


CursorState = Literal["ok", "too_old", "diverged"]


class EventLog(Protocol):
    """Reading the log. Every call sees all commits that were acknowledged before it."""

    async def read_head(self) -> Cursor:
        """Return the cursor of the newest event, ``ORIGIN`` if there is none."""
        ...

    async def check_cursor(self, cursor: Cursor) -> CursorState:
        """Compare a client's cursor with the log.

        ``too_old``: below the log's floor. ``diverged``: another tag than the stored event's, or beyond the log's end.
        """
        ...

    async def read_memberships(self, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
        """Read, in one statement, what each of some users is in, when that changed, and the log's end.

        One result for each user, in their order, all as of the same end. The cost follows what they are in now; neither
        what they left nor the log's length counts.
        """
        ...

    async def read_stream(
        self, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
    ) -> StreamPage:
        """Read what a user's stream shows in the window (after, upto], at most ``limit`` events.

        Of a conversation he is in now: the events of his intervals, both ends included. Of one he is not in now: only
        his removal, or ``conversation.deleted``. The cost follows what is returned, not the window's width.
        """
        ...

    async def read_tenant_stream(self, tenant: TenantId, *, after: Position, upto: Position, limit: int) -> StreamPage:
        """Read all events of a tenant in the window (after, upto], at most ``limit``."""
        ...

    async def follow(self, after: Cursor, *, limit: int) -> Sequence[Event] | None:
        """Read the whole log behind a cursor, ascending; none if the cursor is not in the log.

        One snapshot, so that a database which took another's place in between can't continue a log that it has lost.
        """
        ...

    async def read_newest(self, limit: int) -> Sequence[Event]:
        """Read the newest ``limit`` events, ascending."""
        ...
