"""What each event writes to the state tables: its body is the new state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.appends import facts_of
from sanctum_messaging.adapters.sql.rows import direct_key
from sanctum_messaging.adapters.sqlite.database import encode
from sanctum_messaging.domain.events import ConversationChange, EventKind, MessageChange, ParticipantChange
from sanctum_messaging.domain.model import ConversationKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.domain.model import Participant

_PUT_CONVERSATION = """
INSERT INTO conversation (id, tenant, kind, title, metadata, visibility, created_by, created_at, version,
    members_version, direct_key)
VALUES (:id, :tenant, :kind, :title, :metadata, :visibility, :created_by, :created_at, :version, 1, :direct_key)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, metadata = excluded.metadata,
    visibility = excluded.visibility, version = excluded.version
"""
_DELETE_CONVERSATION = """
UPDATE conversation SET deleted_at = :at, version = :version, members_version = members_version + 1, direct_key = NULL
WHERE id = :id
"""
_END_PARTICIPATIONS = """
UPDATE participant SET left_at = :at, left_position = :position, version = version + 1
WHERE conversation_id = :id AND left_at IS NULL
"""
_END_MEMBERSHIPS = """
UPDATE membership SET last_position = :position, last_seq = :seq WHERE conversation_id = :id AND last_position IS NULL
"""
# A row that exists keeps its read marker unless the user joins again; then all before the join counts as read.
_PUT_PARTICIPANTS = """
INSERT INTO participant (tenant, user_id, conversation_id, role, joined_at, left_at, left_position, version, read_seq,
    muted, hidden, pinned)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM json_each(:rows) WHERE true
ON CONFLICT (conversation_id, user_id) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at,
    left_at = excluded.left_at, left_position = excluded.left_position, version = excluded.version,
    read_seq = CASE WHEN participant.left_at IS NOT NULL AND excluded.left_at IS NULL
        THEN max(participant.read_seq, excluded.read_seq) ELSE participant.read_seq END,
    muted = excluded.muted, hidden = excluded.hidden, pinned = excluded.pinned
"""
_BEGIN_MEMBERSHIPS = """
INSERT INTO membership (tenant, user_id, conversation_id, first_position, first_seq)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows)
"""
_END_MEMBERSHIP = """
UPDATE membership SET last_position = :position, last_seq = :seq
WHERE tenant = :tenant AND user_id = :user AND conversation_id = :id AND last_position IS NULL
"""
_TOUCH_MEMBERS = "UPDATE conversation SET members_version = members_version + 1 WHERE id = ?"
_UPDATE_MESSAGE = """
UPDATE message SET body = ?, metadata = ?, edited_at = ?, deleted_at = ?, version = ? WHERE id = ?
"""
_INSERT_EVENTS = """
INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id, audience, facts)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10
FROM json_each(:rows)
"""


def project(connection: apsw.Connection, events: Sequence[Event]) -> None:
    """Write the new state of everything that the events speak of."""
    joined = [event for event in events if event.kind is EventKind.PARTICIPANT_ADDED]
    if joined:
        _join(
            connection,
            [(event, body.participant) for event in joined if isinstance(body := event.body, ParticipantChange)],
        )
    for event in events:
        match event.body:
            case ConversationChange():
                _put_conversation(connection, event, event.body)
            case MessageChange():
                _update_message(connection, event.body)
            case ParticipantChange() if event.kind is not EventKind.PARTICIPANT_ADDED:
                _change_participant(connection, event, event.body)
            case ParticipantChange():
                pass


def _put_conversation(connection: apsw.Connection, event: Event, body: ConversationChange) -> None:
    conversation = body.conversation
    if event.kind is EventKind.CONVERSATION_DELETED:
        names = {"id": conversation.id, "at": event.at, "position": event.position, "seq": event.seq}
        connection.execute(_DELETE_CONVERSATION, {**names, "version": conversation.version})
        connection.execute(_END_PARTICIPATIONS, names)
        connection.execute(_END_MEMBERSHIPS, names)
        return
    named = conversation.kind is ConversationKind.DIRECT and body.participants
    connection.execute(
        _PUT_CONVERSATION,
        {
            "id": conversation.id,
            "tenant": conversation.tenant,
            "kind": conversation.kind.value,
            "title": conversation.title,
            "metadata": conversation.metadata,
            "visibility": conversation.visibility.value,
            "created_by": conversation.created_by,
            "created_at": conversation.created_at,
            "version": conversation.version,
            "direct_key": direct_key([each.user_id for each in body.participants]) if named else None,
        },
    )
    if body.participants:
        _join(connection, [(event, each) for each in body.participants])


def _join(connection: apsw.Connection, joins: Sequence[tuple[Event, Participant]]) -> None:
    """Put those who join, and begin their memberships; all joins are of one conversation."""
    _put_participants(connection, joins)
    starts = [(event.tenant, each.user_id, each.conversation_id, event.position, event.seq) for event, each in joins]
    connection.execute(_BEGIN_MEMBERSHIPS, {"rows": encode(starts)})
    connection.execute(_TOUCH_MEMBERS, (joins[0][0].conversation_id,))


def _change_participant(connection: apsw.Connection, event: Event, body: ParticipantChange) -> None:
    _put_participants(connection, [(event, body.participant)])
    if body.private:
        return
    if event.kind is EventKind.PARTICIPANT_REMOVED:
        connection.execute(
            _END_MEMBERSHIP,
            {
                "tenant": event.tenant,
                "user": body.participant.user_id,
                "id": event.conversation_id,
                "position": event.position,
                "seq": event.seq,
            },
        )
    connection.execute(_TOUCH_MEMBERS, (event.conversation_id,))


def _put_participants(connection: apsw.Connection, changes: Sequence[tuple[Event, Participant]]) -> None:
    rows = [
        (
            event.tenant,
            each.user_id,
            each.conversation_id,
            each.role.value,
            each.joined_at,
            each.left_at,
            None if each.left_at is None else event.position,
            each.version,
            event.seq,
            int(each.muted),
            int(each.hidden),
            int(each.pinned),
        )
        for event, each in changes
    ]
    connection.execute(_PUT_PARTICIPANTS, {"rows": encode(rows)})


def _update_message(connection: apsw.Connection, body: MessageChange) -> None:
    message = body.message
    connection.execute(
        _UPDATE_MESSAGE,
        (message.body, message.metadata, message.edited_at, message.deleted_at, message.version, message.id),
    )


def insert_events(connection: apsw.Connection, events: Sequence[Event]) -> None:
    """Insert the log's rows; a message's text is not part of them."""
    if events:
        connection.execute(_INSERT_EVENTS, {"rows": encode([_event_row(event) for event in events])})


def _event_row(event: Event) -> tuple[object, ...]:
    return (
        event.position,
        event.tag,
        event.tenant,
        event.conversation_id,
        event.seq,
        event.kind.value,
        event.actor_id,
        event.at,
        *facts_of(event.body),
    )
