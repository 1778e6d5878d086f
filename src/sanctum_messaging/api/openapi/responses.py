"""What a route answers with when it does what it is asked for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sanctum_messaging.api.openapi.headers import header_references
from sanctum_messaging.api.openapi.links import LINKS
from sanctum_messaging.api.openapi.scenes import SCENES
from sanctum_messaging.api.openapi.schemas import Json, operation_id, reference
from sanctum_messaging.protocol.answers import ConversationResult
from sanctum_messaging.protocol.resources import MessageResult

if TYPE_CHECKING:
    import msgspec

    from sanctum_messaging.api.openapi.story import Scene
    from sanctum_messaging.api.routing import AnyRoute

_VERSIONED = (ConversationResult, MessageResult)


def scenes_of(route: AnyRoute) -> list[Scene]:
    """List the scenes of the story in which a route is called."""
    return [scene for scene in SCENES if scene.operation == operation_id(route)]


def success(status: int, resource: type[msgspec.Struct], example: Json) -> Json:
    """Describe the one good answer of a call that needs no token."""
    content = {"application/json": {"schema": reference(resource), "examples": {"answer": {"value": example}}}}
    reply = {"description": HTTPStatus(status).phrase, "headers": header_references("X-Request-Id"), "content": content}
    return {str(status): reply}


def replies(route: AnyRoute) -> Json:
    """Describe a route's good answers."""
    return {str(status): _reply(route, status, resource) for status, resource in sorted(route.replies.items())}


def _reply(route: AnyRoute, status: int, resource: type[msgspec.Struct] | None) -> Json:
    reply: Json = {
        "description": HTTPStatus(status).phrase,
        "headers": header_references(*_headers(route, status, resource)),
    }
    if resource in LINKS:
        reply["links"] = LINKS[resource]
    if resource is not None:
        examples = {
            scene.name: {"summary": scene.summary, "value": scene.reply}
            for scene in scenes_of(route)
            if scene.status == status
        }
        schema = reference(*(route.reply_forms or (resource,)))
        reply["content"] = {"application/json": {"schema": schema, "examples": examples}}
    return reply


def _headers(route: AnyRoute, status: int, resource: type[msgspec.Struct] | None) -> list[str]:
    headers = ["X-Request-Id", "RateLimit", "RateLimit-Policy"]
    if status == HTTPStatus.CREATED:
        headers.append("Location")
    if resource in _VERSIONED:
        headers.append("ETag")
    if HTTPStatus.CREATED in route.replies:
        headers.append("Idempotent-Replayed")
    return headers
