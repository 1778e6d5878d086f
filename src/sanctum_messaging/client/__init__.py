"""The Python client: events that come once, messages that go out once, and the HTTP API, over any number of reconnects.

See docs/clients.md. What is listed here is what an application needs; everything else may change.
"""

from sanctum_messaging.client.api import API
from sanctum_messaging.client.client import Client
from sanctum_messaging.client.errors import (
    ClientClosed,
    ConnectionEnded,
    OutboxFull,
    Refused,
    SanctumError,
    Unauthenticated,
    Unreachable,
)
from sanctum_messaging.client.events import (
    ConversationEvent,
    Event,
    Happening,
    MessageEvent,
    ParticipantEvent,
    ReadSignal,
    TypingSignal,
)
from sanctum_messaging.client.lasting import State
from sanctum_messaging.client.messages import Messages
from sanctum_messaging.client.outbox_storage import FileOutbox, MemoryOutbox, OutboxStorage, Outgoing
from sanctum_messaging.client.sending import Sending
from sanctum_messaging.client.storage import FileStorage, MemoryStorage, Place, Storage
from sanctum_messaging.client.stream import EventsPage
from sanctum_messaging.protocol.frames import Resync
from sanctum_messaging.protocol.requests import NewParticipant, SendMessage
from sanctum_messaging.protocol.resources import (
    ConversationItem,
    ConversationResource,
    MessageResource,
    ParticipantResource,
    Problem,
)

__all__ = [
    "API",
    "Client",
    "ClientClosed",
    "ConnectionEnded",
    "ConversationEvent",
    "ConversationItem",
    "ConversationResource",
    "Event",
    "EventsPage",
    "FileOutbox",
    "FileStorage",
    "Happening",
    "MemoryOutbox",
    "MemoryStorage",
    "MessageEvent",
    "MessageResource",
    "Messages",
    "NewParticipant",
    "OutboxFull",
    "OutboxStorage",
    "Outgoing",
    "ParticipantEvent",
    "ParticipantResource",
    "Place",
    "Problem",
    "ReadSignal",
    "Refused",
    "Resync",
    "SanctumError",
    "SendMessage",
    "Sending",
    "State",
    "Storage",
    "TypingSignal",
    "Unauthenticated",
    "Unreachable",
]
