"""The append of a run of sends: one call of the function ``append_messages``, which decides under the log lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.adapters.sql.appends import (
    draw_tags,
    event_of_draft,
    message_of_draft,
    other_content,
    reply_not_found,
)
from sanctum_messaging.adapters.sql.rows import message_of
from sanctum_messaging.domain.errors import ForbiddenError, NotFoundError
from sanctum_messaging.domain.events import Committed, Event
from sanctum_messaging.domain.model import Cursor, Message, Position, Seq
from sanctum_messaging.ports.log import AppendedMessage
from sanctum_messaging.ports.store import MessageBatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import MessageDraft

    Outcome: TypeAlias = Literal["new", "twin", "stored", "own"]
    Refusal: TypeAlias = Literal["reused", "not_found", "forbidden", "reply_not_found"]

_APPEND = "SELECT * FROM append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
_MESSAGE = 7
"""The first of a row's columns that hold a stored message."""


async def append_messages(database: Database, batch: Sequence[MessageDraft]) -> MessageBatch:
    """Append what of the batch may be appended.

    A batch is one commit and its client message ids are unique, so that it may be repeated after a lost connection: a
    draft that is found stored under its own id was written by the lost attempt and is no replay.
    """
    tags = draw_tags(len(batch))
    head, *rows = await database.append(_APPEND, *_columns(batch), tags, repeatable=True)
    run = _Run(batch, tags, Cursor(Position(head["position"]), head["tag"]))
    results = tuple(run.result_of(row) for row in rows)
    return MessageBatch(results, run.committed())


def _columns(batch: Sequence[MessageDraft]) -> tuple[list[object], ...]:
    return (
        [draft.id for draft in batch],
        [draft.tenant for draft in batch],
        [draft.conversation_id for draft in batch],
        [draft.sender_id for draft in batch],
        [draft.device_id for draft in batch],
        [draft.client_message_id for draft in batch],
        [draft.type for draft in batch],
        [draft.body for draft in batch],
        [draft.metadata for draft in batch],
        [draft.reply_to for draft in batch],
        [draft.created_at for draft in batch],
        [draft.content_hash for draft in batch],
        [draft.any_rank for draft in batch],
    )


class _Run:
    """What the function answered, read draft by draft in the order of the batch."""

    def __init__(self, batch: Sequence[MessageDraft], tags: Sequence[str], head: Cursor) -> None:
        self._batch = batch
        self._tags = tags
        self._head = head
        self._appended: list[Event] = []
        self._messages: dict[int, Message] = {}
        self._found: list[Event] = []
        self._before: Cursor | None = None

    def result_of(self, row: asyncpg.Record) -> AppendedMessage | SanctumError:
        """Read what became of a draft."""
        outcome: Outcome | Refusal = row["outcome"]
        match outcome:
            case "new":
                return AppendedMessage(self._append(row))
            case "own":
                return AppendedMessage(self._find(row))
            case "twin":
                return AppendedMessage(self._messages[row["twin"]], replayed=True)
            case "stored":
                return AppendedMessage(message_of(row[_MESSAGE:]), replayed=True)
            case _:
                return _refusal_of(outcome)

    def committed(self) -> Committed:
        """Tell what was appended: by this attempt, or by the lost one before it, of which nothing remained to do."""
        if self._before is not None and not self._appended:
            return Committed(self._before, tuple(self._found))
        # Where both appended, others may stand between; what the lost one did is read from the log like theirs.
        return Committed(self._head, tuple(self._appended))

    def _append(self, row: asyncpg.Record) -> Message:
        number: int = row["n"]
        draft = self._batch[number - 1]
        message = message_of_draft(draft, Seq(row["seq"]))
        cursor = Cursor(Position(row["position"]), self._tags[number - 1])
        self._appended.append(event_of_draft(draft, message, cursor))
        self._messages[number] = message
        return message

    def _find(self, row: asyncpg.Record) -> Message:
        draft, message = self._batch[row["n"] - 1], message_of(row[_MESSAGE:])
        cursor = Cursor(Position(row["position"]), row["tag"])
        if self._before is None:
            self._before = Cursor(Position(cursor.position - 1), row["before_tag"])
        self._found.append(event_of_draft(draft, message, cursor))
        return message


def _refusal_of(refusal: Refusal) -> SanctumError:
    match refusal:
        case "reused":
            return other_content()
        case "not_found":
            return NotFoundError()
        case "forbidden":
            return ForbiddenError("An observer does not send.")
        case "reply_not_found":
            return reply_not_found()
        case _:
            assert_never(refusal)
