"""Reads the log that a service left behind: from SQLite, from PostgreSQL, or from a file in which it was kept.

Plain SQL and nothing of the service's own code. The database is also asked for rows that contradict one another.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec

from tests.fault.log import Interval, Log, LoggedEvent, StoredMessage

Rows = Sequence[Sequence[Any]]

_EVENTS = """
SELECT position, tag, conversation_id, seq, kind, coalesce(message_id, ''), coalesce(audience, ''), coalesce(facts, '')
FROM event ORDER BY position
"""
_MESSAGES = """
SELECT id, conversation_id, seq, sender_id, client_message_id, body, version, deleted_at IS NOT NULL FROM message
"""
_MEMBERSHIPS = """
SELECT user_id, conversation_id, first_position, coalesce(last_position, 0) FROM membership
ORDER BY user_id, conversation_id, first_position
"""
AUDITS = {
    "more than one message of a client message id": """
        SELECT conversation_id, sender_id, client_message_id FROM message GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "a message without an event of its creation, or with several": """
        SELECT m.id FROM message m LEFT JOIN (
            SELECT message_id, count(*) AS times FROM event WHERE kind = 'message.created' GROUP BY message_id
        ) e ON e.message_id = m.id WHERE e.times IS NULL OR e.times > 1
    """,
    "an event of a message or a conversation that is not there": """
        SELECT e.position FROM event e LEFT JOIN message m ON m.id = e.message_id
        LEFT JOIN conversation c ON c.id = e.conversation_id
        WHERE c.id IS NULL OR (e.message_id IS NOT NULL AND m.id IS NULL)
    """,
    "a conversation without an event of its creation": """
        SELECT c.id FROM conversation c WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.conversation_id = c.id)
    """,
    "a participant who is present without an open membership, or absent with one, or with several": """
        SELECT p.conversation_id, p.user_id FROM participant p WHERE (p.left_at IS NULL) <> (1 = (
            SELECT count(*) FROM membership i
            WHERE i.conversation_id = p.conversation_id AND i.user_id = p.user_id AND i.last_position IS NULL
        )) AND NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = p.conversation_id AND c.deleted_at IS NOT NULL)
    """,
    "a read marker beyond the conversation's end": """
        SELECT p.conversation_id, p.user_id FROM participant p
        WHERE p.read_seq > (SELECT max(e.seq) FROM event e WHERE e.conversation_id = p.conversation_id)
    """,
}
"""Each finds rows only if something is wrong. None goes through a table once for each row of another."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A log in a file."""

    events: Sequence[LoggedEvent]
    messages: Sequence[StoredMessage]
    memberships: Sequence[tuple[str, str, int, int]]
    faults: Sequence[str]


def read_stored_log(database: Path | str) -> Log:
    """Read the database of a service, running or not, or a file that ``keep_log`` wrote. Not on an event loop."""
    if str(database).startswith("postgres"):
        return asyncio.run(_read_postgres(str(database)))
    kept = Path(database)
    if kept.suffix == ".json":
        return _log_of_kept(msgspec.json.decode(kept.read_bytes(), type=_Kept))
    return _read_sqlite(kept)


def keep_log(path: Path, log: Log) -> None:
    """Keep a log in a file whose name ends in ``.json``, for when its database is gone."""
    memberships = [
        (user, conversation_id, each.first, each.last)
        for (user, conversation_id), intervals in (log.memberships or {}).items()
        for each in intervals
    ]
    path.write_bytes(msgspec.json.encode(_Kept(log.events, log.messages, memberships, log.faults)))


def _read_sqlite(path: Path) -> Log:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        for _ in connection.execute("PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0; BEGIN"):
            pass
        health = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        faults = [each for each in health if each != "ok"]
        for meaning, audit in AUDITS.items():
            faults += _found(meaning, list(connection.execute(audit)))
        events, messages, memberships = (
            list(connection.execute(statement)) for statement in (_EVENTS, _MESSAGES, _MEMBERSHIPS)
        )
    finally:
        connection.close()
    return _log_of(events, messages, memberships, faults)


async def _read_postgres(url: str) -> Log:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            faults: list[str] = []
            for meaning, audit in AUDITS.items():
                faults += _found(meaning, [tuple(row) for row in await connection.fetch(audit)])
            events, messages, memberships = [
                [tuple(row) for row in await connection.fetch(statement)]
                for statement in (_EVENTS, _MESSAGES, _MEMBERSHIPS)
            ]
    finally:
        await connection.close()
    return _log_of(events, messages, memberships, faults)


def _found(meaning: str, rows: Rows) -> list[str]:
    return [f"{meaning}: {', '.join(map(str, row))}" for row in rows]


def _log_of(events: Rows, messages: Rows, memberships: Rows, faults: Sequence[str]) -> Log:
    return Log(
        [_event_of(row) for row in events], [_message_of(row) for row in messages], _intervals_of(memberships), faults
    )


def _log_of_kept(kept: _Kept) -> Log:
    return Log(kept.events, kept.messages, _intervals_of(kept.memberships), kept.faults)


def _intervals_of(memberships: Rows) -> dict[tuple[str, str], Sequence[Interval]]:
    found: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    for user, conversation_id, first, last in memberships:
        found[user, conversation_id].append(Interval(first, last))
    return dict(found)


def _message_of(row: Sequence[Any]) -> StoredMessage:
    message = StoredMessage(*row)
    return replace(message, deleted=bool(message.deleted))  # SQLite says 0 or 1.


def _event_of(row: Iterable[Any]) -> LoggedEvent:
    position, tag, conversation_id, seq, kind, message_id, audience, facts = row
    body = json.loads(facts) if facts else {}
    joins: tuple[str, ...] = ()
    if kind == "conversation.created":
        joins = tuple(each["user_id"] for each in body["participants"])
    elif kind == "participant.added":
        joins = (body["participant"]["user_id"],)
    leaves = body["participant"]["user_id"] if kind == "participant.removed" else ""
    visibility = body["conversation"]["visibility"] if kind.startswith("conversation.") else ""
    return LoggedEvent(
        position,
        tag,
        conversation_id,
        seq,
        kind,
        message_id=message_id,
        audience=audience,
        joins=joins,
        leaves=leaves,
        visibility=visibility,
    )
