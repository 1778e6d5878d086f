"""From the domain to the wire: the one place where a field gets its wire name and a time its text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import asdict

from sanctum_messaging.domain.errors import CursorLostError, PreconditionError, RateLimitedError, SanctumError
from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventBody,
    MessageChange,
    ParticipantChange,
    Signal,
)
from sanctum_messaging.domain.model import (
    Actor,
    Conversation,
    ConversationView,
    Message,
    Millis,
    Participant,
    ReadMarker,
)
from sanctum_messaging.protocol.answers import RateLimitResource
from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.protocol.frames import EventFrame, SignalFrame
from sanctum_messaging.protocol.resources import (
    ConversationData,
    ConversationItem,
    ConversationResource,
    FieldProblem,
    MessageData,
    MessageResource,
    ParticipantData,
    ParticipantResource,
    Problem,
    ReadResult,
)

if TYPE_CHECKING:
    from sanctum_messaging.domain.limits import Level

_encoder = msgspec.json.Encoder()
_NULL = Raw(b"null")


def present_time(at: Millis) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    second, millis = divmod(at, 1000)
    return f"{_present_second(second)}.{millis:03d}Z"


@lru_cache(maxsize=1024)
def _present_second(second: int) -> str:
    """Write the part that the messages of one second share; most that is presented together is of few seconds."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _present_time_or_none(at: Millis | None) -> str | None:
    return None if at is None else present_time(at)


def present_message(message: Message) -> MessageResource:
    """Present a message; its metadata goes out as it came in."""
    return MessageResource(
        id=message.id,
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=message.sender_id,
        device_id=message.device_id,
        client_message_id=message.client_message_id,
        type=message.type,
        body=message.body,
        metadata=_NULL if message.metadata is None else Raw(message.metadata.encode()),
        reply_to=message.reply_to,
        created_at=present_time(message.created_at),
        edited_at=_present_time_or_none(message.edited_at),
        deleted_at=_present_time_or_none(message.deleted_at),
        version=message.version,
    )


def present_participant(participant: Participant, *, own: bool = False) -> ParticipantResource:
    """Present a participant; with ``own``, also what only he himself may see."""
    return ParticipantResource(
        user_id=participant.user_id,
        role=participant.role.value,
        joined_at=present_time(participant.joined_at),
        left_at=_present_time_or_none(participant.left_at),
        muted=participant.muted if own else UNSET,
        hidden=participant.hidden if own else UNSET,
        pinned=participant.pinned if own else UNSET,
    )


def present_conversation(conversation: Conversation) -> ConversationResource:
    """Present a conversation."""
    return ConversationResource(
        id=conversation.id,
        kind=conversation.kind.value,
        title=conversation.title,
        metadata=Raw(conversation.metadata.encode()),
        history_visibility=conversation.visibility.value,
        created_by=conversation.created_by,
        created_at=present_time(conversation.created_at),
        version=conversation.version,
        last_seq=conversation.last_seq,
    )


def present_conversation_view(view: ConversationView) -> ConversationItem:
    """Present a line of a user's list of conversations."""
    return ConversationItem(
        **asdict(present_conversation(view.conversation)),
        role=view.participant.role.value,
        read_seq=view.read_seq,
        unread_count=view.unread_count,
        last_message=None if view.last_message is None else present_message(view.last_message),
        muted=view.participant.muted,
        hidden=view.participant.hidden,
        pinned=view.participant.pinned,
    )


def present_read_marker(marker: ReadMarker) -> ReadResult:
    """Present how far a user has read."""
    return ReadResult(read_seq=marker.read_seq, unread_count=marker.unread_count)


def present_level(level: Level) -> RateLimitResource:
    """Present a limit with what is left of it."""
    limit = level.limit
    return RateLimitResource(
        name=limit.name,
        scope=limit.scope.value,
        max=limit.max,
        interval_ms=limit.interval_ms,
        remaining=level.remaining,
        reset_ms=level.reset_ms,
    )


def encode_event(event: Event) -> bytes:
    """Encode an event's frame: the same bytes wherever the same version of it is shown."""
    return _encoder.encode(
        EventFrame(
            cursor=str(event.cursor),
            conversation_id=event.conversation_id,
            seq=event.seq,
            type=event.kind.value,
            actor_id=event.actor_id,
            at=present_time(event.at),
            data=_present_body(event.body),
        )
    )


def _present_body(body: EventBody) -> MessageData | ParticipantData | ConversationData:
    match body:
        case MessageChange():
            return MessageData(message=present_message(body.message))
        case ParticipantChange():
            return ParticipantData(
                participant=present_participant(body.participant, own=body.private),
                conversation=UNSET if body.conversation is None else present_conversation(body.conversation),
                reason=UNSET if body.reason is None else body.reason.value,
            )
        case ConversationChange():
            return ConversationData(
                conversation=present_conversation(body.conversation),
                participants=[present_participant(each) for each in body.participants] or UNSET,
            )
        case _:
            assert_never(body)


def present_signal(signal: Signal) -> SignalFrame:
    """Present a signal."""
    return SignalFrame(
        type=signal.kind.value,
        conversation_id=signal.conversation_id,
        user_id=signal.user_id,
        on=UNSET if signal.on is None else signal.on,
        seq=UNSET if signal.seq is None else signal.seq,
    )


def present_problem(error: SanctumError, request_id: str) -> Problem:
    """Present a refusal: the same object over HTTP and on the socket; never an exception's own text."""
    kind = PROBLEMS[error.code]
    return Problem(
        type=f"urn:sanctum:problem:{error.code}",
        title=kind.title,
        status=kind.status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        retryable=kind.retryable,
        retry_after_ms=UNSET if error.retry_after_ms is None else error.retry_after_ms,
        scope=error.scope if isinstance(error, RateLimitedError) else UNSET,
        version=error.version if isinstance(error, PreconditionError) and error.version is not None else UNSET,
        cursor=str(error.cursor) if isinstance(error, CursorLostError) else UNSET,
        errors=[FieldProblem(field=fault.field, code=fault.code) for fault in error.faults] or UNSET,
    )


def name_actor(actor: Actor) -> dict[str, str]:
    """Name a caller to the operator: whom he acts as, and, if that is somebody else, who he is."""
    named: dict[str, str] = {
        "tenant": actor.tenant,
        "user": actor.user,
        "device": actor.device,
        "session": actor.session,
    }
    if actor.impersonating:
        named["bearer"] = actor.bearer
    return named
