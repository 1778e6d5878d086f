"""What is in an envelope: MessagePack, each event, signal or takeover encoded by itself and then put into a row.

An event's body is one of three types without a mark of its own, so it is the event that is marked, by the type of its
body; the fields stand in order, without names, which only the bodies have.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar, assert_never

import msgspec

from sanctum_messaging.adapters.redis.envelope import RejectedError
from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventKind,
    MessageChange,
    ParticipantChange,
    Signal,
)
from sanctum_messaging.domain.model import ConversationId, Millis, Position, Seq, TenantId, UserId
from sanctum_messaging.ports.resume_store import Takeover

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

MAX_ROW = 2**16 - 1
"""What the two bytes that count a row can hold."""


class _Event(msgspec.Struct, array_like=True, frozen=True):
    position: Position
    tag: str
    tenant: TenantId
    conversation_id: ConversationId
    seq: Seq
    kind: EventKind
    actor_id: UserId
    at: Millis


class _OfMessage(_Event, frozen=True, tag="m"):
    body: MessageChange


class _OfParticipant(_Event, frozen=True, tag="p"):
    body: ParticipantChange


class _OfConversation(_Event, frozen=True, tag="c"):
    body: ConversationChange


# The constructor of a frozen class looks each field up by its name; these write to the places where the fields are.
(
    _set_position,
    _set_tag,
    _set_tenant,
    _set_conversation_id,
    _set_seq,
    _set_kind,
    _set_actor_id,
    _set_at,
    _set_body,
) = (vars(Event)[each.name].__set__ for each in fields(Event))

_encoder = msgspec.msgpack.Encoder()
_events = msgspec.msgpack.Decoder(list[_OfMessage | _OfParticipant | _OfConversation])
_signals = msgspec.msgpack.Decoder(list[Signal])
_takeovers = msgspec.msgpack.Decoder(list[Takeover])


def encode_event(event: Event) -> bytes:
    """Encode an event."""
    body = event.body
    head = (event.position, event.tag, event.tenant, event.conversation_id, event.seq, event.kind)
    match body:
        case MessageChange():
            return _encoder.encode(_OfMessage(*head, event.actor_id, event.at, body))
        case ParticipantChange():
            return _encoder.encode(_OfParticipant(*head, event.actor_id, event.at, body))
        case ConversationChange():
            return _encoder.encode(_OfConversation(*head, event.actor_id, event.at, body))
        case _:
            assert_never(body)


def encode_hint(hint: Signal | Takeover) -> bytes:
    """Encode a signal or a takeover."""
    return _encoder.encode(hint)


def encode_row(encoded: Sequence[bytes]) -> bytes:
    """Put what was encoded one by one into one content, without looking at it again."""
    return b"".join((b"\xdc", len(encoded).to_bytes(2, "big"), *encoded))


def decode_events(content: bytes) -> tuple[Event, ...]:
    """Decode a row of events. Raises ``RejectedError``: it holds something else."""
    return tuple([_event_of(each) for each in _decode(_events, content)])


def decode_signals(content: bytes) -> list[Signal]:
    """Decode a row of signals. Raises ``RejectedError``: it holds something else."""
    return _decode(_signals, content)


def decode_takeovers(content: bytes) -> list[Takeover]:
    """Decode a row of takeovers. Raises ``RejectedError``: it holds something else."""
    return _decode(_takeovers, content)


def _event_of(decoded: _OfMessage | _OfParticipant | _OfConversation) -> Event:
    """Make the event as its constructor would, in half the time: every instance does it for every event of the log."""
    event: Event = object.__new__(Event)
    _set_position(event, decoded.position)
    _set_tag(event, decoded.tag)
    _set_tenant(event, decoded.tenant)
    _set_conversation_id(event, decoded.conversation_id)
    _set_seq(event, decoded.seq)
    _set_kind(event, decoded.kind)
    _set_actor_id(event, decoded.actor_id)
    _set_at(event, decoded.at)
    _set_body(event, decoded.body)
    return event


def _decode(decoder: msgspec.msgpack.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RejectedError("garbled") from error
