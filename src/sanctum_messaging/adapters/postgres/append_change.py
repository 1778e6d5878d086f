"""The append of anything but a send: one call of the function ``append_change``, which takes it as one document."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.adapters.postgres.change_document import document_of
from sanctum_messaging.adapters.sql.appends import draw_tags, numbered
from sanctum_messaging.adapters.sql.idempotency import decode_answer, key_reused
from sanctum_messaging.domain.events import Committed
from sanctum_messaging.domain.model import Cursor, Position, Seq, UserId
from sanctum_messaging.ports.log import Appended, Idempotency
from sanctum_messaging.ports.store import ChangeOutcome

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    import asyncpg

    from sanctum_messaging.adapters.postgres.database import Database
    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports.log import Change

    Outcome: TypeAlias = Literal["appended", "stale", "known", "reused"]

_APPEND = "SELECT * FROM append_change($1)"
_NOBODY = UserId("")
"""Who the keys belong to that the server makes; no user has this id."""


async def append_change(database: Database, change: Change, now: Millis) -> ChangeOutcome:
    """Append a change if its expectations hold.

    After a lost connection it is repeated if an idempotency row tells whether it was committed. What creates something
    and came without a key gets one here, so that the repeat of a lost attempt can't create it twice.
    """
    idempotency = change.idempotency
    if idempotency is None and change.answer.created:
        idempotency = Idempotency(_NOBODY, secrets.token_hex(16), "")
    tags = draw_tags(len(change.events))
    document = document_of(change, tags, now, idempotency=idempotency, attempt=secrets.token_hex(8))
    rows = await database.append(_APPEND, document, repeatable=idempotency is not None)
    return _outcome_of(change, tags, rows[0])


def _outcome_of(change: Change, tags: list[str], row: asyncpg.Record) -> ChangeOutcome:
    outcome: Outcome = row["outcome"]
    match outcome:
        case "stale":
            return ChangeOutcome("stale", None)
        case "reused":
            return ChangeOutcome(key_reused(), None)
        case "known" if row["head_tag"] is None:
            return ChangeOutcome(Appended(decode_answer(row["answer"]), replayed=True), None)
        case "known" | "appended":
            before = Cursor(Position(row["head_position"]), row["head_tag"])
            events = _events_of(change, tags, before, row["last_seq"])
            return ChangeOutcome(Appended(change.answer, events), Committed(before, events))
        case _:
            assert_never(outcome)


def _events_of(change: Change, tags: list[str], before: Cursor, last_seq: int) -> tuple[Event, ...]:
    return tuple(
        numbered(change.tenant, new, Cursor(Position(before.position + n), tag), Seq(last_seq + n))
        for n, (new, tag) in enumerate(zip(change.events, tags, strict=True), 1)
    )
