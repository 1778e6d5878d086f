"""Sending, reading, editing and deleting messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from sanctum_messaging.actions import messages as actions
from sanctum_messaging.api.calls import Call, Reply
from sanctum_messaging.api.idempotency import REPLAYED
from sanctum_messaging.api.preconditions import etag, read_if_match
from sanctum_messaging.api.reading import JSON_TYPE, MERGE_PATCH_TYPE, NoQuery
from sanctum_messaging.api.routing import AnyRoute, NoBody, Route
from sanctum_messaging.domain.errors import FieldFault, InvalidError
from sanctum_messaging.domain.limits import Use
from sanctum_messaging.domain.model import ConversationId, MessageId, Seq
from sanctum_messaging.ports.store import MessageBounds
from sanctum_messaging.presenters import present_message
from sanctum_messaging.protocol.answers import MessagesPage
from sanctum_messaging.protocol.metadata import read_metadata
from sanctum_messaging.protocol.requests import EditMessage, MessagesQuery, SendMessage
from sanctum_messaging.protocol.resources import MessageResult

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Message


async def post_message(call: Call[SendMessage, NoQuery]) -> Reply:
    """Send a message."""
    body = call.body
    sent = await actions.send_message(
        call.ports,
        call.actor,
        actions.NewMessage(
            conversation_id=ConversationId(body.conversation_id),
            client_message_id=body.client_message_id,
            body=body.body,
            type=body.type,
            metadata=read_metadata(body.metadata),
            reply_to=None if body.reply_to is None else MessageId(body.reply_to),
        ),
    )
    tag = etag(sent.message.version)
    if sent.replayed:
        return Reply(200, MessageResult(message=present_message(sent.message)), (tag, REPLAYED))
    location = (b"location", f"/v1/messages/{sent.message.id}".encode())
    return Reply(201, MessageResult(message=present_message(sent.message)), (tag, location))


async def list_messages(call: Call[NoBody, MessagesQuery]) -> Reply:
    """List a conversation's messages."""
    page, has_more = await actions.list_messages(
        call.ports,
        call.actor,
        ConversationId(call.params["conversationId"]),
        bounds=_bounds(call.query),
        limit=call.query.limit,
    )
    return Reply(200, MessagesPage(messages=[present_message(each) for each in page], has_more=has_more))


async def get_message(call: Call[NoBody, NoQuery]) -> Reply:
    """Read one message."""
    return _reply(await actions.get_message(call.ports, call.actor, _message_id(call.params)))


async def patch_message(call: Call[EditMessage, NoQuery]) -> Reply:
    """Edit a message."""
    metadata = call.body.metadata
    edit = actions.MessageEdit(call.body.body, None if isinstance(metadata, UnsetType) else read_metadata(metadata))
    match = read_if_match(call.scope)
    return _reply(await actions.edit_message(call.ports, call.actor, _message_id(call.params), edit=edit, match=match))


async def delete_message(call: Call[NoBody, NoQuery]) -> Reply:
    """Delete a message."""
    match = read_if_match(call.scope)
    await actions.delete_message(call.ports, call.actor, _message_id(call.params), match=match)
    return Reply(204)


def _reply(message: Message) -> Reply:
    return Reply(200, MessageResult(message=present_message(message)), (etag(message.version),))


def _message_id(params: dict[str, str]) -> MessageId:
    return MessageId(params["messageId"])


def _bounds(query: MessagesQuery) -> MessageBounds:
    given = {"beforeSeq": query.before_seq, "afterSeq": query.after_seq, "aroundSeq": query.around_seq}
    named = [name for name, seq in given.items() if seq is not UNSET]
    if len(named) > 1:
        faults = tuple(FieldFault(name, "unexpected") for name in named[1:])
        raise InvalidError("Give at most one of beforeSeq, afterSeq and aroundSeq.", faults=faults)
    return MessageBounds(
        before=_seq_or_none(query.before_seq),
        after=_seq_or_none(query.after_seq),
        around=_seq_or_none(query.around_seq),
    )


def _seq_or_none(value: int | UnsetType) -> Seq | None:
    return None if isinstance(value, UnsetType) else Seq(value)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        "/v1/messages",
        post_message,
        summary="Send a message",
        description=(
            "A message is sent once, however often it is tried: a repeat of the `clientMessageId` with the same "
            "content returns the first message with status 200, with other content it is a conflict. "
            "`Idempotency-Key` is ignored here. The type `system` is for service tokens."
        ),
        tag="messages",
        body=SendMessage,
        replies={201: MessageResult, 200: MessageResult},
        problems=("forbidden", "client_message_id_reused", "overloaded", "outcome_unknown"),
        use=Use.SEND,
    ),
    Route(
        "GET",
        "/v1/conversations/{conversationId}/messages",
        list_messages,
        summary="List a conversation's messages",
        description=(
            "Ascending by `seq`. At most one of `beforeSeq`, `afterSeq` and `aroundSeq` is given; without any, it "
            "is the newest page."
        ),
        tag="messages",
        query=MessagesQuery,
        replies={200: MessagesPage},
    ),
    Route(
        "GET",
        "/v1/messages/{messageId}",
        get_message,
        summary="Read a message",
        description="As it is now, by those who may see it. A deleted message has no `body` and no `metadata`.",
        tag="messages",
        replies={200: MessageResult},
    ),
    Route(
        "PATCH",
        "/v1/messages/{messageId}",
        patch_message,
        summary="Edit a message",
        description=("By its sender. `metadata` is replaced as a whole where it is given, and else stays."),
        tag="messages",
        body=EditMessage,
        media_types=(JSON_TYPE, MERGE_PATCH_TYPE),
        replies={200: MessageResult},
        problems=("forbidden", "conflict", "message_deleted"),
        needs_if_match=True,
        use=Use.SEND,
    ),
    Route(
        "DELETE",
        "/v1/messages/{messageId}",
        delete_message,
        summary="Delete a message",
        description=("By its sender or an admin. The message keeps its place; body and metadata are gone."),
        tag="messages",
        replies={204: None},
        problems=("forbidden", "conflict", "message_deleted"),
        needs_if_match=True,
        use=Use.SEND,
    ),
)
