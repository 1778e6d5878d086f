"""``ports.store.Store`` on SQLite: which statement runs in which thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sqlite import (
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
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
        Millis,
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

_FORGETTING = (
    idempotency.forget_answers,
    resume_store.forget_states,
    revocations.forget_revocations,
    audit.forget_audit,
)


class SQLiteStore:
    """The embedded store. Writes run one after another in the writer's thread, under BEGIN IMMEDIATE: the log lock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use an opened and migrated database."""
        self._database = database
        self._clock = clock

    async def append_messages(self, batch: Sequence[MessageDraft]) -> MessageBatch:
        """Append a run of sends in one commit."""
        return await self._database.write(lambda connection: append_messages.append_messages(connection, batch))

    async def append_change(self, change: Change) -> ChangeOutcome:
        """Append a change if its expectations hold."""
        now = self._clock.now()
        return await self._database.write(lambda connection: append_change.append_change(connection, change, now))

    async def move_read_markers(self, moves: Sequence[MoveMarker]) -> Sequence[ReadMarker | SanctumError]:
        """Move markers in one transaction; what is unread is counted after it, where no append waits for that."""
        verdicts = await self._database.write(lambda connection: read_markers.move_read_markers(connection, moves))
        return await self._database.read(
            lambda connection: read_markers.read_moved_markers(connection, moves, verdicts)
        )

    async def find_idempotent(self, tenant: TenantId, wanted: Idempotency) -> Answer | None:
        """Find what an idempotency key was answered."""
        now = self._clock.now()
        return await self._database.read(lambda connection: idempotency.find_answer(connection, tenant, wanted, now))

    async def find_participation(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId
    ) -> Participation | None:
        """Find a conversation with the user's open place in it."""
        return await self._database.read(
            lambda connection: participants.find_participation(connection, tenant, user, conversation_id)
        )

    async def find_direct(self, tenant: TenantId, users: tuple[UserId, UserId]) -> Conversation | None:
        """Find the direct conversation of two users."""
        return await self._database.read(lambda connection: conversations.find_direct(connection, tenant, users))

    async def find_participants(
        self, conversation_id: ConversationId, users: Sequence[UserId]
    ) -> Mapping[UserId, Participant]:
        """Find these users' rows, present or gone."""
        return await self._database.read(
            lambda connection: participants.find_participants(connection, conversation_id, users)
        )

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        """Read all who are present, with the version of that set."""
        return await self._database.read(lambda connection: participants.read_participants(connection, conversation_id))

    async def list_conversations(
        self, tenant: TenantId, user: UserId, *, before: Position | None, limit: int
    ) -> tuple[Sequence[ConversationView], Cursor]:
        """List a user's conversations with the log's end."""
        return await self._database.read(
            lambda connection: conversations.list_conversations(connection, tenant, user, before=before, limit=limit)
        )

    async def count_unread(self, tenant: TenantId, user: UserId) -> UnreadTotals:
        """Sum up what a user has not read."""
        return await self._database.read(lambda connection: conversations.count_unread(connection, tenant, user))

    async def list_messages(
        self, tenant: TenantId, user: UserId, conversation_id: ConversationId, *, bounds: MessageBounds, limit: int
    ) -> tuple[Sequence[Message], bool] | None:
        """List visible messages."""

        def work(connection: apsw.Connection) -> tuple[Sequence[Message], bool] | None:
            return messages.list_messages(connection, tenant, user, conversation_id, bounds=bounds, limit=limit)

        return await self._database.read_snapshot(work)

    async def find_message(self, tenant: TenantId, user: UserId, message_id: MessageId) -> VisibleMessage | None:
        """Find a message that the user may read now."""
        return await self._database.read(lambda connection: messages.find_message(connection, tenant, user, message_id))

    async def read_head(self) -> Cursor:
        """Return the newest event's cursor."""
        return await self._database.read(head.read_head)

    async def check_cursor(self, cursor: Cursor) -> CursorState:
        """Compare a client's cursor with the log."""
        return await self._database.read(lambda connection: stream.check_cursor(connection, cursor))

    async def read_memberships(self, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
        """Read what users are in and where the log ends."""
        return await self._database.read(lambda connection: stream.read_memberships(connection, users))

    async def read_stream(
        self, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
    ) -> StreamPage:
        """Read what a user's stream shows in a window."""
        return await self._database.read(
            lambda connection: stream.read_stream(connection, tenant, user, after=after, upto=upto, limit=limit)
        )

    async def read_tenant_stream(self, tenant: TenantId, *, after: Position, upto: Position, limit: int) -> StreamPage:
        """Read all events of a tenant in a window."""
        return await self._database.read(
            lambda connection: stream.read_tenant_stream(connection, tenant, after=after, upto=upto, limit=limit)
        )

    async def read_log(self, *, after: Position, limit: int) -> Sequence[Event]:
        """Read the whole log from a position on."""
        return await self._database.read(lambda connection: stream.read_log(connection, after=after, limit=limit))

    async def follow(self, after: Cursor, *, limit: int) -> Sequence[Event] | None:
        """Read the log behind a cursor, if the log holds it."""
        return await self._database.read_snapshot(lambda connection: stream.follow(connection, after, limit=limit))

    async def read_newest(self, limit: int) -> Sequence[Event]:
        """Read the newest events."""
        return await self._database.read(lambda connection: stream.read_newest(connection, limit))

    async def forget_expired(self, now: Millis) -> int:
        """Delete what is past its time, in portions between which others write."""
        forgotten = 0
        for forget in _FORGETTING:
            while rows := await self._database.write(partial(forget, now=now)):
                forgotten += rows
        return forgotten

    async def check_writable(self) -> None:
        """Prove a write."""
        await self._database.write(lambda connection: connection.execute("UPDATE installation SET probe = probe + 1"))
