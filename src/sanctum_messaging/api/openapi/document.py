"""The document as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sanctum_messaging import __version__
from sanctum_messaging.api.openapi.examples import EXAMPLES
from sanctum_messaging.api.openapi.headers import HEADERS, header_references
from sanctum_messaging.api.openapi.parameters import PARAMETERS, parameters_of
from sanctum_messaging.api.openapi.refusals import codes_of, refusal_components, refusals
from sanctum_messaging.api.openapi.responses import replies, scenes_of, success
from sanctum_messaging.api.openapi.schemas import Json, component_schemas, operation_id, plain, reference
from sanctum_messaging.api.routing import AnyRoute, NoBody
from sanctum_messaging.protocol.answers import HealthResult, ReadinessResult
from sanctum_messaging.protocol.codes import ANY_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable

_ABOUT = """\
Conversations, participants, messages, and a stream of everything that happens, which a client can leave and resume
without losing or repeating anything.

Every call but those of operations needs an access token of the identity provider: `Authorization: Bearer <token>`. A
service token, whose scope holds `messaging:admin`, acts for a user of its tenant with the header `Act-As`. Ids are
UUIDv7, times RFC 3339 in UTC. Clients ignore fields that they do not know.

What is refused is answered by a problem (RFC 9457) with a stable `code`. Each answer lists the codes that it may have;
a client that meets another goes by the status. What does not exist and what is not for the caller get the same answer.

Live delivery is by WebSocket at `/v1/ws`, with the subprotocol `sanctum.v1`, which `/asyncapi.json` describes;
`GET /v1/sync` reads the same events."""

_TAGS = {
    "conversations": "Groups, and direct conversations of two.",
    "participants": "Who is in a conversation, and what he may do there.",
    "messages": "Sending once, however often it is tried; reading, editing, deleting.",
    "read markers": "How far one has read.",
    "rate limits": "How much one may do, and how much of it is left.",
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
            "responses": refusal_components(routes),
            "parameters": PARAMETERS,
            "headers": HEADERS,
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
        "description": plain(route.description),
        "parameters": parameters_of(route),
        "responses": {**replies(route), **refusals(codes_of(route))},
    }
    if route.body is not NoBody:
        operation["requestBody"] = {"required": True, "content": _contents(route)}
    return operation


def _contents(route: AnyRoute) -> Json:
    """Describe a body, which may come in any of the route's media types."""
    examples = {
        scene.name: {"summary": scene.summary, "value": scene.body}
        for scene in scenes_of(route)
        if scene.body is not None
    }
    content = {"schema": reference(*(route.body_forms or (route.body,))), "examples": examples}
    return dict.fromkeys(route.media_types, content)


def _operators_paths() -> Json:
    return {
        "/healthz": _probe(
            "healthz",
            "Is the process there?",
            "It says nothing of what the process depends on, so that no outage of a database restarts it.",
            success(200, HealthResult, EXAMPLES["HealthResult"]),
        ),
        "/readyz": _probe(
            "readyz",
            "Should it be given requests?",
            "A write was proven lately. Where none could be for a while the answer is 503, and until then `degraded`."
            " It is 503, too, while the keys of no identity provider could be read.",
            success(200, ReadinessResult, EXAMPLES["ReadinessResult"]),
        ),
        "/metrics": _probe(
            "metrics", "Numbers for Prometheus", "In the text format of Prometheus.", {"200": _metrics()}
        ),
    }


def _metrics() -> Json:
    text = {
        "schema": {"type": "string"},
        "example": "# TYPE sanctum_append_events_total counter\nsanctum_append_events_total 2.0\n",
    }
    return {
        "description": HTTPStatus.OK.phrase,
        "headers": header_references("X-Request-Id"),
        "content": {"text/plain": text},
    }


def _probe(name: str, summary: str, description: str, answers: Json) -> Json:
    return {
        "get": {
            "operationId": name,
            "tags": ["operations"],
            "summary": summary,
            "description": description,
            "security": [],
            "responses": {**answers, **refusals(ANY_REQUEST)},
        }
    }
