"""What happens, as the application is given it: events, requests to read the lists again, and signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw, UnsetType

from sanctum_messaging.protocol.frames import Resync
from sanctum_messaging.protocol.resources import (
    ConversationData,
    ConversationResource,
    MessageData,
    MessageResource,
    ParticipantData,
    ParticipantResource,
)

if TYPE_CHECKING:
    from sanctum_messaging.protocol.client_session import ReceivedEvent
    from sanctum_messaging.protocol.frames import SignalFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One durable fact; of a kind that this client does not know, unless it is one of the three below.

    ``data`` is what the event carries, as it came. ``seq`` has holes, which mean nothing.
    """

    cursor: str
    conversation_id: str
    seq: int
    type: str
    actor_id: str
    at: str
    data: Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent(Event):
    """A message was created, updated or deleted; ``message`` is as it is now, see ``Messages``."""

    message: MessageResource


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantEvent(Event):
    """A participant was added (with the conversation), updated, or removed (with the reason)."""

    participant: ParticipantResource
    conversation: ConversationResource | None = None
    reason: Literal["removed", "left"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationEvent(Event):
    """A conversation was created (with its participants), updated or deleted."""

    conversation: ConversationResource
    participants: tuple[ParticipantResource, ...] = ()


@dataclass(frozen=True, slots=True)
class TypingSignal:
    """Someone types, or stopped. It counts as ended after 6 s; it may be lost, and is never repeated."""

    conversation_id: str
    user_id: str
    on: bool


@dataclass(frozen=True, slots=True)
class ReadSignal:
    """Someone's read marker moved; it may be lost, and is never repeated."""

    conversation_id: str
    user_id: str
    seq: int


Happening = Event | Resync | TypingSignal | ReadSignal
"""What ``Client.events`` gives. A ``Resync`` is handled by reading the lists, and what else is shown, again."""


def present_event(received: ReceivedEvent) -> Event:
    """Read what an event carries; one that a newer service writes in another form is given as it came."""
    fields: dict[str, Any] = {name: getattr(received, name) for name in Event.__dataclass_fields__}
    try:
        match received.type.partition(".")[0]:
            case "message":
                return MessageEvent(**fields, message=_message_decoder.decode(received.data).message)
            case "participant":
                return _present_participant(fields, _participant_decoder.decode(received.data))
            case "conversation":
                return _present_conversation(fields, _conversation_decoder.decode(received.data))
            case _:
                return Event(**fields)
    except msgspec.ValidationError:
        return Event(**fields)


def present_signal(signal: SignalFrame) -> TypingSignal | ReadSignal | None:
    """Read a signal; none if it is incomplete."""
    if isinstance(signal.on, bool):
        return TypingSignal(signal.conversation_id, signal.user_id, signal.on)
    if isinstance(signal.seq, int):
        return ReadSignal(signal.conversation_id, signal.user_id, signal.seq)
    return None


def _present_participant(fields: dict[str, Any], data: ParticipantData) -> ParticipantEvent:
    return ParticipantEvent(
        **fields,
        participant=data.participant,
        conversation=None if isinstance(data.conversation, UnsetType) else data.conversation,
        reason=None if isinstance(data.reason, UnsetType) else data.reason,
    )


def _present_conversation(fields: dict[str, Any], data: ConversationData) -> ConversationEvent:
    participants = () if isinstance(data.participants, UnsetType) else tuple(data.participants)
    return ConversationEvent(**fields, conversation=data.conversation, participants=participants)


_message_decoder = msgspec.json.Decoder(MessageData)
_participant_decoder = msgspec.json.Decoder(ParticipantData)
_conversation_decoder = msgspec.json.Decoder(ConversationData)
