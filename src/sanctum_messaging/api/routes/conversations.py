"""Creating, listing, reading, changing and deleting conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UnsetType

from sanctum_messaging.actions import conversations as actions
from sanctum_messaging.actions.conversations import ConversationPatch, NewConversation, Unchanged
from sanctum_messaging.actions.memberships import NewParticipant
from sanctum_messaging.api.calls import Call, Reply
from sanctum_messaging.api.idempotency import read_idempotency, replayed_header
from sanctum_messaging.api.pagination import cut_page, read_position_cursor, write_position_cursor
from sanctum_messaging.api.preconditions import etag, read_if_match
from sanctum_messaging.api.reading import JSON_TYPE, MERGE_PATCH_TYPE, NoQuery
from sanctum_messaging.api.routing import AnyRoute, NoBody, Route
from sanctum_messaging.domain.limits import Use
from sanctum_messaging.domain.model import ConversationId, ConversationKind, HistoryVisibility, Role, UserId
from sanctum_messaging.presenters import present_conversation, present_conversation_view
from sanctum_messaging.protocol.answers import ConversationResult, ConversationsPage
from sanctum_messaging.protocol.metadata import read_metadata, read_metadata_patch
from sanctum_messaging.protocol.requests import ConversationsQuery, CreateConversation, UpdateConversation

if TYPE_CHECKING:
    from sanctum_messaging.api.calls import Headers
    from sanctum_messaging.domain.model import Conversation


async def post_conversation(call: Call[CreateConversation, NoQuery]) -> Reply:
    """Create a conversation."""
    idempotency = read_idempotency(call.scope, call.actor, "POST /v1/conversations", call.body)
    created = await actions.create_conversation(
        call.ports, call.actor, _new_conversation(call.body), idempotency=idempotency
    )
    conversation = created.answer.conversation
    if conversation is None:
        raise LookupError("a creation without a conversation")
    headers = replayed_header(replayed=created.replayed)
    if created.answer.created:
        location = (b"location", f"/v1/conversations/{conversation.id}".encode())
        return _reply(conversation, 201, (location, *headers))
    return _reply(conversation, 200, headers)


async def list_conversations(call: Call[NoBody, ConversationsQuery]) -> Reply:
    """List one's conversations."""
    query = call.query
    before = None if isinstance(query.cursor, UnsetType) else read_position_cursor(query.cursor)
    views, end = await actions.list_conversations(call.ports, call.actor, before=before, limit=query.limit + 1)
    page, more = cut_page(views, query.limit)
    return Reply(
        200,
        ConversationsPage(
            conversations=[present_conversation_view(each) for each in page],
            next_cursor=write_position_cursor(page[-1].last_position) if more else None,
            stream_cursor=str(end),
        ),
    )


async def get_conversation(call: Call[NoBody, NoQuery]) -> Reply:
    """Read one conversation."""
    return _reply(await actions.get_conversation(call.ports, call.actor, _conversation_id(call.params)))


async def patch_conversation(call: Call[UpdateConversation, NoQuery]) -> Reply:
    """Change a conversation."""
    changed = await actions.update_conversation(
        call.ports,
        call.actor,
        _conversation_id(call.params),
        patch=_patch(call.body),
        match=read_if_match(call.scope),
    )
    return _reply(changed)


async def delete_conversation(call: Call[NoBody, NoQuery]) -> Reply:
    """Delete a conversation."""
    match = read_if_match(call.scope)
    await actions.delete_conversation(call.ports, call.actor, _conversation_id(call.params), match=match)
    return Reply(204)


def _reply(conversation: Conversation, status: int = 200, headers: Headers = ()) -> Reply:
    result = ConversationResult(conversation=present_conversation(conversation))
    return Reply(status, result, (etag(conversation.version), *headers))


def _conversation_id(params: dict[str, str]) -> ConversationId:
    return ConversationId(params["conversationId"])


def _new_conversation(body: CreateConversation) -> NewConversation:
    return NewConversation(
        kind=ConversationKind(body.kind),
        participants=tuple(NewParticipant(UserId(each.user_id), Role(each.role)) for each in body.participants),
        title=body.title,
        metadata=read_metadata(body.metadata),
        visibility=HistoryVisibility(body.history_visibility),
    )


def _patch(body: UpdateConversation) -> ConversationPatch:
    kept = Unchanged.UNCHANGED
    visibility = body.history_visibility
    return ConversationPatch(
        title=kept if isinstance(body.title, UnsetType) else body.title,
        metadata=kept if isinstance(body.metadata, UnsetType) else read_metadata_patch(body.metadata),
        visibility=kept if isinstance(visibility, UnsetType) else HistoryVisibility(visibility),
    )


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        "/v1/conversations",
        post_conversation,
        summary="Create a conversation",
        description=(
            "The caller owns a group. A direct conversation has exactly one other user; a second one between the "
            "same two is the first, with status 200. In a conversation of `joined` history everyone sees what "
            "fell into his own times in it."
        ),
        tag="conversations",
        body=CreateConversation,
        replies={201: ConversationResult, 200: ConversationResult},
        problems=("conflict", "idempotency_key_reused"),
        takes_idempotency_key=True,
        use=Use.CREATE,
    ),
    Route(
        "GET",
        "/v1/conversations",
        list_conversations,
        summary="List one's conversations, the most recently active first",
        description=(
            "Each with the caller's role, marks and read marker, the number of messages that he has not read (up to "
            "1,000, which means or more) and the last message. `streamCursor` is where the stream goes on after this "
            "list; of several pages take that of the first."
        ),
        tag="conversations",
        query=ConversationsQuery,
        replies={200: ConversationsPage},
        problems=("invalid_cursor",),
    ),
    Route(
        "GET",
        "/v1/conversations/{conversationId}",
        get_conversation,
        summary="Read a conversation",
        description="By those in it. Its `ETag` is what a change of it has to name.",
        tag="conversations",
        replies={200: ConversationResult},
    ),
    Route(
        "PATCH",
        "/v1/conversations/{conversationId}",
        patch_conversation,
        summary="Change a conversation (JSON Merge Patch)",
        description=(
            "By admins and owners. What is absent stays, `null` takes away, and `metadata` is merged field by field."
        ),
        tag="conversations",
        body=UpdateConversation,
        media_types=(JSON_TYPE, MERGE_PATCH_TYPE),
        replies={200: ConversationResult},
        problems=("forbidden", "conflict"),
        needs_if_match=True,
        use=Use.CREATE,
    ),
    Route(
        "DELETE",
        "/v1/conversations/{conversationId}",
        delete_conversation,
        summary="Delete a group for everyone in it",
        description=("By its owners. A direct conversation is never deleted."),
        tag="conversations",
        replies={204: None},
        problems=("forbidden", "conflict", "direct_conversation_fixed"),
        needs_if_match=True,
        use=Use.CREATE,
    ),
)
