"""A little story: Alice, Bob and Carol agree on a lunch. Every example of the document is taken from it.

A test lives through it on a running service, and compares what that answers with what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

CONVERSATION_ID = "01981f6e-7a3c-7c21-9d4e-5b1f0a2c3d4e"
DIRECT_ID = "01981f8a-4e10-7b64-a3f2-0d9c8b7a6e5f"
MESSAGE_ID = "01981f6f-02b1-7e55-8a10-6c2d1e3f4a5b"
CREATED = "1-9f3a1c07"
SENT = "2-41d7e0b2"
EDITED = "3-c80562fa"

_CREATED_AT = "2026-11-22T09:30:00.000Z"
_SENT_AT = "2026-11-22T09:31:07.512Z"
_EDITED_AT = "2026-11-22T09:32:40.031Z"
_DAVE_AT = "2026-11-22T09:34:02.690Z"
_ERIN_AT = "2026-11-22T09:35:48.127Z"
_DIRECT_AT = "2026-11-22T10:02:15.204Z"

CONVERSATION: Json = {
    "id": CONVERSATION_ID,
    "kind": "group",
    "title": "Lunch",
    "metadata": {"color": "green"},
    "historyVisibility": "all",
    "createdBy": "alice",
    "createdAt": _CREATED_AT,
    "version": 1,
    "lastSeq": 1,
}
CONVERSATION_SEEN: Json = {**CONVERSATION, "lastSeq": 2}
CONVERSATION_CHANGED: Json = {**CONVERSATION, "title": "Late lunch", "metadata": {}, "version": 2, "lastSeq": 8}
DIRECT: Json = {
    **CONVERSATION,
    "id": DIRECT_ID,
    "kind": "direct",
    "title": None,
    "metadata": {},
    "createdAt": _DIRECT_AT,
}
MESSAGE: Json = {
    "id": MESSAGE_ID,
    "conversationId": CONVERSATION_ID,
    "seq": 2,
    "senderId": "alice",
    "deviceId": "laptop",
    "clientMessageId": "5f0c1b9e",
    "type": "text",
    "body": "Lunch at noon?",
    "metadata": {"mentions": ["bob"]},
    "replyTo": None,
    "createdAt": _SENT_AT,
    "editedAt": None,
    "deletedAt": None,
    "version": 1,
}
MESSAGE_EDITED: Json = {**MESSAGE, "body": "Lunch at one?", "editedAt": _EDITED_AT, "version": 2}
NEW_MESSAGE: Json = {
    "conversationId": CONVERSATION_ID,
    "clientMessageId": "5f0c1b9e",
    "body": "Lunch at noon?",
    "metadata": {"mentions": ["bob"]},
}
NEW_CONVERSATION: Json = {
    "kind": "group",
    "title": "Lunch",
    "metadata": {"color": "green"},
    "participants": [{"userId": "bob"}, {"userId": "carol", "role": "admin"}],
}
NEW_DIRECT: Json = {"kind": "direct", "participants": [{"userId": "bob"}]}
SEVERAL: Json = {"participants": [{"userId": "dave"}, {"userId": "erin", "role": "observer"}]}
MARKS: Json = {"muted": False, "hidden": False, "pinned": False}
ITEM: Json = {
    **CONVERSATION_SEEN,
    "role": "member",
    "readSeq": 1,
    "unreadCount": 1,
    "lastMessage": MESSAGE,
    **MARKS,
}
# The text of an event is the present one: what was sent shows up as it was edited since.
EVENT: Json = {
    "op": "event",
    "cursor": SENT,
    "conversationId": CONVERSATION_ID,
    "seq": 2,
    "type": "message.created",
    "actorId": "alice",
    "at": _SENT_AT,
    "data": {"message": MESSAGE_EDITED},
}
EVENT_OF_EDIT: Json = {**EVENT, "cursor": EDITED, "seq": 3, "type": "message.updated", "at": _EDITED_AT}


def participant(user_id: str, role: str = "member", *, joined_at: str = _CREATED_AT, **marks: bool) -> Json:
    """Describe someone in the conversation."""
    return {"userId": user_id, "role": role, "joinedAt": joined_at, "leftAt": None, **marks}


DAVE = participant("dave", joined_at=_DAVE_AT)
ERIN = participant("erin", "observer", joined_at=_ERIN_AT)
PRESENT: list[Json] = [
    participant("alice", "owner"),
    participant("bob", **MARKS),
    participant("carol", "admin"),
    DAVE,
    ERIN,
]


LIMIT = {
    "name": "send-user",
    "scope": "user",
    "max": 240,
    "intervalMs": 60_000,
    "remaining": 238,
    "resetMs": 500,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One call and its answer; ``name`` is that of the example."""

    name: str
    operation: str
    caller: str
    summary: str
    status: int
    reply: Json | None = None
    body: Json | None = None
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str | int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    reply_headers: dict[str, str] = field(default_factory=dict)
