"""One example of each thing that the API takes and gives, taken from the story."""

from __future__ import annotations

from typing import Any

from sanctum_messaging.api.openapi import story

EXAMPLES: dict[str, Any] = {
    "AddSeveralParticipants": story.SEVERAL,
    "ConversationData": {"conversation": story.CONVERSATION, "participants": story.PRESENT[:1]},
    "ConversationItem": story.ITEM,
    "ConversationResource": story.CONVERSATION,
    "ConversationResult": {"conversation": story.CONVERSATION},
    "ConversationsPage": {"conversations": [story.ITEM], "nextCursor": None, "streamCursor": story.SENT},
    "CreateConversation": story.NEW_CONVERSATION,
    "EditMessage": {"body": "Lunch at one?"},
    "EventResource": story.EVENT,
    "FieldProblem": {"field": "participants[0].userId", "code": "too_short"},
    "HealthResult": {"status": "ok"},
    "MessageData": {"message": story.MESSAGE},
    "MessageResource": story.MESSAGE,
    "MessageResult": {"message": story.MESSAGE},
    "MessagesPage": {"messages": [story.MESSAGE], "hasMore": False},
    "MoveReadMarker": {"seq": 2},
    "NewParticipant": {"userId": "bob", "role": "member"},
    "ParticipantData": {"participant": story.DAVE, "conversation": story.CONVERSATION_SEEN},
    "ParticipantResource": story.DAVE,
    "ParticipantResult": {"participant": story.DAVE},
    "ParticipantsPage": {"participants": story.PRESENT, "nextCursor": None},
    "ParticipantsResult": {"participants": [story.DAVE, story.ERIN]},
    "RateLimitResource": story.LIMIT,
    "RateLimitsResult": {"limits": [story.LIMIT]},
    "ReadResult": {"readSeq": 2, "unreadCount": 0},
    "ReadinessResult": {"status": "ready", "reasons": []},
    "SendMessage": story.NEW_MESSAGE,
    "SyncPage": {"events": [story.EVENT, story.EVENT_OF_EDIT], "cursor": story.EDITED, "hasMore": True},
    "UnreadResult": {"total": 1, "conversations": 1},
    "UpdateConversation": {"title": "Late lunch", "metadata": {"color": None}},
    "UpdateParticipant": {"role": "admin"},
}
