"""The append of a run of sends: looked up, decided and written set-wise, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanctum_messaging.adapters.sql.appends import (
    draw_tags,
    event_of_draft,
    message_of_draft,
    other_content,
    reply_not_found,
)
from sanctum_messaging.adapters.sql.rows import MESSAGE, message_of
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json, insert_rows
from sanctum_messaging.adapters.sqlite.head import Numbering, read_head
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import NotFoundError, SanctumError
from sanctum_messaging.domain.events import Committed, Event
from sanctum_messaging.domain.model import Message, Role
from sanctum_messaging.ports.log import AppendedMessage
from sanctum_messaging.ports.store import MessageBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.model import MessageDraft

_LOOK_UP = """
SELECT json_group_array(json_array(
    p.role,
    m.id,
    m.content_hash,
    (SELECT max(e.seq) FROM event e WHERE e.conversation_id = c.id),
    d.reply_to IS NULL OR EXISTS (
        SELECT 1 FROM message r
        WHERE r.id = d.reply_to AND r.conversation_id = c.id AND (
            c.visibility = 'all' OR EXISTS (
                SELECT 1 FROM membership i
                WHERE i.tenant = c.tenant AND i.user_id = d.sender_id AND i.conversation_id = c.id
                AND r.seq BETWEEN i.first_seq AND coalesce(i.last_seq, r.seq)))))
)
FROM (
    SELECT key AS number, value ->> 0 AS tenant, value ->> 1 AS conversation_id, value ->> 2 AS sender_id,
        value ->> 3 AS client_message_id, value ->> 4 AS reply_to
    FROM json_each(:drafts)
) AS d
LEFT JOIN conversation c ON c.id = d.conversation_id AND c.tenant = d.tenant AND c.deleted_at IS NULL
LEFT JOIN participant p ON p.conversation_id = c.id AND p.user_id = d.sender_id AND p.left_at IS NULL
LEFT JOIN message m ON m.conversation_id = c.id AND m.sender_id = d.sender_id
    AND m.client_message_id = d.client_message_id
"""
_STORED = f"""
SELECT json_group_array(json_array({MESSAGE}))
FROM json_each(:ids) AS wanted JOIN message m ON m.id = wanted.value
"""
_MESSAGES = """
message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata, reply_to, created_at,
    version, content_hash)
"""
# The position is the row's number, which is one more than the highest: the newest event is never deleted. Where it is
# given, SQLite keeps what the statement changes until it ends, in a file if that is much, and takes twice as long.
_EVENTS = "event (tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)"


@dataclass(slots=True)
class _Found:
    """What the log knows of a draft: its sender's role, an earlier message of its client id, whether its reply fits."""

    role: Role | None
    message_id: str | None
    content_hash: str | None
    last_seq: int | None
    reply_fits: bool


def append_messages(connection: apsw.Connection, batch: Sequence[MessageDraft]) -> MessageBatch:
    """Append what of the batch may be appended; the caller holds the log lock."""
    head = read_head(connection)
    found = _look_up(connection, batch)
    seqs = {draft.conversation_id: each.last_seq for draft, each in zip(batch, found, strict=True) if each.last_seq}
    run = _Run(connection, Numbering(head, seqs, draw_tags(len(batch))))
    results = tuple(run.decide(draft, each) for draft, each in zip(batch, found, strict=True))
    run.write()
    return MessageBatch(run.completed(results), Committed(head, tuple(run.events)))


def _look_up(connection: apsw.Connection, batch: Sequence[MessageDraft]) -> list[_Found]:
    drafts = [
        (draft.tenant, draft.conversation_id, draft.sender_id, draft.client_message_id, draft.reply_to)
        for draft in batch
    ]
    rows = fetch_json(connection, _LOOK_UP, {"drafts": encode(drafts)})
    return [_Found(Role(row[0]) if row[0] else None, row[1], row[2], row[3], bool(row[4])) for row in rows]


class _Run:
    """The drafts of one batch on their way into the log; twins within it are folded."""

    def __init__(self, connection: apsw.Connection, numbering: Numbering) -> None:
        self.events: list[Event] = []
        self._connection = connection
        self._numbering = numbering
        self._fresh: dict[tuple[str, str, str], tuple[Message, str]] = {}
        self._hashes: list[str] = []
        self._repeated: set[str] = set()

    def decide(self, draft: MessageDraft, found: _Found) -> AppendedMessage | SanctumError | str:
        """Number the draft, or refuse it, or name the stored message that it repeats."""
        try:
            return self._append(draft, found)
        except SanctumError as refusal:
            return refusal

    def _append(self, draft: MessageDraft, found: _Found) -> AppendedMessage | str:
        if found.role is None:
            raise NotFoundError
        twin = self._fresh.get((draft.conversation_id, draft.sender_id, draft.client_message_id))
        if twin is not None:
            _check_same_content(draft, twin[1])
            return AppendedMessage(twin[0], replayed=True)
        if found.message_id is not None:
            _check_same_content(draft, found.content_hash)
            self._repeated.add(found.message_id)
            return found.message_id
        rules.check_sends(found.role, any_rank=draft.any_rank)
        if not found.reply_fits:
            raise reply_not_found()
        return AppendedMessage(self._number(draft))

    def _number(self, draft: MessageDraft) -> Message:
        cursor, seq = self._numbering.next(draft.conversation_id)
        message = message_of_draft(draft, seq)
        self.events.append(event_of_draft(draft, message, cursor))
        self._hashes.append(draft.content_hash)
        key = (draft.conversation_id, draft.sender_id, draft.client_message_id)
        self._fresh[key] = (message, draft.content_hash)
        return message

    def write(self) -> None:
        """Insert the numbered messages and their events."""
        if not self.events:
            return
        messages = [message for message, _ in self._fresh.values()]
        insert_rows(self._connection, _MESSAGES, [*map(_message_row, messages, self._hashes)])
        insert_rows(self._connection, _EVENTS, [*map(_event_row, self.events, messages)])
        if self._connection.last_insert_rowid() != self.events[-1].position:
            message = "the table event has lost its newest row"
            raise RuntimeError(message)

    def completed(
        self, results: tuple[AppendedMessage | SanctumError | str, ...]
    ) -> tuple[AppendedMessage | SanctumError, ...]:
        """Put the stored messages in the place of their ids."""
        if not self._repeated:
            return tuple(each for each in results if not isinstance(each, str))
        rows = fetch_json(self._connection, _STORED, {"ids": encode(sorted(self._repeated))})
        stored = {row[0]: AppendedMessage(message_of(row), replayed=True) for row in rows}
        return tuple(stored[each] if isinstance(each, str) else each for each in results)


def _check_same_content(draft: MessageDraft, content_hash: str | None) -> None:
    """Refuse a used client message id with other content; after an erasure anything matches."""
    if content_hash is not None and content_hash != draft.content_hash:
        raise other_content()


def _message_row(message: Message, content_hash: str) -> tuple[Any, ...]:
    return (
        message.id,
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.device_id,
        message.client_message_id,
        message.type,
        message.body,
        message.metadata,
        message.reply_to,
        message.created_at,
        message.version,
        content_hash,
    )


def _event_row(event: Event, message: Message) -> tuple[Any, ...]:
    return (
        event.tag,
        event.tenant,
        event.conversation_id,
        event.seq,
        event.kind.value,
        event.actor_id,
        event.at,
        message.id,
    )
