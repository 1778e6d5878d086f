"""The append of anything but a send: compared, projected into the state tables and written, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.adapters.sql.appends import draw_tags, numbered
from sanctum_messaging.adapters.sql.rows import direct_key
from sanctum_messaging.adapters.sqlite import projection
from sanctum_messaging.adapters.sqlite.database import encode, fetch_json
from sanctum_messaging.adapters.sqlite.head import Numbering, read_head
from sanctum_messaging.adapters.sqlite.idempotency import find_answer, insert_answer
from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.domain.events import Committed, Event
from sanctum_messaging.ports.log import (
    Appended,
    Change,
    ExpectedConversation,
    ExpectedMessage,
    ExpectedNoDirect,
    ExpectedParticipant,
)
from sanctum_messaging.ports.store import ChangeOutcome

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports.log import Expected

_LAST_SEQ = "SELECT max(seq) FROM event WHERE conversation_id = ?"
_STALE_CONVERSATIONS = """
SELECT json_group_array(x.key) FROM json_each(:rows) x WHERE NOT EXISTS (
    SELECT 1 FROM conversation c
    WHERE c.id = x.value ->> 0 AND c.version = x.value ->> 1 AND c.deleted_at IS NULL
    AND c.members_version = coalesce(x.value ->> 2, c.members_version))
"""
_STALE_PARTICIPANTS = """
SELECT json_group_array(x.key) FROM json_each(:rows) x WHERE x.value ->> 2 <> coalesce((
    SELECT p.version FROM participant p
    WHERE p.conversation_id = x.value ->> 0 AND p.user_id = x.value ->> 1), 0)
"""
_STALE_MESSAGES = """
SELECT json_group_array(x.key) FROM json_each(:rows) x WHERE NOT EXISTS (
    SELECT 1 FROM message m WHERE m.id = x.value ->> 0 AND m.version = x.value ->> 1)
"""
_STALE_DIRECTS = """
SELECT json_group_array(x.key) FROM json_each(:rows) x WHERE EXISTS (
    SELECT 1 FROM conversation c WHERE c.tenant = x.value ->> 0 AND c.direct_key = x.value ->> 1)
"""


def append_change(connection: apsw.Connection, change: Change, now: Millis) -> ChangeOutcome:
    """Append a change if its expectations hold; the caller holds the log lock."""
    if change.idempotency is not None:
        try:
            answer = find_answer(connection, change.tenant, change.idempotency, now)
        except InvalidError as reused:
            return ChangeOutcome(reused, None)
        if answer is not None:
            return ChangeOutcome(Appended(answer, replayed=True), None)
    if _is_stale(connection, change):
        return ChangeOutcome("stale", None)
    head = read_head(connection)
    events = _write_events(connection, change, Numbering(head, {}, draw_tags(len(change.events))))
    if change.idempotency is not None:
        insert_answer(connection, change.tenant, change.idempotency, change.answer, now=now)
    return ChangeOutcome(Appended(change.answer, events), Committed(head, events))


def _is_stale(connection: apsw.Connection, change: Change) -> bool:
    rows: dict[str, list[tuple[object, ...]]] = {}
    for expected in change.expected:
        statement, row = _comparison(change, expected)
        rows.setdefault(statement, []).append(row)
    return any(fetch_json(connection, statement, {"rows": encode(each)}) for statement, each in rows.items())


def _comparison(change: Change, expected: Expected) -> tuple[str, tuple[object, ...]]:
    match expected:
        case ExpectedConversation():
            return _STALE_CONVERSATIONS, (expected.id, expected.version, expected.members_version)
        case ExpectedParticipant():
            return _STALE_PARTICIPANTS, (expected.conversation_id, expected.user_id, expected.version)
        case ExpectedMessage():
            return _STALE_MESSAGES, (expected.id, expected.version)
        case ExpectedNoDirect():
            return _STALE_DIRECTS, (change.tenant, direct_key(expected.users))
        case _:
            assert_never(expected)


def _write_events(connection: apsw.Connection, change: Change, numbering: Numbering) -> tuple[Event, ...]:
    events = []
    for new in change.events:
        if new.conversation_id not in numbering.seqs:
            numbering.seqs[new.conversation_id] = connection.execute(_LAST_SEQ, (new.conversation_id,)).get or 0
        events.append(numbered(change.tenant, new, *numbering.next(new.conversation_id)))
    projection.project(connection, events)
    projection.insert_events(connection, events)
    return tuple(events)
