"""Who is in a conversation: listing, adding, changing and removing participants."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import UnsetType

from sanctum_messaging.actions import memberships
from sanctum_messaging.actions import participants as actions
from sanctum_messaging.api.calls import Call, Reply
from sanctum_messaging.api.idempotency import read_idempotency, replayed_header
from sanctum_messaging.api.pagination import cut_page, read_user_cursor, write_user_cursor
from sanctum_messaging.api.reading import JSON_TYPE, MERGE_PATCH_TYPE, NoQuery
from sanctum_messaging.api.routing import AnyRoute, NoBody, Route
from sanctum_messaging.domain.errors import FieldFault, InvalidError
from sanctum_messaging.domain.limits import Use
from sanctum_messaging.domain.model import ConversationId, Role, UserId
from sanctum_messaging.presenters import present_participant
from sanctum_messaging.protocol.answers import ParticipantResult, ParticipantsPage, ParticipantsResult
from sanctum_messaging.protocol.requests import (
    AddParticipants,
    AddSeveralParticipants,
    NewParticipant,
    ParticipantsQuery,
    UpdateParticipant,
)

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, Participant
    from sanctum_messaging.protocol.resources import ParticipantResource


async def list_participants(call: Call[NoBody, ParticipantsQuery]) -> Reply:
    """List those present."""
    query = call.query
    after = None if isinstance(query.cursor, UnsetType) else read_user_cursor(query.cursor)
    listed = await actions.list_participants(
        call.ports, call.actor, _conversation_id(call.params), after=after, limit=query.limit + 1
    )
    page, more = cut_page(listed, query.limit)
    return Reply(
        200,
        ParticipantsPage(
            participants=[_present(each, call.actor) for each in page],
            next_cursor=write_user_cursor(page[-1].user_id) if more else None,
        ),
    )


async def post_participants(call: Call[AddParticipants, NoQuery]) -> Reply:
    """Add one participant, or several."""
    operation = f"POST /v1/conversations/{call.params['conversationId']}/participants"
    added = await memberships.add_participants(
        call.ports,
        call.actor,
        _conversation_id(call.params),
        added=_new_participants(call.body),
        idempotency=read_idempotency(call.scope, call.actor, operation, call.body),
    )
    answer = added.answer
    presented = [_present(each, call.actor) for each in answer.participants]
    headers = replayed_header(replayed=added.replayed)
    location = f"/v1/conversations/{call.params['conversationId']}/participants"
    if isinstance(call.body.participants, UnsetType):
        location += f"/{_segment(presented[0].user_id)}"
    if answer.created:
        headers = ((b"location", location.encode()), *headers)
    result = (
        ParticipantResult(participant=presented[0])
        if isinstance(call.body.participants, UnsetType)
        else ParticipantsResult(participants=presented)
    )
    return Reply(201 if answer.created else 200, result, headers)


async def patch_participant(call: Call[UpdateParticipant, NoQuery]) -> Reply:
    """Change a role, or one's own marks."""
    changed = await actions.update_participant(
        call.ports,
        call.actor,
        _conversation_id(call.params),
        user_id=UserId(call.params["userId"]),
        patch=_patch(call.body),
    )
    return Reply(200, ParticipantResult(participant=_present(changed, call.actor)))


async def delete_participant(call: Call[NoBody, NoQuery]) -> Reply:
    """Remove a participant, or leave."""
    await memberships.remove_participant(
        call.ports, call.actor, _conversation_id(call.params), user_id=UserId(call.params["userId"])
    )
    return Reply(204)


def _present(participant: Participant, actor: Actor) -> ParticipantResource:
    return present_participant(participant, own=participant.user_id == actor.user)


def _conversation_id(params: dict[str, str]) -> ConversationId:
    return ConversationId(params["conversationId"])


def _new_participants(body: AddParticipants) -> list[memberships.NewParticipant]:
    """Tell the two forms of the body apart.

    Raises:
        InvalidError: it is neither, or both.
    """
    if isinstance(body.participants, UnsetType):
        if isinstance(body.user_id, UnsetType):
            raise InvalidError.of_field("userId", "missing", "Give userId, or participants.")
        role = Role.MEMBER if isinstance(body.role, UnsetType) else Role(body.role)
        return [memberships.NewParticipant(UserId(body.user_id), role)]
    both = {"userId": body.user_id, "role": body.role}
    faults = tuple(FieldFault(name, "unexpected") for name, value in both.items() if not isinstance(value, UnsetType))
    if faults:
        raise InvalidError("Give userId, or participants, not both.", faults=faults)
    if not body.participants:
        raise InvalidError.of_field("participants", "too_short", "Name someone.")
    return [memberships.NewParticipant(UserId(each.user_id), Role(each.role)) for each in body.participants]


def _segment(user_id: str) -> str:
    """Write a user's id as a segment of a path; two of them would else be taken for steps in it."""
    return user_id.replace(".", "%2E") if user_id in {".", ".."} else quote(user_id, safe="")


def _patch(body: UpdateParticipant) -> actions.ParticipantPatch:
    return actions.ParticipantPatch(
        role=None if isinstance(body.role, UnsetType) else Role(body.role),
        muted=None if isinstance(body.muted, UnsetType) else body.muted,
        hidden=None if isinstance(body.hidden, UnsetType) else body.hidden,
        pinned=None if isinstance(body.pinned, UnsetType) else body.pinned,
    )


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "GET",
        "/v1/conversations/{conversationId}/participants",
        list_participants,
        summary="List those present, by user id",
        description="By those in the conversation. Everybody sees his own marks only.",
        tag="participants",
        query=ParticipantsQuery,
        replies={200: ParticipantsPage},
        problems=("invalid_cursor",),
    ),
    Route(
        "POST",
        "/v1/conversations/{conversationId}/participants",
        post_participants,
        summary="Add a participant, or several",
        description=(
            "By admins and owners, within their own rank. Who is present already stays as he is; if all are, the "
            "status is 200. The answer has the form of the request: `participant`, or `participants` in the order "
            "in which they were named."
        ),
        tag="participants",
        body=AddParticipants,
        body_forms=(NewParticipant, AddSeveralParticipants),
        replies={201: ParticipantResult, 200: ParticipantResult},
        reply_forms=(ParticipantResult, ParticipantsResult),
        problems=(
            "forbidden",
            "conflict",
            "direct_conversation_fixed",
            "too_many_participants",
            "idempotency_key_reused",
        ),
        takes_idempotency_key=True,
        use=Use.CREATE,
    ),
    Route(
        "PATCH",
        "/v1/conversations/{conversationId}/participants/{userId}",
        patch_participant,
        summary="Change a role, or one's own marks",
        description=(
            "A role is changed by admins and owners within their rank, or downwards by oneself. `muted`, `hidden` "
            "and `pinned` are one's own, and seen by nobody else."
        ),
        tag="participants",
        body=UpdateParticipant,
        media_types=(JSON_TYPE, MERGE_PATCH_TYPE),
        replies={200: ParticipantResult},
        problems=("forbidden", "conflict", "direct_conversation_fixed", "last_owner"),
        use=Use.CREATE,
    ),
    Route(
        "DELETE",
        "/v1/conversations/{conversationId}/participants/{userId}",
        delete_participant,
        summary="Remove a participant, or leave",
        description=(
            "By admins and owners, within their rank. Who names himself leaves. A conversation keeps at least one "
            "owner."
        ),
        tag="participants",
        replies={204: None},
        problems=("forbidden", "conflict", "direct_conversation_fixed", "last_owner"),
        use=Use.CREATE,
    ),
)
