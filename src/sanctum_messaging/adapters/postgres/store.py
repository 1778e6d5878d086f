"""``ports.store.Store`` on PostgreSQL: which module's statement answers which call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres import (
    append_change,
    append_messages,
    audit,
    conversations,
    head,
    idempotency,
    messages,
    participants,
    read_markers,
    resume_store,
    revocations,
    stream,
)
from sanctum_messaging.domain.model import Millis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.events import Event, Memberships
    from sanctum_messaging.domain.model import (
        Conversation,
        ConversationId,
        ConversationView,
        Cursor,
        Message,
        MessageDraft,
        MessageId,
        Participant,
        Participation,
        Position,
        ReadMarker,
        TenantId,
        UnreadTotals,
        UserId,
    )
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.log import Answer, Change, CursorState, Idempotency, StreamPage
    from sanctum_messaging.ports.participant_cache import ParticipantSet
    from sanctum_messaging.ports.store import ChangeOutcome, MessageBatch, MessageBounds, MoveMarker, VisibleMessage

_PROBE = "UPDATE installation SET probe = probe + 1 WHERE one = 1"
_NOW = "SELECT (extract(epoch FROM now()) * 1000)::bigint"
_FORGETTING = (
    idempotency.forget_answers,
    resume_store.forget_states,
    revocations.forget_revocations,
    audit.forget_audit,
)


class PostgresStore:
    """The store of many instances. Every call is one statement; appends take the log lock inside of theirs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use an opened and migrated database."""
        self._database = database
        self._clock = clock

    async def append_messages(self, batch: Sequence[MessageDraft]) -> MessageBatch:
        """Append a run of sends in one commit."""
        return await append_messages.append_messages(self._database, batch)

    async def append_change(self, change: Change) -> ChangeOutcome:
        """Append a change if its expectations hold."""
        return await append_change.append_change(self._database, change, self._clock.now())

    async def move_read_markers(self, moves: Sequence[MoveMarker]) -> Sequence[ReadMarker | SanctumError]:
        """Move markers in one transaction."""
        return await read_markers.move_read_markers(self._database, moves)

    async def find_idempotent(self, tenant: TenantId, wanted: Idempotency) -> Answer | None:
        """Find what an idempotency key was answered."""
        return await idempotency.find_answer(self._database, tenant, wanted, self._clock.now())

    async def find_participation(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId
    ) -> Participation | None:
        """Find a conversation with the user's open place in it."""
        return await participants.find_participation(self._database, tenant, user, conversation_id)

    async def find_direct(self, tenant: TenantId, users: tuple[UserId, UserId]) -> Conversation | None:
        """Find the direct conversation of two users."""
        return await conversations.find_direct(self._database, tenant, users)

    async def find_participants(
        self, conversation_id: ConversationId, users: Sequence[UserId]
    ) -> Mapping[UserId, Participant]:
        """Find these users' rows, present or gone."""
        return await participants.find_participants(self._database, conversation_id, users)

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        """Read all who are present, with the version of that set."""
        return await participants.read_participants(self._database, conversation_id)

    async def list_conversations(
        self, tenant: TenantId, user: UserId, *, before: Position | None, limit: int
    ) -> tuple[Sequence[ConversationView], Cursor]:
        """List a user's conversations with the log's end."""
        return await conversations.list_conversations(self._database, tenant, user, before=before, limit=limit)

    async def count_unread(self, tenant: TenantId, user: UserId) -> UnreadTotals:
        """Sum up what a user has not read."""
        return await conversations.count_unread(self._database, tenant, user)

    async def list_messages(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId, *, bounds: MessageBounds, limit: int
    ) -> tuple[Sequence[Message], bool] | None:
        """List visible messages."""
        return await messages.list_messages(self._database, tenant, user, conversation_id, bounds=bounds, limit=limit)

    async def find_message(self, tenant: TenantId, user: UserId, message_id: MessageId) -> VisibleMessage | None:
        """Find a message that the user may read now."""
        return await messages.find_message(self._database, tenant, user, message_id)

    async def read_head(self) -> Cursor:
        """Return the newest event's cursor."""
        return await head.read_head(self._database)

    async def check_cursor(self, cursor: Cursor) -> CursorState:
        """Compare a client's cursor with the log."""
        return await stream.check_cursor(self._database, cursor)

    async def read_memberships(self, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
        """Read what users are in and where the log ends."""
        return await stream.read_memberships(self._database, users)

    async def read_stream(
        self, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
    ) -> StreamPage:
        """Read what a user's stream shows in a window."""
        return await stream.read_stream(self._database, tenant, user, after=after, upto=upto, limit=limit)

    async def read_tenant_stream(self, tenant: TenantId, *, after: Position, upto: Position, limit: int) -> StreamPage:
        """Read all events of a tenant in a window."""
        return await stream.read_tenant_stream(self._database, tenant, after=after, upto=upto, limit=limit)

    async def read_log(self, *, after: Position, limit: int) -> Sequence[Event]:
        """Read the whole log from a position on."""
        return await stream.read_log(self._database, after=after, limit=limit)

    async def follow(self, after: Cursor, *, limit: int) -> Sequence[Event] | None:
        """Read the log behind a cursor, if the log holds it."""
        return await stream.follow(self._database, after, limit=limit)

    async def read_newest(self, limit: int) -> Sequence[Event]:
        """Read the newest events."""
        return await stream.read_newest(self._database, limit)

    async def forget_expired(self, now: Millis) -> int:
        """Delete what is past its time, and not before it is so by the database's clock: others go on using it."""
        its_now: int = (await self._database.read(_NOW))[0][0]
        return sum([await forget(self._database, Millis(min(now, its_now))) for forget in _FORGETTING])

    async def check_writable(self) -> None:
        """Prove a write."""
        await self._database.write(_PROBE, repeatable=True)
