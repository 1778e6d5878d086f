"""Where to go on from an answer: which of its fields are which parameters of other calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.protocol.answers import ConversationResult, ConversationsPage, ParticipantResult, SyncPage
from sanctum_messaging.protocol.resources import MessageResult

if TYPE_CHECKING:
    import msgspec

    from sanctum_messaging.api.openapi.schemas import Json


def _link(operation: str, parameters: dict[str, str], **body: str) -> Json:
    return {"operationId": operation, "parameters": parameters, **({"requestBody": body} if body else {})}


_CONVERSATION = {"conversationId": "$response.body#/conversation/id"}
_MESSAGE = {"messageId": "$response.body#/message/id"}
_OF_MESSAGE = {"conversationId": "$response.body#/message/conversationId"}
_PARTICIPANT = {"conversationId": "$request.path.conversationId", "userId": "$response.body#/participant/userId"}
_IF_MATCH = {"If-Match": "$response.header.ETag"}

LINKS: dict[type[msgspec.Struct] | None, Json] = {
    ConversationResult: {
        "conversation": _link("getConversation", _CONVERSATION),
        "changeOfConversation": _link("patchConversation", {**_CONVERSATION, **_IF_MATCH}),
        "deletionOfConversation": _link("deleteConversation", {**_CONVERSATION, **_IF_MATCH}),
        "participants": _link("listParticipants", _CONVERSATION),
        "newParticipants": _link("postParticipants", _CONVERSATION),
        "messages": _link("listMessages", _CONVERSATION),
        "newMessage": _link("postMessage", {}, **_CONVERSATION),
        "readMarker": _link("postRead", _CONVERSATION),
    },
    ConversationsPage: {
        "newest": _link("getConversation", {"conversationId": "$response.body#/conversations/0/id"}),
        "stream": _link("getSync", {"cursor": "$response.body#/streamCursor"}),
    },
    MessageResult: {
        "message": _link("getMessage", _MESSAGE),
        "edit": _link("patchMessage", {**_MESSAGE, **_IF_MATCH}),
        "deletionOfMessage": _link("deleteMessage", {**_MESSAGE, **_IF_MATCH}),
        "history": _link("listMessages", _OF_MESSAGE),
        "reply": _link("postMessage", {}, **_OF_MESSAGE, replyTo="$response.body#/message/id"),
    },
    ParticipantResult: {
        "changeOfParticipant": _link("patchParticipant", _PARTICIPANT),
        "removal": _link("deleteParticipant", _PARTICIPANT),
    },
    SyncPage: {"nextPage": _link("getSync", {"cursor": "$response.body#/cursor"})},
}
"""By what the answer holds."""
