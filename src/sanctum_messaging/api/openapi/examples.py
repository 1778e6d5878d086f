"""One example of each thing that the API takes and gives; a test holds them to their schemas."""

from __future__ import annotations

from typing import Any

_CONVERSATION_ID = "01981f6e-7a3c-7c21-9d4e-5b1f0a2c3d4e"
_MESSAGE_ID = "01981f6f-02b1-7e55-8a10-6c2d1e3f4a5b"
_AT = "2026-11-22T09:30:00.000Z"

_MESSAGE = {
    "id": _MESSAGE_ID,
    "conversationId": _CONVERSATION_ID,
    "seq": 2,
    "senderId": "alice",
    "deviceId": "laptop",
    "clientMessageId": "5f0c1b9e",
    "type": "text",
    "body": "Lunch at noon?",
    "metadata": {"mentions": ["bob"]},
    "replyTo": None,
    "createdAt": _AT,
    "editedAt": None,
    "deletedAt": None,
    "version": 1,
}
_CONVERSATION = {
    "id": _CONVERSATION_ID,
    "kind": "group",
    "title": "Lunch",
    "metadata": {"color": "green"},
    "historyVisibility": "all",
    "createdBy": "alice",
    "createdAt": _AT,
    "version": 1,
    "lastSeq": 2,
}
_PARTICIPANT = {"userId": "bob", "role": "member", "joinedAt": _AT, "leftAt": None}
_OWN_MARKS = {"muted": False, "hidden": False, "pinned": True}
_ITEM = {**_CONVERSATION, "role": "owner", "readSeq": 1, "unreadCount": 1, "lastMessage": _MESSAGE, **_OWN_MARKS}
_EVENT = {
    "op": "event",
    "cursor": "4711-9f3a1c07",
    "conversationId": _CONVERSATION_ID,
    "seq": 2,
    "type": "message.created",
    "actorId": "alice",
    "at": _AT,
    "data": {"message": _MESSAGE},
}

EXAMPLES: dict[str, Any] = {
    "AddSeveralParticipants": {"participants": [{"userId": "bob"}, {"userId": "carol", "role": "admin"}]},
    "ConversationItem": _ITEM,
    "ConversationResource": _CONVERSATION,
    "ConversationResult": {"conversation": _CONVERSATION},
    "ConversationsPage": {"conversations": [_ITEM], "nextCursor": None, "streamCursor": "4711-9f3a1c07"},
    "CreateConversation": {
        "kind": "group",
        "title": "Lunch",
        "metadata": {"color": "green"},
        "participants": [{"userId": "bob"}, {"userId": "carol", "role": "admin"}],
    },
    "EditMessage": {"body": "Lunch at one?"},
    "EventResource": _EVENT,
    "HealthResult": {"status": "ok"},
    "MessageResource": _MESSAGE,
    "MessageResult": {"message": _MESSAGE},
    "MessagesPage": {"messages": [_MESSAGE], "hasMore": False},
    "MoveReadMarker": {"seq": 2},
    "NewParticipant": {"userId": "bob", "role": "member"},
    "ParticipantResource": _PARTICIPANT,
    "ParticipantResult": {"participant": _PARTICIPANT},
    "ParticipantsPage": {"participants": [_PARTICIPANT], "nextCursor": None},
    "ParticipantsResult": {"participants": [_PARTICIPANT]},
    "ReadResult": {"readSeq": 2, "unreadCount": 0},
    "ReadinessResult": {"status": "degraded", "reasons": ["bus_silent"]},
    "SendMessage": {
        "conversationId": _CONVERSATION_ID,
        "clientMessageId": "5f0c1b9e",
        "body": "Lunch at noon?",
        "metadata": {"mentions": ["bob"]},
    },
    "SyncPage": {"events": [_EVENT], "cursor": "4711-9f3a1c07", "hasMore": False},
    "UnreadResult": {"total": 3, "conversations": 2},
    "UpdateConversation": {"title": "Late lunch", "metadata": {"color": None}},
    "UpdateParticipant": {"role": "admin"},
}
