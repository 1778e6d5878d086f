"""The store: state tables and the log, in one database. One contract suite runs on every store.

Every read that concerns a user checks in its own statement that he is a participant now; nothing else decides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sanctum_messaging.ports.log import EventLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.events import Committed, Event
    from sanctum_messaging.domain.model import (
        Conversation,
        ConversationId,
        ConversationView,
        Cursor,
        Message,
        MessageDraft,
        MessageId,
        Millis,
        Participant,
        Participation,
        Position,
        ReadMarker,
        Seq,
        TenantId,
        UnreadTotals,
        UserId,
    )
    from sanctum_messaging.ports.log import Answer, Appended, AppendedMessage, Change, Idempotency, Stale
    from sanctum_messaging.ports.participant_cache import ParticipantSet


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """The outcome of a run of sends: a result for each draft, in order, and what the commit appended."""

    results: tuple[AppendedMessage | SanctumError, ...]
    committed: Committed


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """The outcome of a change, and what the commit appended (nothing if it was stale or a repeat)."""

    result: Appended | Stale | SanctumError
    committed: Committed | None


@dataclass(frozen=True, slots=True)
class MoveMarker:
    """A read marker that should move up to a seq; below the present one it stays."""

    tenant: TenantId
    user_id: UserId
    conversation_id: ConversationId
    seq: Seq


@dataclass(frozen=True, slots=True)
class MessageBounds:
    """Which messages of a conversation: at most one bound; without any, the newest page."""

    before: Seq | None = None
    after: Seq | None = None
    around: Seq | None = None


@dataclass(frozen=True, slots=True)
class VisibleMessage:
    """A message that the caller may read now, and his participation."""

    message: Message
    participation: Participation


class Store(EventLog, Protocol):
    """Everything durable. Appends are called by the one writer of an instance, reads by anybody."""

    async def append_messages(self, batch: Sequence[MessageDraft]) -> MessageBatch:
        """Append a run of sends in one commit; each succeeds or fails alone.

        Membership, role, visibility of ``reply_to`` and known client message ids are checked under the log lock.
        Atomic: an exception other than ``outcome_unknown`` means that nothing of the run was written.
        """
        ...

    async def append_change(self, change: Change) -> ChangeOutcome:
        """Compare the expected rows under the log lock, then write state, events and idempotency row in one commit."""
        ...

    async def move_read_markers(self, moves: Sequence[MoveMarker]) -> Sequence[ReadMarker | SanctumError]:
        """Move markers in one transaction of their own, without the log lock; a marker never moves back.

        Per move: ``NotFoundError`` for who is not in the conversation now, ``InvalidError`` (``seq_out_of_range``) for
        a seq above the conversation's last.
        """
        ...

    async def find_idempotent(self, tenant: TenantId, idempotency: Idempotency) -> Answer | None:
        """Find the answer that an idempotency key got in the last 24 h.

        Raises:
            InvalidError: ``idempotency_key_reused``, where the fingerprint is another.
        """
        ...

    async def find_participation(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId
    ) -> Participation | None:
        """Find a conversation with the user's open place in it; none for an outsider, as for what does not exist."""
        ...

    async def find_direct(self, tenant: TenantId, users: tuple[UserId, UserId]) -> Conversation | None:
        """Find the direct conversation between two users."""
        ...

    async def find_participants(
        self, conversation_id: ConversationId, users: Sequence[UserId]
    ) -> Mapping[UserId, Participant]:
        """Find the rows of these users, present or gone; for deciding, not for showing."""
        ...

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        """Read all who are present, by user id, with the version of that set; for the cache, which asks for no rank.

        Their order is that of the code points, whatever the database's collation.

        One statement: the participants are exactly those of the version. Of a conversation that does not exist or was
        deleted the set is empty, and its version 0.
        """
        ...

    async def list_conversations(
        self, tenant: TenantId, user: UserId, *, before: Position | None, limit: int
    ) -> tuple[Sequence[ConversationView], Cursor]:
        """List a user's conversations, the most recently active first, below a last position; with the log's end.

        One statement: the list and the log's end belong together.
        """
        ...

    async def count_unread(self, tenant: TenantId, user: UserId) -> UnreadTotals:
        """Sum up what a user has not read."""
        ...

    async def list_messages(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId, *, bounds: MessageBounds, limit: int
    ) -> tuple[Sequence[Message], bool] | None:
        """List visible messages, ascending by seq, and tell whether more lie beyond; none for an outsider."""
        ...

    async def find_message(self, tenant: TenantId, user: UserId, message_id: MessageId) -> VisibleMessage | None:
        """Find a message that the user may read now."""
        ...

    async def read_log(self, *, after: Position, limit: int) -> Sequence[Event]:
        """Read the whole log from a position on, ascending."""
        ...

    async def forget_expired(self, now: Millis) -> int:
        """Delete idempotency rows, resume states, revocations and audit entries past their time; return how many."""
        ...

    async def check_writable(self) -> None:
        """Prove a write.

        Raises:
            UnavailableError: the database takes no writes.
        """
        ...
