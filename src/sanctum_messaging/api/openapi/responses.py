"""What a route answers with: its replies, and the problems it may be refused with."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from sanctum_messaging.api.openapi.schemas import Json, reference
from sanctum_messaging.api.routing import AnyRoute, NoBody
from sanctum_messaging.protocol.answers import ConversationResult
from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.protocol.resources import MessageResult, Problem

_EVERY_CALL = ("internal", "unavailable")
_AUTHENTICATED = ("unauthenticated", "act_as_not_allowed", "invalid")
_WITH_BODY = ("malformed_json", "body_too_large", "unsupported_media_type")
_WITH_IF_MATCH = ("bad_request", "precondition_failed", "if_match_required")
_APPENDING = ("overloaded", "outcome_unknown")
_VERSIONED = (ConversationResult, MessageResult)

_HEADERS = {
    "ETag": {"description": "The resource's version.", "schema": {"type": "string"}, "example": '"v1"'},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {"description": "The call was a repeat.", "schema": {"type": "string", "const": "true"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}


def _link(operation: str, parameters: dict[str, str], **body: str) -> Json:
    return {"operationId": operation, "parameters": parameters, **({"requestBody": body} if body else {})}


_CONVERSATION = {"conversationId": "$response.body#/conversation/id"}
_MESSAGE = {"messageId": "$response.body#/message/id"}
_IF_MATCH = {"If-Match": "$response.header.ETag"}
_LINKS: dict[type[msgspec.Struct], Json] = {
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
    MessageResult: {
        "message": _link("getMessage", _MESSAGE),
        "edit": _link("patchMessage", {**_MESSAGE, **_IF_MATCH}),
        "deletionOfMessage": _link("deleteMessage", {**_MESSAGE, **_IF_MATCH}),
        "reply": _link(
            "postMessage",
            {},
            conversationId="$response.body#/message/conversationId",
            replyTo="$response.body#/message/id",
        ),
    },
}
"""Where to go on from an answer: which of its fields are which parameters of other calls."""


def success(status: int, resource: type[msgspec.Struct]) -> Json:
    """Describe the one good answer of a call."""
    content = {"application/json": {"schema": reference(resource)}}
    return {str(status): {"description": HTTPStatus(status).phrase, "content": content}}


def reply_responses(route: AnyRoute) -> Json:
    """Describe a route's good answers."""
    return {str(status): _reply(route, status, resource) for status, resource in sorted(route.replies.items())}


def problem_responses(route: AnyRoute | None, *codes: str) -> Json:
    """Describe the refusals of a route, or of a call that needs no token, grouped by status."""
    grouped: dict[int, list[str]] = {}
    for code in dict.fromkeys((*_codes_of(route), *codes, *_EVERY_CALL)):
        grouped.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _problem(status, each) for status, each in sorted(grouped.items())}


def _codes_of(route: AnyRoute | None) -> tuple[str, ...]:
    if route is None:
        return ()
    codes = [*_AUTHENTICATED, *route.problems]
    if "{" in route.path or route.path == "/v1/messages":
        codes.append("not_found")
    if route.body is not NoBody:
        codes += _WITH_BODY
    if route.needs_if_match:
        codes += _WITH_IF_MATCH
    if route.method != "GET":
        codes += _APPENDING
    return tuple(codes)


def _reply(route: AnyRoute, status: int, resource: type[msgspec.Struct] | None) -> Json:
    headers = []
    if status == HTTPStatus.CREATED:
        headers.append("Location")
    if resource in _VERSIONED:
        headers.append("ETag")
    if HTTPStatus.CREATED in route.replies:
        headers.append("Idempotent-Replayed")
    reply: Json = {"description": HTTPStatus(status).phrase}
    if headers:
        reply["headers"] = {name: _HEADERS[name] for name in headers}
    if resource in _LINKS:
        reply["links"] = _LINKS[resource]
    if resource is not None:
        schema = reference(*(route.reply_forms or (resource,)))
        reply["content"] = {"application/json": {"schema": schema}}
    return reply


def _problem(status: int, codes: list[str]) -> Json:
    examples = {code: {"value": _example(code)} for code in codes}
    problem: Json = {
        "description": " ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
        "content": {"application/problem+json": {"schema": reference(Problem), "examples": examples}},
    }
    if status == HTTPStatus.UNAUTHORIZED:
        problem["headers"] = {"WWW-Authenticate": _HEADERS["WWW-Authenticate"]}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        problem["headers"] = {"Retry-After": _HEADERS["Retry-After"]}
    return problem


def _example(code: str) -> Json:
    kind = PROBLEMS[code]
    example: Json = {
        "type": f"urn:sanctum:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": kind.title,
        "requestId": "01981f70-1111-7aaa-8bbb-2c3d4e5f6a7b",
        "retryable": kind.retryable,
    }
    if kind.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        example["errors"] = [{"field": "body", "code": "too_long"}]
    return example
