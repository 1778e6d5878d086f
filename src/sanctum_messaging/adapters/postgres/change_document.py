"""A change as the document that the function ``append_change`` takes; its migration says what each part means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from sanctum_messaging.adapters.sql.appends import as_of, facts_of
from sanctum_messaging.adapters.sql.idempotency import KEPT_MS
from sanctum_messaging.adapters.sql.rows import direct_key
from sanctum_messaging.domain.events import ConversationChange, EventKind, MessageChange, ParticipantChange
from sanctum_messaging.domain.model import ConversationKind, Seq
from sanctum_messaging.ports.log import (
    ExpectedConversation,
    ExpectedMessage,
    ExpectedNoDirect,
    ExpectedParticipant,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.events import NewEvent
    from sanctum_messaging.domain.model import Millis, Participant
    from sanctum_messaging.ports.log import Change, Expected, Idempotency

_SEQ_TO_COME = Seq(-1)
"""Stands in a snapshot for the seq that only the lock gives; the function puts that in its place. No text within JSON
looks like the field, since quotes are escaped there."""


def document_of(
    change: Change, tags: Sequence[str], now: Millis, *, idempotency: Idempotency | None, attempt: str
) -> str:
    """Write the document. ``tags`` are those of the events; ``attempt`` is the same in every repeat of the call."""
    document: dict[str, Any] = {
        "tenant": change.tenant,
        "now": now,
        "kept_after": now - KEPT_MS,
        "expected": _expected(change.expected),
        "events": [_event(new, tag) for new, tag in zip(change.events, tags, strict=True)],
        "joins": [
            {"n": n, **_participant(joining)} for n, new in enumerate(change.events, 1) for joining in _joining(new)
        ],
    }
    if change.events:
        document["conversation_id"] = change.events[0].conversation_id
    if idempotency is not None:
        document["idempotency"] = {
            "user_id": idempotency.user_id,
            "key": idempotency.key,
            "fingerprint": idempotency.fingerprint,
            "answer": msgspec.json.encode(change.answer).decode(),
            "attempt": attempt,
        }
    return msgspec.json.encode(document).decode()


def _expected(expected: Sequence[Expected]) -> dict[str, list[object]]:
    rows: dict[str, list[object]] = {"conversations": [], "participants": [], "messages": [], "directs": []}
    for each in expected:
        match each:
            case ExpectedConversation():
                rows["conversations"].append(each)
            case ExpectedParticipant():
                rows["participants"].append(each)
            case ExpectedMessage():
                rows["messages"].append(each)
            case ExpectedNoDirect():
                rows["directs"].append(direct_key(each.users))
            case _:
                assert_never(each)
    return rows


def _event(new: NewEvent, tag: str) -> dict[str, Any]:
    _, audience, facts = facts_of(as_of(new.body, _SEQ_TO_COME))
    event = {"tag": tag, "kind": new.kind, "actor_id": new.actor_id, "at": new.at, "audience": audience, "facts": facts}
    return event | _written(new)


def _written(new: NewEvent) -> dict[str, Any]:
    """Say what an event writes to the state tables, joins aside."""
    match new.body:
        case MessageChange():
            return {"message": new.body.message}
        case ParticipantChange():
            joins = new.kind is EventKind.PARTICIPANT_ADDED
            return {} if joins else {"participant": _participant(new.body.participant)}
        case ConversationChange() if new.kind is EventKind.CONVERSATION_DELETED:
            return {"deletion": {"version": new.body.conversation.version}}
        case ConversationChange():
            return {"conversation": _conversation(new.body)}
        case _:
            assert_never(new.body)


def _joining(new: NewEvent) -> Sequence[Participant]:
    match new.body:
        case ParticipantChange() if new.kind is EventKind.PARTICIPANT_ADDED:
            return (new.body.participant,)
        case ConversationChange() if new.kind is not EventKind.CONVERSATION_DELETED:
            return new.body.participants
        case _:
            return ()


def _conversation(body: ConversationChange) -> dict[str, Any]:
    conversation = body.conversation
    named = conversation.kind is ConversationKind.DIRECT and body.participants
    return {
        "kind": conversation.kind,
        "title": conversation.title,
        "metadata": conversation.metadata,
        "visibility": conversation.visibility,
        "created_by": conversation.created_by,
        "created_at": conversation.created_at,
        "version": conversation.version,
        "direct_key": direct_key([each.user_id for each in body.participants]) if named else None,
    }


def _participant(participant: Participant) -> dict[str, Any]:
    return {
        "user_id": participant.user_id,
        "role": participant.role,
        "joined_at": participant.joined_at,
        "left_at": participant.left_at,
        "version": participant.version,
        "muted": participant.muted,
        "hidden": participant.hidden,
        "pinned": participant.pinned,
    }
