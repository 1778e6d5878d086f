"""The document as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sanctum_messaging import __version__
from sanctum_messaging.api.openapi.parameters import parameters_of
from sanctum_messaging.api.openapi.responses import problem_responses, reply_responses, success
from sanctum_messaging.api.openapi.schemas import Json, component_schemas, operation_id, plain, reference
from sanctum_messaging.api.routing import AnyRoute, NoBody
from sanctum_messaging.protocol.answers import HealthResult, ReadinessResult

if TYPE_CHECKING:
    from collections.abc import Iterable

_ABOUT = """\
Conversations, participants, messages, and a stream of everything that happens, which a client can leave and resume
without losing or repeating anything.

Every call but those of operations needs an access token of the identity provider: `Authorization: Bearer <token>`. A
service token, whose scope holds `messaging:admin`, acts for a user of its tenant with the header `Act-As`. Ids are
UUIDv7, times RFC 3339 in UTC. What is refused is answered by a problem (RFC 9457) with a stable `code`. What does not
exist and what is not for the caller get the same answer.

Live delivery is by WebSocket at `/v1/ws`, with the subprotocol `sanctum.v1`; `GET /v1/sync` reads the same events."""

_TAGS = {
    "conversations": "Groups, and direct conversations of two.",
    "participants": "Who is in a conversation, and what he may do there.",
    "messages": "Sending once, however often it is tried; reading, editing, deleting.",
    "read markers": "How far one has read.",
    "stream": "Everything that happened, in order.",
    "operations": "For operators and their tools; no token is needed.",
}


def create_document(routes: Iterable[AnyRoute]) -> Json:
    """Make the OpenAPI 3.1 document of the routes, and of what operators ask."""
    routes = tuple(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sanctum Messaging",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"accessToken": []}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "paths": {**paths, **_operators_paths()},
        "components": {
            "schemas": component_schemas(routes),
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider, in the header and never in the address.",
                }
            },
        },
    }


def _operation(route: AnyRoute) -> Json:
    operation: Json = {
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": parameters_of(route),
        "responses": {**reply_responses(route), **problem_responses(route)},
    }
    if route.description:
        operation["description"] = plain(route.description)
    if route.body is not NoBody:
        schema = reference(*(route.body_forms or (route.body,)))
        operation["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": schema} for media_type in route.media_types},
        }
    return operation


def _operators_paths() -> Json:
    metrics = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": _probe("healthz", "Is the process there?", success(200, HealthResult)),
        "/readyz": _probe("readyz", "Should it be given requests?", success(200, ReadinessResult), "unavailable"),
        "/metrics": _probe(
            "metrics", "Numbers for Prometheus", {"200": {"description": HTTPStatus.OK.phrase, "content": metrics}}
        ),
    }


def _probe(name: str, summary: str, responses: Json, *codes: str) -> Json:
    return {
        "get": {
            "operationId": name,
            "tags": ["operations"],
            "summary": summary,
            "security": [],
            "responses": {**responses, **problem_responses(None, *codes)},
        }
    }
